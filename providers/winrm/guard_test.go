package winrm

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"meshrotate/providers/lab/ntlm"
	"meshrotate/providers/lab/webauth"
	"meshrotate/providers/lab/wsman"
)

func TestGuardTriesAWrongPasswordOnce(t *testing.T) {
	srv := &server{t: t, sealed: true, password: "another"}
	cfg := sealing(srv.start(nil))
	cfg.Guard = &Guard{}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			_, err := Open(t.Context(), cfg)
			var e *Error
			if !errors.As(err, &e) || e.Class != Credential {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	if srv.count("Handshake") != 2 {
		t.Errorf("%d login requests for 50 hosts instead of 2: the account is locked out", srv.count("Handshake"))
	}
}

func TestGuardLetsAGoodPasswordThrough(t *testing.T) {
	srv := &server{t: t, sealed: true}
	cfg := sealing(srv.start(nil))
	cfg.Guard = &Guard{}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			s, err := Open(t.Context(), cfg)
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if cfg.Guard.Err() != nil {
		t.Error(cfg.Guard.Err())
	}
}

// named is as much of a Config as a Guard looks at.
func named(host string) *Config {
	return &Config{Name: host, Now: time.Now, Sleep: sleep}
}

func TestGuardIsNotClosedByABrokenHost(t *testing.T) {
	g := &Guard{}
	leave, err := g.enter(t.Context(), named("one"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.enter(ctx, named("two")); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting ends with %v", err)
	}
	leave(&Error{Class: Unreachable})
	leave, err = g.enter(t.Context(), named("one"))
	if err != nil {
		t.Fatal(err)
	}
	leave(&Error{Class: Ticket})
	if leave, err = g.enter(t.Context(), named("two")); err != nil {
		t.Fatal(err)
	}
	leave(nil)
	if g.Err() != nil {
		t.Error(g.Err())
	}
}

// Of two logins under way either may be heard first: what they say together counts.
func TestGuardTakesRefusalsAndSuccessesInAnyOrder(t *testing.T) {
	for _, refusalFirst := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			g := &Guard{}
			silent, err1 := g.enter(t.Context(), named("silent"))
			other, err2 := g.enter(t.Context(), named("other")) // in spite of the silent one, after a while
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			no := &Error{Class: Credential, Host: "other", Err: errors.New("no")}
			if refusalFirst {
				other(no)
				if _, err := g.enter(t.Context(), named("third")); err == nil || g.Err() == nil {
					t.Error("a password that nobody has accepted goes on after a refusal")
				}
				silent(nil)
			} else {
				silent(nil)
				other(no)
			}
			if _, err := g.enter(t.Context(), named("third")); err != nil || g.Err() != nil {
				t.Errorf("the credential is good, one host has its own trouble: %v", err)
			}
			again, err := g.enter(t.Context(), named("other"))
			if err != nil {
				t.Fatalf("the refusal may have been a passing one: %v", err)
			}
			again(no)
			var guard *guardError
			if _, err := g.enter(t.Context(), named("other")); !errors.As(err, &guard) || !guard.own {
				t.Errorf("the host that refused is asked again: %v", err)
			}
		})
	}
}

func TestGuardDoesNotWaitForASilentHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &Guard{}
		began := time.Now()
		silent, err := g.enter(t.Context(), named("silent"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			leave, err := g.enter(t.Context(), named("relay"))
			if waited := time.Since(began); err != nil || waited != guardPatience {
				t.Errorf("login %d waited %v, %v", i, waited, err)
			}
			leave(nil)
		}
		silent(errors.New("gone"))
		if _, err := g.enter(t.Context(), named("relay")); err != nil {
			t.Error(err)
		}
	})
}

// A fleet is hosts with one credential, on the lab's WinRM, and a clock that only waiting moves.
type fleet struct {
	t     *testing.T
	guard *Guard

	mu     sync.Mutex
	now    time.Time
	waited time.Duration
}

type fleetHost struct {
	Config
	refuses atomic.Int32 // so many logins from now on
	logins  atomic.Int32 // that were tried
}

func newFleet(t *testing.T) *fleet {
	return &fleet{t: t, guard: &Guard{}, now: time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)}
}

func (f *fleet) host(name string) *fleetHost {
	h := &fleetHost{}
	h.Config = sealing(serveLab(f.t, &wsman.Server{Auth: webauth.Rules{Negotiate: true, NTLM: ntlm.Server{
		Domain: "LAB", Host: strings.ToUpper(name), Password: func(string) (string, bool) {
			h.logins.Add(1)
			return testPassword, h.refuses.Add(-1) < 0
		}}}}))
	h.Name, h.Guard = name, f.guard
	h.Now = func() time.Time { f.mu.Lock(); defer f.mu.Unlock(); return f.now }
	h.Sleep = func(ctx context.Context, d time.Duration) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.now, f.waited = f.now.Add(d), f.waited+d
		return ctx.Err()
	}
	return h
}

// open demands this class, and so many logins of the host; -1 is success.
func (f *fleet) open(h *fleetHost, want Class, logins int32, reason string) error {
	f.t.Helper()
	before := h.logins.Load()
	s, err := Open(f.t.Context(), h.Config)
	if err == nil {
		if err := s.Close(f.t.Context()); err != nil {
			f.t.Error(err)
		}
	}
	var e *Error
	if want < 0 && err != nil || want >= 0 && (!errors.As(err, &e) || e.Class != want) {
		f.t.Errorf("%s: %s: %v", reason, h.Name, err)
	}
	if n := h.logins.Load() - before; n != logins {
		f.t.Errorf("%s: %s: %d logins, want %d", reason, h.Name, n, logins)
	}
	return err
}

const (
	works  = Class(-1)
	always = 1000
)

func TestGuardStopsTheFleetAtTheFirstRefusal(t *testing.T) {
	f := newFleet(t)
	bad, good := f.host("relay01"), f.host("relay02")
	bad.refuses.Store(always)
	_ = f.open(bad, Credential, 1, "the first word")
	err := f.open(good, Credential, 0, "a password that nobody has accepted is tried once")
	if !strings.Contains(err.Error(), "relay01") || !strings.Contains(hintOf(err), "user and password") {
		t.Errorf("who refused is not named: %v\n%s", err, hintOf(err))
	}
}

func TestGuardLeavesARefusalToItsHost(t *testing.T) {
	f := newFleet(t)
	first := f.host("relay01")
	var bad []*fleetHost
	for _, name := range []string{"relay02", "relay03", "relay04"} {
		h := f.host(name)
		h.refuses.Store(always)
		bad = append(bad, h)
	}
	_ = f.open(first, works, 1, "the password is right")
	for i, h := range bad[:2] {
		err := f.open(h, Credential, newTries, "a refusal, and another after a pause")
		if hint := hintOf(err); !strings.Contains(hint, "this host's own") {
			t.Errorf("the hint blames the password: %s", hint)
		}
		err = f.open(h, Credential, 0, "is not tried again on that host")
		if !strings.Contains(err.Error(), "refused here") || !strings.Contains(hintOf(err), "this host's own") {
			t.Errorf("%v\n%s", err, hintOf(err))
		}
		_ = f.open(f.host("other"+h.Name), works, 1, "and it stops nobody else")
		if f.guard.Err() != nil {
			t.Fatalf("closed after %d hosts", i+1)
		}
	}
	_ = f.open(bad[2], Credential, 1, "the third host, with which it may be the account")
	err := f.open(f.host("relay05"), Credential, 0, "three hosts are more than a coincidence")
	if text := err.Error(); !strings.Contains(text, "on 3 hosts") || !strings.Contains(text, "first on relay02") || !strings.Contains(text, "relay05") {
		t.Errorf("the first refusal and its host are not named: %v", err)
	}
	if hint := hintOf(err); !strings.Contains(hint, "locked, disabled or given another password") {
		t.Errorf("hint: %s", hint)
	}
	_ = f.open(first, works, 1, "who has taken it is asked whatever the others say")
	if f.waited != 2*againPause {
		t.Errorf("waited %v", f.waited)
	}
}

// One host's refusals, however many, are no reason to give another fewer tries.
func TestGuardGivesANewHostItsTries(t *testing.T) {
	f := newFleet(t)
	h := f.host("relay01")
	_ = f.open(h, works, 1, "taken")
	h.refuses.Store(always)
	_ = f.open(h, Credential, againTries, "refused")
	_ = f.open(h, Credential, 1, "refused four times")
	next := f.host("relay02")
	next.refuses.Store(1)
	_ = f.open(next, works, 2, "another host, whose domain controller was away for a moment")
	own := f.host("relay03")
	own.refuses.Store(always)
	_ = f.open(own, Credential, newTries, "a host with an account of its own")
	_ = f.open(own, Credential, 0, "which is not locked out")
}

func TestGuardAsksAgainWhereTheCredentialWasTaken(t *testing.T) {
	f := newFleet(t)
	h := f.host("relay01")
	_ = f.open(h, works, 1, "taken")

	h.refuses.Store(2)
	_ = f.open(h, works, 3, "refused twice: a domain controller was away")
	if f.waited != 2*againPause {
		t.Errorf("waited %v, want %v: one try in each pause", f.waited, 2*againPause)
	}
	h.refuses.Store(2)
	_ = f.open(h, works, 3, "an acceptance begins anew")

	h.refuses.Store(3)
	_ = f.open(h, Credential, 3, "one try is kept")
	_ = f.open(h, works, 1, "for the start of a service")

	f.waited = 0
	h.refuses.Store(always)
	_ = f.open(h, Credential, 3, "refused for good")
	_ = f.open(h, Credential, 1, "the last try")
	_ = f.open(h, Credential, 0, "bounded")
	if f.waited != againTries*againPause {
		t.Errorf("waited %v, want %v", f.waited, againTries*againPause)
	}
	_ = f.open(f.host("relay02"), works, 1, "others go on")
}

func TestGuardWhenASessionMustLogInAgain(t *testing.T) {
	f := newFleet(t)
	h := f.host("relay01")
	s, err := Open(t.Context(), h.Config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run(t.Context(), s, []byte("x")); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"relay02", "relay03", "relay04"} {
		bad := f.host(name)
		bad.refuses.Store(always)
		_ = f.open(bad, Credential, []int32{newTries, newTries, 1}[i], "closing the guard")
	}
	h.refuses.Store(1)
	s.drop() // as Windows does with an idle connection
	if out, err := run(t.Context(), s, []byte("services come up")); err != nil || string(out.Stdout) != "services come up" {
		t.Errorf("%q, %v", out.Stdout, err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestGuardWaitCanBeCancelled(t *testing.T) {
	f := newFleet(t)
	h := f.host("relay01")
	_ = f.open(h, works, 1, "taken")
	h.refuses.Store(1)
	ctx, cancel := context.WithCancel(t.Context())
	h.Sleep = func(ctx context.Context, _ time.Duration) error { cancel(); return ctx.Err() }
	_, err := Open(ctx, h.Config)
	wantClass(t, err, Canceled, false)
}

func hintOf(err error) string {
	var e *Error
	if !errors.As(err, &e) {
		return ""
	}
	return e.Hint()
}
