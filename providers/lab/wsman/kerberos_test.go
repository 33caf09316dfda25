package wsman_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/masterzen/winrm"

	"meshrotate/providers/lab/webauth"
	"meshrotate/providers/lab/wsman"
)

// kdc runs MIT's KDC on loopback and returns the environment for its clients and the keytab of HTTP/localhost.
func kdc(t *testing.T) (env []string, keys *keytab.Keytab) {
	t.Helper()
	tool := func(name string) string {
		for _, path := range []string{name, "/usr/sbin/" + name} {
			if found, err := exec.LookPath(path); err == nil {
				return found
			}
		}
		need(t, name)
		return ""
	}
	server, util, admin, kinit := tool("krb5kdc"), tool("kdb5_util"), tool("kadmin.local"), tool("kinit")
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := probe.Addr().(*net.TCPAddr).Port
	_ = probe.Close()
	dir := t.TempDir()
	files := map[string]string{
		"krb5.conf": fmt.Sprintf("[libdefaults]\n default_realm = LAB.TEST\n dns_lookup_kdc = false\n dns_lookup_realm = false\n rdns = false\n"+
			" dns_canonicalize_hostname = false\n udp_preference_limit = 1\n[realms]\n LAB.TEST = {\n  kdc = 127.0.0.1:%d\n }\n", port),
		"kdc.conf": fmt.Sprintf("[kdcdefaults]\n kdc_listen = 127.0.0.1:%d\n kdc_tcp_listen = 127.0.0.1:%d\n[realms]\n LAB.TEST = {\n  database_name = %s/db\n"+
			"  key_stash_file = %s/stash\n  acl_file = %s/acl\n }\n[logging]\n kdc = FILE:%s/kdc.log\n", port, port, dir, dir, dir, dir),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env = append(os.Environ(), "KRB5_CONFIG="+dir+"/krb5.conf", "KRB5_KDC_PROFILE="+dir+"/kdc.conf", "KRB5CCNAME=FILE:"+dir+"/cache")
	run := func(input, path string, args ...string) {
		cmd := exec.Command(path, args...)
		cmd.Env, cmd.Stdin = env, strings.NewReader(input)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", path, err, out)
		}
	}
	run("", util, "create", "-s", "-r", "LAB.TEST", "-P", "master")
	run("", admin, "-q", "addprinc -pw secret "+testUser)
	run("", admin, "-q", "addprinc -randkey HTTP/localhost")
	run("", admin, "-q", "ktadd -k "+dir+"/keytab HTTP/localhost")
	daemon := exec.Command(server, "-n")
	daemon.Env = env
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Kill()
		_ = daemon.Wait()
	})
	listens := false
	for end := time.Now().Add(time.Minute); !listens && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if listens = err == nil; listens {
			_ = c.Close()
		}
	}
	if !listens {
		t.Fatal("the KDC does not listen")
	}
	run("secret\n", kinit, testUser)
	if keys, err = keytab.Load(dir + "/keytab"); err != nil {
		t.Fatal(err)
	}
	return env, keys
}

// TestKerberosCurl has MIT's library again, this time with the ticket inside SPNEGO.
func TestKerberosCurl(t *testing.T) {
	path, err := exec.LookPath("curl")
	if err != nil {
		need(t, "curl")
	}
	if features, err := exec.Command(path, "-V").Output(); err != nil || !strings.Contains(string(features), "SPNEGO") {
		need(t, "curl with SPNEGO")
	}
	env, keys := kdc(t)
	creds := newCredentials(t)
	addr := start(t, &wsman.Server{TLS: creds.server, Auth: webauth.Rules{Kerberos: &webauth.Kerberos{Keytab: keys}}})
	_, port, _ := strings.Cut(addr, ":")
	cmd := exec.Command(path, "-sS", "--noproxy", "*", "--negotiate", "-u", ":", "--cacert", creds.caFile, "-H", "Content-Type: application/soap+xml;charset=UTF-8",
		"--data-binary", winrm.NewOpenShellRequest("u", params("PT60S")).String(), "https://localhost:"+port+"/wsman")
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "ShellId") || !strings.Contains(string(out), "Owner>"+testUser+"<") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestKerberos has MIT's library on the client's side, which demands the server's proof; its token is not in SPNEGO.
func TestKerberos(t *testing.T) {
	interpreter := python(t)
	env, keys := kdc(t)
	creds := newCredentials(t)
	addr := start(t, &wsman.Server{TLS: creds.server, Run: longProgram, Auth: webauth.Rules{Kerberos: &webauth.Kerberos{Keytab: keys}}})
	_, port, _ := strings.Cut(addr, ":")
	cmd := exec.Command(interpreter, "testdata/pywinrm.py", "https://localhost:"+port+"/wsman", "kerberos", testUser+"@LAB.TEST", "", creds.caFile)
	cmd.Env = append(env, "PYTHONWARNINGS=ignore", "no_proxy=*")
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]json.RawMessage
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	checkPywinrm(t, out)
}
