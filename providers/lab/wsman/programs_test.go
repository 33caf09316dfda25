package wsman_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/masterzen/winrm"

	"meshrotate/providers/lab/wsman"
)

// encoded returns the script of a powershell command line's -EncodedCommand.
func encoded(line string) string {
	words := strings.Fields(line)
	raw, _ := base64.StdEncoding.DecodeString(words[len(words)-1])
	units := make([]uint16, len(raw)/2)
	for i := range units {
		units[i] = uint16(raw[2*i]) | uint16(raw[2*i+1])<<8
	}
	return string(utf16.Decode(units))
}

func TestAnsible(t *testing.T) {
	path, err := exec.LookPath("ansible")
	if err != nil {
		need(t, "ansible")
	}
	python(t)
	powershell := func(_ context.Context, p wsman.Process) uint32 {
		fmt.Fprintf(p.Stdout, "%s ran <%s>\r\n", p.User, encoded(p.CommandLine))
		return 7
	}
	creds := newCredentials(t)
	cases := []struct {
		reason, scheme, transport, user, password, addr string
	}{
		{"sealed NTLM over HTTP", "http", "ntlm", testUser, testPassword, start(t, &wsman.Server{Run: powershell})},
		{"NTLM over HTTPS", "https", "ntlm", testUser, testPassword, secure(t, creds, powershell)},
		{"Basic over HTTPS", "https", "basic", "ascii", "Passw0rd!", secure(t, creds, powershell)},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			_, port, _ := strings.Cut(tc.addr, ":")
			vars, err := json.Marshal(map[string]any{
				"ansible_connection": "winrm", "ansible_port": port, "ansible_user": tc.user, "ansible_password": tc.password,
				"ansible_winrm_transport": tc.transport, "ansible_winrm_scheme": tc.scheme, "ansible_winrm_ca_trust_path": creds.caFile,
				"ansible_winrm_server_cert_validation": "validate", "ansible_shell_type": "powershell",
			})
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(path, "-i", "127.0.0.1,", "all", "-m", "raw", "-a", "Get-Relay -Name ü", "-e", string(vars))
			cmd.Env = append(os.Environ(), "OPENSSL_CONF=testdata/openssl-legacy.cnf", "ANSIBLE_LOCAL_TEMP="+t.TempDir(), "ANSIBLE_HOME="+t.TempDir(),
				"ANSIBLE_NOCOLOR=1", "PYTHONWARNINGS=ignore", "no_proxy=*", "LC_ALL=C.UTF-8")
			out, _ := cmd.CombinedOutput() // exit code 7 makes it fail
			if want := tc.user + " ran <"; !strings.Contains(string(out), want) || !strings.Contains(string(out), "Get-Relay -Name ü") ||
				!strings.Contains(string(out), "rc=7") {
				t.Errorf("%s", out)
			}
		})
	}
}

type dotnetAnswer struct {
	Status        int
	Body, Message string
}

// dotnet starts .NET's HTTP client and returns how to ask it.
func dotnet(t *testing.T) (ask func(request map[string]any) dotnetAnswer) {
	t.Helper()
	path, err := exec.LookPath("dotnet-oracle")
	if err != nil {
		need(t, "dotnet-oracle")
	}
	cmd := exec.Command(path)
	in, err1 := cmd.StdinPipe()
	pipe, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil || cmd.Start() != nil {
		t.Fatal("dotnet-oracle does not start", err1, err2)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	out := bufio.NewScanner(pipe)
	out.Buffer(nil, 1<<20)
	return func(request map[string]any) (a dotnetAnswer) {
		if err := json.NewEncoder(in).Encode(request); err != nil || !out.Scan() {
			t.Fatal("no answer", err, out.Err())
		}
		if err := json.Unmarshal(out.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		return a
	}
}

// TestDotNet sends envelopes with .NET's own HTTP client, which knows NTLM and SPNEGO but not sealing.
func TestDotNet(t *testing.T) {
	ask := dotnet(t)
	creds := newCredentials(t)
	trust, err := os.ReadFile(creds.caFile)
	if block, _ := pem.Decode(trust); err != nil || block == nil {
		t.Fatal("no CA", err)
	}
	create := winrm.NewOpenShellRequest("https://host:5986/wsman", params("PT60S")).String()
	safe, plain := "https://"+secure(t, creds, nil), "http://"+start(t, &wsman.Server{})
	open := "http://" + start(t, &wsman.Server{AllowUnencrypted: true})
	cases := []struct {
		reason, url, auth, user, password string
		status                            int
	}{
		{"NTLM in Negotiate over HTTPS, with channel bindings", safe, "Negotiate", testUser, testPassword, 200},
		{"Basic over HTTPS", safe, "Basic", testUser, testPassword, 200},
		{"Negotiate over HTTP where clear messages are allowed", open, "Negotiate", testUser, testPassword, 200},
		{"Negotiate over HTTP where they are not", plain, "Negotiate", testUser, testPassword, 500},
		{"a wrong password", safe, "Negotiate", testUser, "wrong", 401},
		{"Basic over HTTP", plain, "Basic", testUser, testPassword, 401},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			got := ask(map[string]any{"op": "http", "url": tc.url + "/wsman", "method": "POST", "body": create, "user": tc.user,
				"password": tc.password, "domain": "CORP", "auth": tc.auth, "trust": string(trust), "contentType": "application/soap+xml;charset=UTF-8"})
			if got.Status != tc.status || (got.Status == http.StatusOK) != strings.Contains(got.Body, "ShellId") {
				t.Errorf("%+v", got)
			}
		})
	}
}
