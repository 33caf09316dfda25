package negotiate_test

import (
	"context"
	"testing"

	"github.com/jcmturner/gokrb5/v8/keytab"

	"meshrotate/providers/lab/webauth"
	"meshrotate/providers/negotiate"
	"meshrotate/reconciler/secret"
)

// fixed is a TokenSource with one answer.
type fixed struct {
	token []byte
	err   error
}

func (f fixed) Token(context.Context, string) ([]byte, error) { return f.token, f.err }

func TestKerberosThenNTLM(t *testing.T) {
	none := fixed{err: &negotiate.ServiceError{SPN: "HTTP/h", Detail: "the KDC does not know this service"}}
	bad := fixed{err: &negotiate.CredentialError{Mechanism: "Kerberos", User: "svc"}}
	for _, test := range []struct {
		reason   string
		c        negotiate.Config
		ok       bool
		requests string
	}{
		{"no ticket for the service: NTLM", negotiate.Config{Kerberos: none, NTLM: svc(canary)}, true, "POST 0, POST Negotiate 0, POST Negotiate 5"},
		{"no ticket and no NTLM", negotiate.Config{Kerberos: none}, false, ""},
		{"a rejected password is not tried a second way", negotiate.Config{Kerberos: bad, NTLM: svc(canary)}, false, ""},
		{"a ticket that the service refuses", negotiate.Config{Kerberos: fixed{token: []byte("nonsense")}}, false, "POST Negotiate 5"},
		{"nothing", negotiate.Config{}, false, ""},
	} {
		t.Run(test.reason, func(t *testing.T) {
			s := serve(t, ntlmRules(canary), nil)
			_, err := call(t.Context(), transport(t, test.c), "POST", s.URL, "12345")
			if (err == nil) != test.ok {
				t.Errorf("%v", err)
			}
			if got := s.requests(); got != test.requests {
				t.Errorf("requests: %s, want %s", got, test.requests)
			}
		})
	}
}

func TestKerberosOverHTTP(t *testing.T) {
	k := startKDC(t)
	const spn = "HTTP/im-admin.contoso.test"
	keys, err := keytab.Load(k.add(spn, ""))
	if err != nil {
		t.Fatal(err)
	}
	k.add("svc", canary)
	s := serve(t, &webauth.Rules{Negotiate: true, Kerberos: &webauth.Kerberos{Keytab: keys}}, nil)
	tickets := kerberos(t, negotiate.KerberosConfig{File: k.conf, User: "svc", Password: secret.NewString(canary)})
	tr := transport(t, negotiate.Config{Kerberos: tickets, SPN: spn})
	for range 3 {
		if got, err := call(t.Context(), tr, "POST", s.URL, "12345"); err != nil || got != "hello svc" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if got := s.requests(); got != "POST Negotiate 5, POST Negotiate 5, POST Negotiate 5" {
		t.Errorf("each request is signed in by itself: %s", got)
	}
}
