package winrm

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
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

func TestGuardIsNotClosedByABrokenHost(t *testing.T) {
	g := &Guard{}
	leave, err := g.enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.enter(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting ends with %v", err)
	}
	leave(&Error{Class: Unreachable})
	leave, err = g.enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	leave(nil)
	one, err1 := g.enter(t.Context())
	two, err2 := g.enter(t.Context())
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	one(&Error{Class: Credential})
	two(nil)
	if _, err := g.enter(t.Context()); err == nil || g.Err() == nil {
		t.Error("a refusal was forgotten")
	}
}

func TestGuardDoesNotWaitForASilentHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &Guard{}
		began := time.Now()
		silent, err := g.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			leave, err := g.enter(t.Context())
			if waited := time.Since(began); err != nil || waited != guardPatience {
				t.Errorf("login %d waited %v, %v", i, waited, err)
			}
			leave(nil)
		}
		silent(errors.New("gone"))
		if _, err := g.enter(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
