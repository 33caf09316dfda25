package adminapi_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/adminapi"
	"meshrotate/providers/lab/webauth"
	"meshrotate/providers/negotiate"
	"meshrotate/reconciler/secret"
)

func nolog() *log.Logger { return log.New(io.Discard, "", 0) }

// flaky fails in one way for the first requests, then answers with an empty list.
func flaky(t *testing.T, failures int32, fail http.HandlerFunc) (url string, requests *atomic.Int32) {
	requests = new(atomic.Int32)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) <= failures {
			fail(w, r)
			return
		}
		answers(200, "application/json", `[]`)(w, r)
	})
	return s.URL, requests
}

// cut closes the connection without an answer; reset does it with a TCP reset.
func cut(w http.ResponseWriter, _ *http.Request) {
	conn, _, _ := w.(http.Hijacker).Hijack()
	_ = conn.Close()
}

func reset(w http.ResponseWriter, _ *http.Request) {
	conn, _, _ := w.(http.Hijacker).Hijack()
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

// half promises more than it sends.
func half(w http.ResponseWriter, _ *http.Request) {
	conn, buf, _ := w.(http.Hijacker).Hijack()
	_, _ = buf.WriteString("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n[{\"name\":\"a\"}")
	_ = buf.Flush()
	_ = conn.Close()
}

func TestReadsAreRepeated(t *testing.T) {
	for _, test := range []struct {
		reason string
		fail   http.HandlerFunc
	}{
		{"502: a proxy lost the service for a moment", answers(502, "text/html", "x")},
		{"503: the service is starting", answers(503, "", "x")},
		{"429: it takes no more for now", answers(429, "", "x")},
		{"504: a proxy waited too long", answers(504, "", "x")},
		{"the connection was closed", cut},
		{"the connection was reset", reset},
		{"half an answer is no answer", half},
	} {
		t.Run(test.reason, func(t *testing.T) {
			url, requests := flaky(t, 2, test.fail)
			r, err := open(t, adminapi.Config{URL: url}).Relays(t.Context())
			if err != nil || len(r.List) != 0 {
				t.Fatalf("%+v, %v", r, err)
			}
			if requests.Load() < 3 {
				t.Errorf("%d requests", requests.Load())
			}
		})
		t.Run("not for POST: "+test.reason, func(t *testing.T) {
			url, requests := flaky(t, 1000, test.fail)
			err := open(t, adminapi.Config{URL: url}).Post(t.Context(), "/api/license/reload")
			if kind := adminapi.KindOf(err); err == nil && requests.Load() != 1 || err != nil && kind != adminapi.Lost && !adminapi.Answered(err) {
				t.Errorf("%v", err)
			}
			if requests.Load() != 1 {
				t.Errorf("%d requests, want 1", requests.Load())
			}
		})
		t.Run("not when retries are off: "+test.reason, func(t *testing.T) {
			url, _ := flaky(t, 1000, test.fail)
			_, err := open(t, adminapi.Config{URL: url, Retry: adminapi.Retry{For: -1}}).Get(t.Context(), "/api/license")
			if kind := adminapi.KindOf(err); kind != adminapi.Unreachable && !adminapi.Answered(err) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A connection that ends during the sign-in has carried nothing out: a read is repeated, and a POST says that it was not.
func TestTheConnectionEndsDuringTheSignIn(t *testing.T) {
	polite := func(w http.ResponseWriter, r *http.Request, inner http.Handler) {
		w.Header().Set("Connection", "close")
		inner.ServeHTTP(w, r)
	}
	rude := func(w http.ResponseWriter, r *http.Request, _ http.Handler) { cut(w, r) }
	hard := func(w http.ResponseWriter, r *http.Request, _ http.Handler) { reset(w, r) }
	broken := func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		conn, _, _ := w.(http.Hijacker).Hijack()
		_, _ = io.WriteString(conn, "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Nego")
		_ = conn.Close()
	}
	for _, test := range []struct {
		reason string
		step   int32 // of the sign-in
		end    func(http.ResponseWriter, *http.Request, http.Handler)
		post   adminapi.Kind
	}{
		{"after the challenge was offered", 1, polite, adminapi.Unreachable},
		{"after the challenge", 2, polite, adminapi.Unreachable},
		{"instead of the offer", 1, rude, adminapi.Lost}, // a server that wants no sign-in carries out the first request
		{"instead of the offer, by a reset", 1, hard, adminapi.Lost},
		{"in the offer", 1, broken, adminapi.Lost},
		{"instead of the challenge", 2, rude, adminapi.Unreachable},
		{"instead of the challenge, by a reset", 2, hard, adminapi.Unreachable},
		{"in the challenge", 2, broken, adminapi.Unreachable},
		{"instead of the answer", 3, rude, adminapi.Lost},
		{"instead of the answer, by a reset", 3, hard, adminapi.Lost},
	} {
		serve := func(t *testing.T) *adminapi.Client {
			rules := &webauth.Rules{Negotiate: true, NTLM: users("svc", canary)}
			inner := rules.Wrap(answers(200, "application/json", `[]`))
			var requests atomic.Int32
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if requests.Add(1) == test.step {
					test.end(w, r, inner)
					return
				}
				inner.ServeHTTP(w, r)
			}))
			s.Config.ConnContext, s.Config.ErrorLog = webauth.ConnContext, nolog()
			s.Start()
			t.Cleanup(s.Close)
			return open(t, adminapi.Config{URL: s.URL, Auth: adminapi.Auth{NTLM: &negotiate.Credential{User: `CONTOSO\svc`, Password: secret.NewString(canary)}}})
		}
		t.Run("GET, "+test.reason, func(t *testing.T) {
			if _, err := serve(t).Relays(t.Context()); err != nil {
				t.Errorf("not repeated: %v", err)
			}
		})
		t.Run("POST, "+test.reason, func(t *testing.T) {
			err := serve(t).Post(t.Context(), "/api/license/reload")
			if adminapi.KindOf(err) != test.post {
				t.Errorf("want %s: %v", test.post, err)
			}
		})
	}
}

// A KDC that is away for a moment is asked again.
func TestTheKDCIsAwayForAMoment(t *testing.T) {
	s := serve(t, answers(200, "application/json", `[]`))
	var asked atomic.Int32
	source := sourceFunc(func() ([]byte, error) {
		if asked.Add(1) <= 2 {
			return nil, &negotiate.ServiceError{Unreachable: true, Detail: "no KDC answers"}
		}
		return []byte("ticket"), nil
	})
	if _, err := open(t, adminapi.Config{URL: s.URL, Auth: adminapi.Auth{Kerberos: source}}).Relays(t.Context()); err != nil {
		t.Error(err)
	}
}

type sourceFunc func() ([]byte, error)

func (f sourceFunc) Token(context.Context, string) ([]byte, error) { return f() }

// closedPort is an address where nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	return l.Addr().String()
}

func TestNobodyListens(t *testing.T) {
	c := open(t, adminapi.Config{URL: "http://" + closedPort(t), Retry: adminapi.Retry{First: time.Millisecond, Most: time.Millisecond, For: 20 * time.Millisecond}})
	_, err := c.Get(t.Context(), "/api/license")
	if adminapi.KindOf(err) != adminapi.Unreachable || !strings.Contains(err.Error(), "GET /api/license") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	patient := open(t, adminapi.Config{URL: "http://" + closedPort(t), Retry: adminapi.Retry{First: time.Millisecond, Most: time.Millisecond, For: time.Minute}})
	if _, err := patient.Get(ctx, "/api/license"); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "last seen") {
		t.Errorf("the deadline, and why it was reached: %v", err)
	}
	if err := c.Post(t.Context(), "/api/license/reload"); adminapi.KindOf(err) != adminapi.Unreachable {
		t.Errorf("a POST that found nobody was not carried out: %v", err)
	}
}

func TestWaitReady(t *testing.T) {
	var requests atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch requests.Add(1) {
		case 1:
			cut(w, r)
		case 2, 3:
			answers(503, "text/plain", "Unhealthy")(w, r)
		case 4:
			answers(502, "text/html", "a proxy, while the service starts")(w, r)
		case 5:
			answers(500, "text/html", "an error page, for a moment")(w, r)
		case 6:
			answers(404, "text/html", "HTTP.sys, before the service has registered its URL")(w, r)
		case 7:
			answers(403, "", "")(w, r)
		default:
			answers(200, "text/plain", "Healthy")(w, r)
		}
	})
	a, err := open(t, adminapi.Config{URL: s.URL}).WaitReady(t.Context(), time.Millisecond)
	if err != nil || a.Status != 200 {
		t.Fatalf("%+v, %v", a, err)
	}
}

func TestWaitReadyGivesUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var requests atomic.Int32
	never := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) == 3 {
			cancel()
		}
		answers(503, "text/plain", "Unhealthy")(w, r)
	})
	_, err := open(t, adminapi.Config{URL: never.URL}).WaitReady(ctx, time.Millisecond)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "not ready") {
		t.Errorf("why it ended, and what was last seen: %v", err)
	}
}
