package live_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"meshrotate/providers/adminapi"
	"meshrotate/providers/lab"
	"meshrotate/providers/live"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// vendor is made outside of every bubble: it takes real time.
var vendor = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// virtual runs a test on a virtual clock.
func virtual(t *testing.T, do func(t *testing.T)) {
	t.Helper()
	vendor()
	synctest.Test(t, do)
}

// admin is an Admin API that says what a test wants it to say, by a clock of its own.
type admin struct {
	ahead time.Duration // of its clock
	// list is what it answers to the n-th question for its relays, counted from 1, at a moment of its clock.
	list func(n int, now time.Time) []map[string]any
	// away says that something in front of it answers instead.
	away func(now time.Time) bool
	// object is what it answers to anything where there is no list.
	object map[string]any

	mu     sync.Mutex
	asked  atomic.Int32
	accept chan net.Conn
}

// start serves it, and returns how it is reached.
func (a *admin) start(t *testing.T) *adminapi.Client {
	t.Helper()
	a.accept = make(chan net.Conn)
	closed := make(chan struct{})
	server := &http.Server{Handler: a, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener{a.accept, closed}) }()
	t.Cleanup(func() {
		close(closed)
		_ = server.Close()
	})
	c, err := adminapi.New(adminapi.Config{URL: "http://127.0.0.1:1", DialContext: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		a.accept <- theirs
		return ours, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// now does something between two of its answers: a question that was given up may still be being answered.
func (a *admin) now(do func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	do()
}

func (a *admin) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := int(a.asked.Add(1))
	now := time.Now().Add(a.ahead)
	if a.away != nil && a.away(now) {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Type", "application/json")
	if a.list == nil {
		_ = json.NewEncoder(w).Encode(a.object)
		return
	}
	_ = json.NewEncoder(w).Encode(a.list(n, now))
}

func relay(name string, connected any, beat time.Time) map[string]any {
	return map[string]any{"name": name, "connected": connected, "lastHeartbeatUtc": beat.UTC()}
}

type listener struct {
	accept chan net.Conn
	closed chan struct{}
}

func (l listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l listener) Close() error   { return nil }
func (l listener) Addr() net.Addr { return &net.TCPAddr{} }

func salt(context.Context) (secret.Value, error) { return secret.NewString("salt"), nil }

// siteOf is a site with an Admin API, and hosts where there is a lab.
func siteOf(t *testing.T, c live.Config, l *lab.Lab) *live.Site {
	t.Helper()
	c.Salt, c.Stay = salt, true
	if c.Dial == nil {
		c.Dial = func(_ context.Context, host string) (live.Shell, error) {
			t.Errorf("%q was taken for a host", host)
			return nil, net.ErrClosed
		}
	}
	if l != nil {
		client := l.Client()
		c.Dial = func(ctx context.Context, host string) (live.Shell, error) { return client.Dial(ctx, host) }
	}
	s := live.New(c)
	t.Cleanup(func() { s.Close(context.WithoutCancel(t.Context())) })
	return s
}

// labOf is a lab in memory whose services have started.
func labOf(t *testing.T, relays int) *lab.Lab {
	t.Helper()
	l, err := lab.Start(lab.Config{Relays: relays, Dir: t.TempDir(), Vendor: vendor(), Memory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	time.Sleep(time.Minute)
	return l
}

// do does ops on one target, as one batch.
func do(t *testing.T, s *live.Site, ops ...reconciler.Op) []reconciler.Report {
	t.Helper()
	return doSteps(t, s, steps(ops...)...)
}

func steps(ops ...reconciler.Op) []reconciler.Step {
	var all []reconciler.Step
	for _, op := range ops {
		all = append(all, reconciler.Step{Phase: reconciler.Switch, Op: op, Back: reconciler.Nothing()})
	}
	return all
}

func doSteps(t *testing.T, s *live.Site, steps ...reconciler.Step) []reconciler.Report {
	t.Helper()
	return s.Do(t.Context(), steps[0].Op.Target(), steps, func(reconciler.Event) {})
}

// only is the report of the only op.
func only(t *testing.T, s *live.Site, op reconciler.Op) reconciler.Report {
	t.Helper()
	r := do(t, s, op)
	if len(r) != 1 {
		t.Fatalf("%d reports: %+v", len(r), r)
	}
	return r[0]
}
