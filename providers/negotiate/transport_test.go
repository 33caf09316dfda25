package negotiate_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/lab/ntlm"
	"meshrotate/providers/lab/webauth"
	"meshrotate/providers/negotiate"
	"meshrotate/reconciler/secret"
)

// server is a loopback server behind a sign-in. It keeps what each request brought along, in order.
type server struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string // "POST Negotiate 5": method, scheme, length of the body
	let  []string // who was let in
}

// before may answer a request itself, and then returns true.
func serve(t *testing.T, rules *webauth.Rules, before func(http.ResponseWriter, *http.Request) bool) *server {
	t.Helper()
	s := &server{}
	inner := rules.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.let = append(s.let, webauth.User(r.Context()))
		s.mu.Unlock()
		_, _ = io.WriteString(w, "hello "+webauth.User(r.Context()))
	}))
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		s.mu.Lock()
		s.seen = append(s.seen, fmt.Sprintf("%s %s%d", r.Method, strings.TrimLeft(scheme+" ", " "), len(body)))
		s.mu.Unlock()
		if before != nil && before(w, r) {
			return
		}
		inner.ServeHTTP(w, r)
	}))
	s.Config.ConnContext = webauth.ConnContext
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func (s *server) requests() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := strings.Join(s.seen, ", ")
	s.seen = nil
	return out
}

func ntlmRules(password string) *webauth.Rules {
	return &webauth.Rules{Negotiate: true, NTLM: ntlm.Server{Domain: "CONTOSO",
		Password: func(user string) (string, bool) { return password, user == "svc" }}}
}

func transport(t *testing.T, c negotiate.Config) *negotiate.Transport {
	t.Helper()
	tr := negotiate.NewTransport(c)
	t.Cleanup(tr.Close)
	return tr
}

func svc(password string) *negotiate.Credential {
	return &negotiate.Credential{User: `CONTOSO\svc`, Password: secret.NewString(password)}
}

// call sends one request and reads the answer.
func call(ctx context.Context, tr http.RoundTripper, method, url, body string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

func TestABodyIsSentSignedInOnly(t *testing.T) {
	s := serve(t, ntlmRules(canary), nil)
	tr := transport(t, negotiate.Config{NTLM: svc(canary)})
	for range 2 {
		if got, err := call(t.Context(), tr, "POST", s.URL, "12345"); err != nil || got != "hello svc" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if got, want := s.requests(), "POST 0, POST Negotiate 0, POST Negotiate 5, POST 5"; got != want {
		t.Errorf("requests\n got %s\nwant %s", got, want)
	}
}

func TestAServerThatAsksForNothingGetsNoBody(t *testing.T) {
	open := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if b, _ := io.ReadAll(r.Body); len(b) > 0 {
			t.Error("a body arrived unauthenticated")
		}
	}))
	t.Cleanup(open.Close)
	tr := transport(t, negotiate.Config{NTLM: svc(canary)})
	if _, err := call(t.Context(), tr, "POST", open.URL, "12345"); err == nil {
		t.Error("a body needs a sign-in")
	}
	if _, err := call(t.Context(), tr, "GET", open.URL, ""); err != nil {
		t.Errorf("without a body there is nothing to protect: %v", err)
	}
}

func TestALostConnectionIsSignedInAgain(t *testing.T) {
	s := serve(t, ntlmRules(canary), nil)
	tr := transport(t, negotiate.Config{NTLM: svc(canary)})
	for range 3 {
		if _, err := call(t.Context(), tr, "GET", s.URL, ""); err != nil {
			t.Fatal(err)
		}
		s.CloseClientConnections()
	}
	if got := s.requests(); strings.Count(got, "GET Negotiate") != 6 {
		t.Errorf("want three sign-ins of two requests: %s", got)
	}
}

func TestAForgottenSignInIsRepeatedOnce(t *testing.T) {
	for _, test := range []struct {
		reason, password, requests string
		ok                         bool
	}{
		{"and succeeds", canary, "POST 5, POST 0, POST Negotiate 0, POST Negotiate 5", true},
		{"and fails for good when the password has changed", "another", "POST 5, POST 0, POST Negotiate 0, POST Negotiate 5", false},
	} {
		t.Run(test.reason, func(t *testing.T) {
			rules := ntlmRules(canary)
			var forget atomic.Bool
			s := serve(t, rules, func(w http.ResponseWriter, r *http.Request) bool {
				if !forget.CompareAndSwap(true, false) {
					return false
				}
				w.Header().Set("WWW-Authenticate", "Negotiate")
				w.WriteHeader(http.StatusUnauthorized)
				return true
			})
			tr := transport(t, negotiate.Config{NTLM: svc(canary)})
			if _, err := call(t.Context(), tr, "POST", s.URL, "12345"); err != nil {
				t.Fatal(err)
			}
			s.requests()
			rules.NTLM.Password = ntlmRules(test.password).NTLM.Password
			forget.Store(true)
			for range 3 {
				if _, err := call(t.Context(), tr, "POST", s.URL, "12345"); (err == nil) != test.ok {
					t.Fatalf("%v", err)
				} else if err != nil && !errors.As(err, new(*negotiate.CredentialError)) {
					t.Fatalf("%v", err)
				}
			}
			if got := s.requests(); !strings.HasPrefix(got, test.requests) || strings.Count(got, "Negotiate") != 2 {
				t.Errorf("requests\n got %s\nwant %s", got, test.requests)
			}
		})
	}
}

func TestAConnectionThatEndsDuringTheSignIn(t *testing.T) {
	for step := 1; step <= 3; step++ {
		requests := 0
		s := serve(t, ntlmRules(canary), func(w http.ResponseWriter, _ *http.Request) bool {
			requests++
			switch {
			case requests == step:
				w.Header().Set("Connection", "close")
			case requests == 2 && step == 3: // without an answer to the second
				conn, _, _ := w.(http.Hijacker).Hijack()
				_ = conn.Close()
				return true
			}
			return false
		})
		_, err := call(t.Context(), transport(t, negotiate.Config{NTLM: svc(canary)}), "POST", s.URL, "12345")
		if !errors.Is(err, negotiate.ErrConnectionLost) || errors.As(err, new(*negotiate.CredentialError)) {
			t.Errorf("after step %d: %v", step, err)
		}
		if len(s.let) != 0 || strings.Contains(s.requests(), "5") {
			t.Errorf("after step %d: the body was sent on another connection", step)
		}
	}
}

func TestACredentialThatWasTakenIsTriedAgain(t *testing.T) {
	var refuse atomic.Int32
	rules := ntlmRules(canary)
	rules.NTLM.Password = func(user string) (string, bool) { return canary, refuse.Add(-1) < 0 && user == "svc" }
	s := serve(t, rules, nil)
	now := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	tr := transport(t, negotiate.Config{NTLM: svc(canary), Now: func() time.Time { return now }})
	ask := func(reason string, ok bool, logins int) {
		t.Helper()
		s.CloseClientConnections()
		s.requests()
		_, err := call(t.Context(), tr, "GET", s.URL, "")
		if (err == nil) != ok || err != nil && !errors.As(err, new(*negotiate.CredentialError)) {
			t.Errorf("%s: %v", reason, err)
		}
		if n := strings.Count(s.requests(), "Negotiate") / 2; n != logins {
			t.Errorf("%s: %d logins, want %d", reason, n, logins)
		}
	}
	ask("taken", true, 1)
	refuse.Store(2)
	ask("refused", false, 1)
	ask("not at once", false, 0)
	now = now.Add(11 * time.Second)
	ask("refused again", false, 1)
	now = now.Add(11 * time.Second)
	ask("the domain controller is back", true, 1)
	refuse.Store(1000)
	for range 4 {
		ask("refused for good", false, 1)
		now = now.Add(11 * time.Second)
	}
	ask("bounded", false, 0)
}

func TestConcurrentRequestsTakeTurns(t *testing.T) {
	s := serve(t, ntlmRules(canary), nil)
	tr := transport(t, negotiate.Config{NTLM: svc(canary)})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if got, err := call(t.Context(), tr, "POST", s.URL, "12345"); err != nil || got != "hello svc" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	wg.Wait()
	if got := s.requests(); strings.Count(got, "Negotiate 5") != 1 {
		t.Errorf("one sign-in for all: %s", got)
	}
}

func TestWaitingForATurnCanBeCancelled(t *testing.T) {
	s := serve(t, ntlmRules(canary), nil)
	tr := transport(t, negotiate.Config{NTLM: svc(canary)})
	req, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL, nil)
	first, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	if _, err := call(ctx, tr, "GET", s.URL, ""); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
	_ = first.Body.Close()
	if _, err := call(t.Context(), tr, "GET", s.URL, ""); err != nil {
		t.Errorf("a body that was closed unread costs the connection, not the transport: %v", err)
	}
	tr.Close()
	if _, err := call(t.Context(), tr, "GET", s.URL, ""); !errors.Is(err, negotiate.ErrClosed) {
		t.Errorf("%v", err)
	}
}

// strange answers every sign-in with the same header.
func strange(t *testing.T, header string) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			w.Header().Set("WWW-Authenticate", header)
		} else {
			w.Header().Set("WWW-Authenticate", "Negotiate")
		}
		w.WriteHeader(401)
		_, _ = io.WriteString(w, strings.Repeat(canary, 1000))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestStrangeChallenges(t *testing.T) {
	for _, header := range []string{
		"", "Negotiate", "Negotiate !!!", "Negotiate AAAA", "NTLM TlRMTVNTUAACAAAA", "Negotiate TlRMTVNTUAACAAAA",
		"Negotiate TlRMTVNTUAADAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"Negotiate TlRMTVNTUAACAAAA//8AAP///38FgomiAAAAAAAAAAAAAAAAAAAAAP//AAD///9/",
	} {
		_, err := call(t.Context(), transport(t, negotiate.Config{NTLM: svc(canary)}), "POST", strange(t, header), "12345")
		if err == nil || errors.As(err, new(*negotiate.CredentialError)) || strings.Contains(err.Error(), canary) {
			t.Errorf("%q: %v", header, err)
		}
	}
}
