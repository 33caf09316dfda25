package mssql_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"meshrotate/providers/lab/wsman"
	"meshrotate/state"
	"meshrotate/state/mssql"
)

// strike makes the nth message from now on go wrong, once.
func (w *world) strike(n int, f wsman.Fault) (struck *atomic.Bool) {
	struck = &atomic.Bool{}
	var seen atomic.Int64
	faults := func(wsman.Event) wsman.Fault {
		if seen.Add(1) == int64(n) {
			struck.Store(true)
			return f
		}
		return wsman.Fault{}
	}
	w.faults.Store(&faults)
	return struck
}

// calm ends all that goes wrong.
func (w *world) calm() { w.faults.Store(nil) }

// silent makes the server a black hole, or ends that. What hung then hangs until its client goes.
func (w *world) silent(yes bool) {
	faults := func(wsman.Event) wsman.Fault { return wsman.Fault{} }
	if yes {
		faults = func(wsman.Event) wsman.Fault { return wsman.Fault{Kind: wsman.Hang} }
	}
	w.faults.Store(&faults)
}

// A connection that is cut, or hangs, before or after any message: everything is done once, and nobody is told otherwise.
func TestALostAnswer(t *testing.T) {
	kinds := []wsman.Kind{wsman.CutBefore, wsman.CutAfter, wsman.CutMid, wsman.Hang, wsman.HangAfter}
	for name, op := range map[string]func(t *testing.T, w *world, s *mssql.Store, strike func()){
		"append": func(t *testing.T, w *world, s *mssql.Store, strike func()) {
			must(t, s.Append(t.Context(), entry(1)))
			strike()
			must(t, s.Append(t.Context(), entry(2), entry(3)))
			must(t, s.Append(t.Context(), entry(4)))
			w.calm()
			got, err := w.open(owner).Entries(t.Context())
			if err != nil || len(got) != 4 || got[2].Version != "3" {
				t.Errorf("%d entries, %v", len(got), err)
			}
		},
		"first": func(t *testing.T, w *world, s *mssql.Store, strike func()) {
			_, _, err := s.Current(t.Context()) // it was reached
			must(t, err)
			strike()
			must(t, s.Append(t.Context(), entry(1)))
			w.calm()
			if got, err := w.open(owner).Entries(t.Context()); err != nil || len(got) != 1 {
				t.Errorf("%d entries, %v", len(got), err)
			}
		},
		"create": func(t *testing.T, w *world, s *mssql.Store, strike func()) {
			must(t, s.Create(t.Context(), "a/1", []byte("x")))
			strike()
			must(t, s.Create(t.Context(), "a/2", []byte("y")))
			w.calm()
			if err := s.Create(t.Context(), "a/2", []byte("y")); !errors.Is(err, fs.ErrExist) {
				t.Errorf("again: %v", err)
			}
			if got, err := s.Read(t.Context(), "a/2"); err != nil || string(got) != "y" {
				t.Errorf("%q, %v", got, err)
			}
		},
		"salt": func(t *testing.T, w *world, s *mssql.Store, strike func()) {
			must(t, s.Reserve(t.Context(), 1))
			strike()
			salt, err := s.Salt(t.Context())
			must(t, err)
			w.calm()
			if again, err := w.open(owner).Salt(t.Context()); err != nil || string(again.Expose()) != string(salt.Expose()) {
				t.Errorf("another one: %v", err)
			}
		},
		"lease": func(t *testing.T, w *world, s *mssql.Store, strike func()) {
			must(t, s.Reserve(t.Context(), 1))
			strike()
			l, err := s.Acquire(t.Context(), state.Holder{Run: "r1"})
			must(t, err)
			must(t, l.Doing(t.Context(), "switch"))
			must(t, l.Check(t.Context()))
			time.Sleep(time.Minute)
			w.calm() // not on those who look
			if h, ok, err := w.open(owner).Current(t.Context()); err != nil || !ok || h.Fence != l.Fence() || time.Since(h.Heartbeat) > 10*time.Second || h.Doing != "switch" || h.Ended {
				t.Errorf("%+v, %v, %v", h, ok, err)
			}
			must(t, l.Release(t.Context()))
			next, err := w.open(owner).Acquire(t.Context(), state.Holder{Run: "r2"})
			must(t, err)
			must(t, next.Release(t.Context()))
		},
		"check": func(t *testing.T, w *world, s *mssql.Store, strike func()) {
			l, err := s.Acquire(t.Context(), state.Holder{Run: "r1"})
			must(t, err)
			strike()
			must(t, l.Check(t.Context()))
			must(t, l.Doing(t.Context(), "switch"))
			must(t, l.Release(t.Context()))
			w.calm()
			if h, ok, err := w.open(owner).Current(t.Context()); err != nil || ok {
				t.Errorf("%+v, %v, %v", h, ok, err)
			}
		},
	} {
		for _, kind := range kinds {
			t.Run(fmt.Sprint(name, " ", kind), func(t *testing.T) {
				for n := 1; ; n++ {
					done := false
					virtual(t, func(t *testing.T, w *world) {
						s := w.open(owner)
						var struck *atomic.Bool
						op(t, w, s, func() { struck = w.strike(n, wsman.Fault{Kind: kind}) })
						done = !struck.Load()
					})
					if t.Failed() {
						t.Fatalf("message %d", n)
					}
					if done {
						if n < 3 {
							t.Errorf("only %d messages", n-1)
						}
						return
					}
				}
			})
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A server that is away, refusing or silent, for less than the time to live: nobody loses a lease, nobody gets it, and nobody
// waits for it long.
func TestAway(t *testing.T) {
	for _, silent := range []bool{false, true} {
		for _, away := range []time.Duration{5 * time.Second, time.Minute, 4 * time.Minute} {
			t.Run(fmt.Sprint(away, silent), func(t *testing.T) {
				virtual(t, func(t *testing.T, w *world) {
					s := w.open(owner)
					l, err := s.Acquire(t.Context(), state.Holder{Run: "r1"})
					must(t, err)
					leave := func(yes bool) {
						if silent {
							w.silent(yes)
						} else {
							w.model.Down(yes)
						}
					}
					leave(true)
					from := time.Now()
					var waited time.Duration
					for time.Since(from) < away {
						began := time.Now()
						must(t, l.Check(t.Context()))
						must(t, l.Doing(t.Context(), "switch"))
						waited += time.Since(began)
						time.Sleep(time.Second)
					}
					if waited > 5*time.Second {
						t.Errorf("%v were waited for it", waited)
					}
					leave(false)
					var held *state.HeldError
					if _, err := w.open(owner).Acquire(t.Context(), state.Holder{Run: "r2"}); !errors.As(err, &held) || held.Holder.Run != "r1" {
						t.Errorf("somebody else: %v", err)
					}
					must(t, s.Append(t.Context(), entry(1)))
					time.Sleep(15 * time.Second)
					if h, ok, err := s.Current(t.Context()); err != nil || !ok || time.Since(h.Heartbeat) > 10*time.Second {
						t.Errorf("%+v, %v, %v", h, ok, err)
					}
					must(t, l.Release(t.Context()))
				})
			})
		}
	}
}

// Who has not reached the database for longer than the time to live stops, for somebody else may have the lease.
func TestAwayForTooLong(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		cut := &atomic.Bool{}
		s := mssql.Open(mssql.Config{Passes: w.open(owner).Passes(), SignIn: func(ctx context.Context) (mssql.Session, error) {
			if cut.Load() {
				ctx, cancel := context.WithCancel(ctx)
				cancel()
				return w.as(owner)(ctx) // no answer
			}
			return w.as(owner)(ctx)
		}})
		l, err := s.Acquire(t.Context(), state.Holder{Run: "r1"})
		must(t, err)
		cut.Store(true) // from him alone
		w.model.Drop(nil)
		time.Sleep(mssql.DefaultTTL - 10*time.Second)
		must(t, l.Check(t.Context()))
		var held *state.HeldError
		if _, err := w.open(owner).Acquire(t.Context(), state.Holder{Run: "r2"}); !errors.As(err, &held) {
			t.Errorf("somebody else, too early: %v", err)
		}
		time.Sleep(20 * time.Second)
		var lost *state.LostError
		if err := l.Check(t.Context()); !errors.As(err, &lost) {
			t.Errorf("its time is over: %v", err)
		}
		next, err := w.open(owner).Acquire(t.Context(), state.Holder{Run: "r2"})
		must(t, err)
		cut.Store(false)
		time.Sleep(10 * time.Second)
		if err := l.Check(t.Context()); !errors.As(err, &lost) || lost.Holder.Run != "r2" {
			t.Errorf("it was taken over: %v", err)
		}
		must(t, next.Check(t.Context()))
		must(t, next.Release(t.Context()))
		if err := l.Release(t.Context()); err == nil {
			t.Error("a lost lease was released")
		}
	})
}

// Ten thousand checks are a few questions.
func TestManyChecks(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		l, err := w.open(owner).Acquire(t.Context(), state.Holder{Run: "r1"})
		must(t, err)
		var messages atomic.Int64
		faults := func(wsman.Event) wsman.Fault { messages.Add(1); return wsman.Fault{Delay: 5 * time.Millisecond} }
		w.faults.Store(&faults)
		var all sync.WaitGroup
		began := time.Now()
		for range 10_000 {
			all.Go(func() {
				if err := l.Check(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n, took := messages.Load(), time.Since(began); n > 20 || took > 100*time.Millisecond {
			t.Errorf("%d messages, %v", n, took)
		}
		must(t, l.Release(t.Context()))
	})
}

// A wrong name is told at once, as what was never reached is not waited for.
func TestNeverReached(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		w.model.Down(true)
		began := time.Now()
		_, err := w.open(owner).Entries(t.Context())
		var away *state.AwayError
		if !errors.As(err, &away) || time.Since(began) > time.Second || hintOf(err) == "" {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		w.model.Down(false)
		if _, err := w.open("nobody").Entries(t.Context()); err == nil || errors.As(err, &away) {
			t.Errorf("a login that is refused: %v", err)
		}
		synctest.Wait()
	})
}
