package adminapi_test

import (
	"context"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/adminapi"
)

func TestTLSIsVerified(t *testing.T) {
	s := httptest.NewUnstartedServer(answers(200, "application/json", `[]`))
	s.Config.ErrorLog = nolog()
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})

	if _, err := open(t, adminapi.Config{URL: s.URL, CAPEM: ca}).Relays(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := open(t, adminapi.Config{URL: s.URL}).Relays(t.Context()); adminapi.KindOf(err) != adminapi.Untrusted {
		t.Errorf("unknown authority: %v", err)
	}
	byName := strings.Replace(s.URL, "127.0.0.1", "localhost", 1) // the test certificate is for example.com and 127.0.0.1
	if _, err := open(t, adminapi.Config{URL: byName, CAPEM: ca}).Relays(t.Context()); adminapi.KindOf(err) != adminapi.Untrusted {
		t.Errorf("wrong name: %v", err)
	}
	plain := strings.Replace(s.URL, "https", "http", 1)
	if _, err := open(t, adminapi.Config{URL: plain}).Relays(t.Context()); err == nil {
		t.Error("a TLS server answered in clear")
	}
}

func TestTheOtherProtocolOnThePort(t *testing.T) {
	s := serve(t, answers(200, "application/json", `[]`))
	_, err := open(t, adminapi.Config{URL: strings.Replace(s.URL, "http", "https", 1)}).Relays(t.Context())
	if adminapi.KindOf(err) != adminapi.TLS || !strings.Contains(err.Error(), "does not speak TLS") {
		t.Errorf("%v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if conn, err := l.Accept(); err == nil {
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = conn.Write([]byte("220 " + canary + " ESMTP\r\n"))
			_ = conn.Close()
		}
	}()
	_, err = open(t, adminapi.Config{URL: "http://" + l.Addr().String()}).Relays(t.Context())
	if adminapi.KindOf(err) != adminapi.Unreachable || strings.Contains(err.Error(), canary) {
		t.Errorf("%v", err)
	}
	_ = l.Close()
	<-done
}

func TestNoProxyFromTheEnvironment(t *testing.T) {
	proxy := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the proxy was asked") })
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("HTTPS_PROXY", proxy.URL)
	t.Setenv("NO_PROXY", "")
	s := serve(t, answers(200, "application/json", `[]`))
	if _, err := open(t, adminapi.Config{URL: s.URL}).Relays(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// slowTickets takes an hour of the test's clock to get a ticket.
type slowTickets struct{ now *time.Time }

func (k slowTickets) Token(context.Context, string) ([]byte, error) {
	*k.now = k.now.Add(time.Hour)
	return []byte("ticket"), nil
}

func TestSkewLeavesTheSignInOut(t *testing.T) {
	s := serve(t, answers(200, "application/json", `[]`))
	now := time.Now().Add(-time.Hour)
	c := open(t, adminapi.Config{URL: s.URL, Auth: adminapi.Auth{Kerberos: slowTickets{&now}}, Now: func() time.Time { return now }})
	r, err := c.Relays(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if skew, known := r.Answer.Skew(); !known || skew.Abs() > time.Minute {
		t.Errorf("skew %v", skew)
	}
}

// deaf listens and never answers.
func deaf(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return "http://" + l.Addr().String()
}

func TestCancellation(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("operator pressed Ctrl-C")
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel(stop)
		<-r.Context().Done() // no answer
	})
	_, err := open(t, adminapi.Config{URL: s.URL}).Relays(ctx)
	if !errors.Is(err, stop) {
		t.Fatalf("got %v", err)
	}
}

// An answer that comes in trickles is no silence: it says how much of it came.
func TestAServerThatAnswersInTrickles(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte(" "))
			_ = http.NewResponseController(w).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	})
	c := open(t, adminapi.Config{URL: s.URL, Timeout: 300 * time.Millisecond})
	trickles := func(err error) {
		t.Helper()
		var e *adminapi.Error
		if !errors.As(err, &e) || e.Kind != adminapi.Slow || !strings.Contains(err.Error(), "too slow (HTTP 200): ") || !strings.Contains(err.Error(), " bytes of its answer came in ") || strings.Contains(e.Hint(), "connect.adminApi.url") {
			t.Errorf("%v", err)
		}
	}
	_, err := c.Relays(t.Context())
	trickles(err)
	_, _, err = c.Ready(t.Context())
	trickles(err)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond) // of the caller
	defer cancel()
	_, err = c.Get(ctx, "/api/license")
	trickles(err)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if err := c.Post(t.Context(), "/api/license/reload"); adminapi.KindOf(err) != adminapi.Lost {
		t.Errorf("a POST that was sent may have been carried out: %v", err)
	}
	ctx, stop := context.WithCancelCause(t.Context())
	why := errors.New("operator pressed Ctrl-C")
	time.AfterFunc(100*time.Millisecond, func() { stop(why) })
	if _, err := c.Relays(ctx); !errors.Is(err, why) || adminapi.KindOf(err) == adminapi.Slow {
		t.Errorf("%v", err)
	}
}

func TestAServerThatNeverAnswers(t *testing.T) {
	c := open(t, adminapi.Config{URL: deaf(t), Timeout: time.Second})
	_, err := c.Relays(t.Context())
	if adminapi.KindOf(err) != adminapi.Unreachable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a read: %v", err)
	}
	if err := c.Post(t.Context(), "/api/license/reload"); adminapi.KindOf(err) != adminapi.Lost {
		t.Errorf("a POST that was sent may have been carried out: %v", err)
	}
}
