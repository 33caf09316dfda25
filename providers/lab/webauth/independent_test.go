package webauth_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"testing"

	"meshrotate/providers/lab/ntlm"
	"meshrotate/providers/lab/webauth"
)

// oracle asks .NET, one JSON line at a time.
type oracle struct {
	t   *testing.T
	in  io.WriteCloser
	out *bufio.Scanner
}

func newOracle(t *testing.T) *oracle {
	t.Helper()
	path, err := exec.LookPath("dotnet-oracle")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("dotnet-oracle is not there, and CI must have it")
		}
		t.Skip("dotnet-oracle is not there")
	}
	cmd := exec.Command(path)
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	scanner := bufio.NewScanner(out)
	scanner.Buffer(nil, 1<<20)
	return &oracle{t: t, in: in, out: scanner}
}

type oracleAnswer struct {
	OK        bool
	Status    int
	Body      string
	Message   string
	Exception string
}

func (o *oracle) ask(request map[string]any) (a oracleAnswer) {
	o.t.Helper()
	if err := json.NewEncoder(o.in).Encode(request); err != nil {
		o.t.Fatal(err)
	}
	if !o.out.Scan() {
		o.t.Fatalf("no answer: %v", o.out.Err())
	}
	if err := json.Unmarshal(o.out.Bytes(), &a); err != nil {
		o.t.Fatal(err)
	}
	return a
}

func TestDotNet(t *testing.T) {
	o := newOracle(t)
	knows := func(user string) (string, bool) { return "Pässw0rd!", user == "svc" }
	rules := &webauth.Rules{NTLM: ntlm.Server{Domain: "CORP", Host: "ADMIN01", Password: knows}, Negotiate: true, RawNTLM: true, Basic: true}
	url := serve(t, rules, false)
	secureURL, ca := serveTLS(t, rules)
	cases := []struct {
		reason, url, auth, user, password string
		status                            int
	}{
		{"raw NTLM", url, "NTLM", "svc", "Pässw0rd!", http.StatusOK},
		{"NTLM inside SPNEGO", url, "Negotiate", "svc", "Pässw0rd!", http.StatusOK},
		{"Basic", url, "Basic", "svc", "Pässw0rd!", http.StatusOK},
		{"NTLM over TLS, with channel bindings", secureURL, "NTLM", "svc", "Pässw0rd!", http.StatusOK},
		{"Negotiate over TLS, with channel bindings", secureURL, "Negotiate", "svc", "Pässw0rd!", http.StatusOK},
		{"wrong password, NTLM", url, "NTLM", "svc", "wrong", http.StatusUnauthorized},
		{"wrong password, Negotiate", url, "Negotiate", "svc", "wrong", http.StatusUnauthorized},
		{"unknown user", url, "Negotiate", "nobody", "Pässw0rd!", http.StatusUnauthorized},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			a := o.ask(map[string]any{"op": "http", "url": tc.url, "method": "POST", "body": "hello", "user": tc.user, "password": tc.password,
				"domain": "CORP", "auth": tc.auth, "trust": ca})
			if a.Status != tc.status {
				t.Fatalf("status %d, want %d: %+v", a.Status, tc.status, a)
			}
			if a.Status == http.StatusOK && a.Body != "svc: hello" {
				t.Errorf("body %q", a.Body)
			}
		})
	}
}
