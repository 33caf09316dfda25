package lab_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meshrotate/providers/adminapi"
	"meshrotate/providers/lab"
	"meshrotate/providers/winhost"
)

// vendor is made outside of every bubble: it takes real time.
var vendor = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// inMemory runs a test on a virtual clock, with a lab in it.
func inMemory(t *testing.T, relays int, test func(t *testing.T, l *lab.Lab)) {
	t.Helper()
	key, dir := vendor(), t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		test(t, begin(t, lab.Config{Relays: relays, Dir: dir, Vendor: key, Memory: true}))
	})
}

func begin(t testing.TB, c lab.Config) *lab.Lab {
	t.Helper()
	l, err := lab.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// session opens PowerShell on a host.
func session(t testing.TB, c *lab.Client, h *lab.Host) (*winhost.Session, func()) {
	t.Helper()
	ctx := context.Background()
	shell, err := c.Dial(ctx, h.Name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := winhost.Open(ctx, shell, winhost.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return s, func() { _ = s.Close(ctx); _ = shell.Close(ctx) }
}

func api(t testing.TB, c *lab.Client) *adminapi.Client {
	t.Helper()
	a, err := adminapi.New(c.API())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

func restart(service string) []winhost.Op {
	return []winhost.Op{&winhost.ServiceStop{Service: service}, &winhost.ServiceStart{Service: service, StableSeconds: 5}}
}

func done(t testing.TB, results []winhost.Result, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if !r.Done() {
			t.Fatalf("%+v", r)
		}
	}
}

func TestInMemory(t *testing.T) {
	inMemory(t, 3, func(t *testing.T, l *lab.Lab) {
		begin := time.Now()
		c := l.Client()
		a := api(t, c)
		if _, err := a.Relays(t.Context()); err != nil {
			t.Fatal("Admin listens soon, and a read is repeated until then:", err)
		}
		var all sync.WaitGroup
		for _, h := range l.Relays {
			all.Go(func() {
				s, end := session(t, c, h)
				defer end()
				results, err := s.Look(t.Context(), []winhost.Op{&winhost.MachineIdentity{}, &winhost.FileRead{Path: lab.RelaySettings},
					&winhost.ServiceQuery{Service: lab.RelayService}})
				done(t, results, err)
				if results[0].Machine.ComputerName != h.Machine.Name || results[2].Service.State != winhost.Running {
					t.Errorf("%+v", results)
				}
				results, err = s.Do(t.Context(), restart(lab.RelayService))
				done(t, results, err)
			})
		}
		all.Wait()
		time.Sleep(10 * time.Minute)
		list, err := a.Relays(t.Context())
		if err != nil || len(list.List) != 3 || l.Connected() != 3 {
			t.Fatalf("%+v, %v", list, err)
		}
		for _, r := range list.List {
			if r.Connected == nil || !*r.Connected || time.Since(r.LastHeartbeat) > time.Second {
				t.Errorf("%+v at %s", r, time.Now())
			}
		}
		if passed := time.Since(begin); passed < 10*time.Minute || passed > 11*time.Minute {
			t.Errorf("%s passed", passed)
		}
	})
}

func TestNothingListensWhileAdminIsDown(t *testing.T) {
	inMemory(t, 1, func(t *testing.T, l *lab.Lab) {
		c := l.Client()
		a := api(t, c)
		if _, err := a.WaitReady(t.Context(), time.Second); err != nil {
			t.Fatal(err)
		}
		if err := l.Admin.Machine.Stop(lab.AdminService); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		begin := time.Now()
		if _, err := a.Relays(t.Context()); adminapi.KindOf(err) != adminapi.Unreachable || time.Since(begin) < time.Second {
			t.Errorf("a read is repeated for a while, then refused: %v after %s", err, time.Since(begin))
		}
		if err := a.Post(t.Context(), "/api/license/reload"); adminapi.KindOf(err) != adminapi.Unreachable {
			t.Errorf("a request that was never sent: %v", err)
		}
		if err := l.Admin.Machine.Start(lab.AdminService); err != nil {
			t.Fatal(err)
		}
		if _, err := a.WaitReady(t.Context(), time.Second); err != nil {
			t.Error(err)
		}
		if _, err := c.DialAPI(canceled(t), "tcp", ""); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
