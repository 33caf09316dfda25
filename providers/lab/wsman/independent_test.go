package wsman_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab/webauth"
	"meshrotate/providers/lab/wsman"
)

// need skips the test, or fails it under CI, when another program is missing.
func need(t *testing.T, missing string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not there, and CI must have it", missing)
	}
	t.Skipf("%s is not there", missing)
}

// python finds an interpreter that has pywinrm: Debian's own, when another one comes first on PATH.
func python(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if path, err := exec.LookPath(name); err == nil && exec.Command(path, "-c", "import winrm, requests_ntlm").Run() == nil {
			return path
		}
	}
	need(t, "python3-winrm")
	return ""
}

// longProgram adds to program what the Python script asks for.
func longProgram(ctx context.Context, p wsman.Process) uint32 {
	var n int
	switch {
	case p.CommandLine == "slow":
		select {
		case <-time.After(2500 * time.Millisecond): // beyond the client's OperationTimeout
		case <-ctx.Done():
		}
		fmt.Fprint(p.Stdout, "at last")
		return 0
	case strings.HasPrefix(p.CommandLine, "big "):
		_, _ = fmt.Sscanf(p.CommandLine, "big %d", &n)
		_, _ = p.Stdout.Write(bytes.Repeat([]byte("ä"), n/2))
		return 0
	}
	return program(ctx, p)
}

// credentials are a server's and a client's certificate with the files that clients want.
type credentials struct {
	server                *tls.Config
	pool                  *x509.CertPool
	client                tls.Certificate
	caFile, cert, keyFile string
}

func newCredentials(t testing.TB) credentials {
	t.Helper()
	dir := t.TempDir()
	issue := func(name string, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"},
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true, IsCA: parent == nil,
			KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		}
		if parent == nil {
			parent, signer = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return cert, key
	}
	save := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	ca, caKey := issue("lab CA", nil, nil)
	server, serverKey := issue("localhost", ca, caKey)
	client, clientKey := issue(testUser, ca, caKey)
	keyDER, err := x509.MarshalPKCS8PrivateKey(clientKey)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	return credentials{
		pool: pool,
		server: &tls.Config{
			Certificates: []tls.Certificate{{Certificate: [][]byte{server.Raw}, PrivateKey: serverKey}},
			ClientAuth:   tls.VerifyClientCertIfGiven, ClientCAs: pool,
		},
		client: tls.Certificate{Certificate: [][]byte{client.Raw}, PrivateKey: clientKey},
		caFile: save("ca.pem", "CERTIFICATE", ca.Raw), cert: save("client.pem", "CERTIFICATE", client.Raw),
		keyFile: save("client.key", "PRIVATE KEY", keyDER),
	}
}

// secure serves HTTPS with every scheme on.
func secure(t *testing.T, creds credentials, run wsman.Run) string {
	return start(t, &wsman.Server{TLS: creds.server, Run: run, Auth: webauth.Rules{Basic: true, RequireBindings: true,
		CertificateUser: func(c *x509.Certificate) (string, bool) {
			return c.Subject.CommonName, c.Subject.CommonName == testUser
		}}})
}

func TestPywinrm(t *testing.T) {
	interpreter := python(t)
	creds := newCredentials(t)
	plain := "http://" + start(t, &wsman.Server{Run: longProgram}) + "/wsman"
	safe := "https://" + secure(t, creds, longProgram) + "/wsman"
	cases := []struct {
		reason string
		args   []string
		fails  string
	}{
		{"sealed NTLM over HTTP", []string{plain, "ntlm", `CORP\` + testUser, testPassword, ""}, ""},
		{"sealed NTLM with a local name", []string{plain, "ntlm", testUser, testPassword, ""}, ""},
		{"NTLM over HTTPS with channel bindings", []string{safe, "ntlm", `CORP\` + testUser, testPassword, creds.caFile}, ""},
		{"Basic over HTTPS", []string{safe, "basic", "ascii", "Passw0rd!", creds.caFile}, ""},
		{"a client certificate", []string{safe, "certificate", "", "", creds.caFile, creds.cert, creds.keyFile}, ""},
		{"a wrong password", []string{plain, "ntlm", testUser, "wrong", ""}, "InvalidCredentialsError"},
		{"Basic over HTTP is not offered", []string{plain, "basic", testUser, testPassword, ""}, "InvalidCredentialsError"},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			cmd := exec.Command(interpreter, append([]string{"testdata/pywinrm.py"}, tc.args...)...)
			cmd.Env = append(os.Environ(), "OPENSSL_CONF=testdata/openssl-legacy.cnf", "PYTHONWARNINGS=ignore", "no_proxy=*")
			text, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v: %s", err, err.(*exec.ExitError).Stderr)
			}
			var out map[string]json.RawMessage
			if err := json.Unmarshal(text, &out); err != nil {
				t.Fatal(err)
			}
			if tc.fails != "" {
				if !strings.Contains(string(out["error"]), tc.fails) {
					t.Errorf("want %s, got %s", tc.fails, text)
				}
				return
			}
			checkPywinrm(t, out)
		})
	}
}

func checkPywinrm(t *testing.T, out map[string]json.RawMessage) {
	t.Helper()
	for name, want := range map[string]string{"echo": "hello\r\n", "exit": "", "big": strings.Repeat("ä", 150_000), "slow": "at last"} {
		var got struct {
			Stdout string
			Code   uint32
		}
		if err := json.Unmarshal(out[name], &got); err != nil {
			t.Fatalf("%s: %v; %s", name, err, out["error"])
		}
		stdout, err := base64.StdEncoding.DecodeString(got.Stdout)
		if err != nil || string(stdout) != want || (name == "exit") != (got.Code == 4294967295) {
			t.Errorf("%s: %d bytes, exit %d, %v", name, len(stdout), got.Code, err)
		}
	}
	if !strings.Contains(string(out["closed"]), "2150858843") {
		t.Errorf("a deleted shell: %s", out["closed"])
	}
}
