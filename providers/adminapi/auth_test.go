package adminapi_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"meshrotate/providers/adminapi"
	"meshrotate/providers/lab/ntlm"
	"meshrotate/providers/lab/webauth"
	"meshrotate/providers/negotiate"
	"meshrotate/reconciler/secret"
)

// admin is an Admin API that asks for a sign-in.
type admin struct {
	*httptest.Server
	rules *webauth.Rules
	mu    sync.Mutex
	log   []string // requests as they arrived, with the scheme of their authorization
	users []string // who was let in
}

func newAdmin(t *testing.T, rules *webauth.Rules, tls bool) *admin {
	t.Helper()
	a := &admin{rules: rules}
	inner := rules.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.users = append(a.users, webauth.User(r.Context()))
		a.mu.Unlock()
		answers(200, "application/json", `[]`)(w, r)
	}))
	a.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		a.mu.Lock()
		a.log = append(a.log, strings.TrimSpace(r.Method+" "+scheme))
		a.mu.Unlock()
		inner.ServeHTTP(w, r)
	}))
	a.Config.ConnContext, a.Config.ErrorLog = webauth.ConnContext, nolog()
	if tls {
		a.StartTLS()
		rules.Certificate = a.Certificate()
	} else {
		a.Start()
	}
	t.Cleanup(a.Close)
	return a
}

func (a *admin) requests() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(a.log, ", ")
}

func (a *admin) ca() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate().Raw})
}

func users(name, password string) ntlm.Server {
	return ntlm.Server{Domain: "CONTOSO", Host: "IM-ADMIN", Password: func(user string) (string, bool) { return password, user == name }}
}

func TestNTLM(t *testing.T) {
	for _, test := range []struct {
		reason     string
		rules      webauth.Rules
		tls        bool
		user, want string
	}{
		{"Negotiate", webauth.Rules{Negotiate: true}, false, `CONTOSO\svc`, "svc"},
		{"NTLM by its own name", webauth.Rules{RawNTLM: true}, false, `CONTOSO\svc`, "svc"},
		{"beside Basic, which is never used", webauth.Rules{Basic: true, RawNTLM: true}, false, `svc`, "svc"},
		{"a user principal name", webauth.Rules{Negotiate: true}, false, `svc@contoso.example`, "svc@contoso.example"},
		{"a hardened server with channel bindings", webauth.Rules{Negotiate: true, RequireBindings: true}, true, `CONTOSO\svc`, "svc"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			test.rules.NTLM = users(test.want, canary)
			a := newAdmin(t, &test.rules, test.tls)
			config := adminapi.Config{URL: a.URL, Auth: adminapi.Auth{NTLM: &negotiate.Credential{User: test.user, Password: secret.NewString(canary)}}}
			if test.tls {
				config.CAPEM = a.ca()
			}
			c := open(t, config)
			if _, err := c.Relays(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := c.Post(t.Context(), "/api/license/reload"); err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(a.requests(), ","); n != 3 {
				t.Errorf("want three requests for the sign-in and one more, got %s", a.requests())
			}
			if got := fmt.Sprint(a.users); !strings.Contains(got, test.want) || len(a.users) != 2 {
				t.Errorf("let in: %v", a.users)
			}
		})
	}
}

func TestAWrongPasswordIsTriedOnce(t *testing.T) {
	a := newAdmin(t, &webauth.Rules{Negotiate: true, NTLM: users("svc", "right")}, false)
	c := open(t, adminapi.Config{URL: a.URL, Auth: adminapi.Auth{NTLM: &negotiate.Credential{User: `CONTOSO\svc`, Password: secret.NewString(canary)}}})
	for range 3 {
		_, err := c.Relays(t.Context())
		var rejected *negotiate.CredentialError
		if adminapi.KindOf(err) != adminapi.Credential || !errors.As(err, &rejected) || rejected.User != `CONTOSO\svc` {
			t.Fatalf("%v", err)
		}
		if strings.Contains(err.Error(), canary) {
			t.Fatal("the password is shown")
		}
	}
	if got, want := a.requests(), "GET, GET Negotiate, GET Negotiate"; got != want {
		t.Errorf("requests: %s, want %s", got, want)
	}
}

func TestNoSchemeInCommon(t *testing.T) {
	a := newAdmin(t, &webauth.Rules{Basic: true}, false)
	c := open(t, adminapi.Config{URL: a.URL, Auth: adminapi.Auth{NTLM: &negotiate.Credential{User: "svc", Password: secret.NewString(canary)}}})
	_, err := c.Relays(t.Context())
	if adminapi.KindOf(err) != adminapi.Credential || !strings.Contains(err.Error(), "accepts basic") {
		t.Fatalf("%v", err)
	}
	if a.requests() != "GET" {
		t.Errorf("a credential was sent: %s", a.requests())
	}
}

// tickets is a TokenSource with one answer.
type tickets struct{ err error }

func (k tickets) Token(context.Context, string) ([]byte, error) { return []byte("ticket"), k.err }

func TestKerberosFailures(t *testing.T) {
	for _, test := range []struct {
		reason string
		err    error
		kind   adminapi.Kind
		hint   string
		asked  string
	}{
		{"a rejected log-in", &negotiate.CredentialError{Mechanism: "Kerberos", User: "svc"}, adminapi.Credential, "tried once", ""},
		{"an unknown service", &negotiate.ServiceError{SPN: "HTTP/127.0.0.1"}, adminapi.NoTicket, "setspn -Q HTTP/127.0.0.1", ""},
		{"and another way in", &negotiate.ServiceError{SPN: "HTTP/127.0.0.1"}, adminapi.NoTicket, "connect.adminApi.auth: ntlm", ""},
		{"no KDC", &negotiate.ServiceError{Unreachable: true}, adminapi.Unreachable, "port 88", ""},
		{"a ticket that the server refuses", nil, adminapi.NoTicket, "setspn -Q HTTP/127.0.0.1", "GET Negotiate"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			a := newAdmin(t, &webauth.Rules{Negotiate: true, NTLM: users("svc", "x")}, false)
			c := open(t, adminapi.Config{URL: a.URL, Auth: adminapi.Auth{Kerberos: tickets{test.err}}})
			_, err := c.Relays(t.Context())
			var e *adminapi.Error
			if !errors.As(err, &e) || e.Kind != test.kind || !strings.Contains(e.Hint(), test.hint) {
				t.Errorf("%v\nhint: %s", err, e.Hint())
			}
			if a.requests() != test.asked {
				t.Errorf("requests: %s", a.requests())
			}
		})
	}
}
