package live_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/live"
	"meshrotate/providers/site"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// away takes a host away, once, for a while.
func away(h *lab.Host, d time.Duration) func() {
	return sync.OnceFunc(func() {
		h.Unplug(true)
		time.AfterFunc(d, func() { h.Unplug(false) })
	})
}

// A look asks again what was not reached, or answered nonsense, for some seconds; and not for longer.
func TestALookAsksAgain(t *testing.T) {
	for name, c := range map[string]struct {
		weather func(h *lab.Host)
		want    reconciler.Reach
	}{
		"away for 3 s":   {func(h *lab.Host) { away(h, 3*time.Second)() }, reconciler.Reached},
		"away for 4.9 s": {func(h *lab.Host) { away(h, 4900*time.Millisecond)() }, reconciler.Reached},
		"a cut answer":   {func(h *lab.Host) { cutOnce(h) }, reconciler.Reached},
		"a proxy's 502":  {func(h *lab.Host) { struck(h, 2, wsman.Fault{Kind: wsman.Status, Status: 502}) }, reconciler.Reached},
		"away for 1 min": {func(h *lab.Host) { away(h, time.Minute)() }, reconciler.Unreachable},
		"a process' crash": {func(h *lab.Host) {
			h.Points(machine.Faults(machine.Fault{Op: "machine.identity", Times: 1, Action: machine.Action{End: machine.EndCrash}}))
		}, reconciler.Reached},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				l := labOf(t, 1)
				h := l.Relays[0]
				s := siteOf(t, live.Config{}, l)
				c.weather(h)
				began := time.Now()
				seen := s.Look(t.Context(), []reconciler.Read{site.Machine{Host: h.Name}}, func(reconciler.Event) {})
				if got := seen.Reach(site.Host(h.Name)); got != c.want || time.Since(began) > 10*time.Second {
					t.Errorf("%s after %s: %v", got, time.Since(began), seen)
				}
			})
		})
	}
}

// cutOnce cuts the connection in the middle of an answer.
func cutOnce(h *lab.Host) { struck(h, 1, wsman.Fault{Kind: wsman.CutAfter}) }

// struck spoils the first so many answers.
func struck(h *lab.Host, times int, f wsman.Fault) {
	var mu sync.Mutex
	h.Wire(func(e wsman.Event) wsman.Fault {
		mu.Lock()
		defer mu.Unlock()
		if e.Action != wsman.Receive || times == 0 {
			return wsman.Fault{}
		}
		times--
		return f
	})
}

// afterAnAnswer takes a host away for a while once it has given an answer.
func afterAnAnswer(h *lab.Host, d time.Duration) {
	var until time.Time
	var mu sync.Mutex
	h.Wire(func(e wsman.Event) wsman.Fault {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case time.Now().Before(until):
			return wsman.Fault{Kind: wsman.Refuse}
		case until.IsZero() && e.Action == wsman.Receive:
			until = time.Now().Add(d)
		}
		return wsman.Fault{}
	})
}

// A proof that asks a second time, for whether a process has stayed or for a further file, has patience then too; and who was not
// reached then has refuted nothing.
func TestASecondQuestionAsksAgain(t *testing.T) {
	for name, c := range map[string]struct {
		away time.Duration
		want state.Outcome
	}{"for a while": {20 * time.Second, state.Done}, "for long": {10 * time.Minute, state.Unknown}} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				l := labOf(t, 1)
				h := l.Relays[0]
				s := siteOf(t, live.Config{}, l)
				look(t, s, h.Name)
				who := site.Who{Name: h.Name, Noun: "relay"}
				stop := site.StopService{Host: h.Name, Service: lab.RelayService, Timeout: reconciler.Span(time.Minute), Who: who}
				start := site.StartService{Host: h.Name, Service: lab.RelayService, Timeout: reconciler.Span(time.Minute), Who: who}
				for _, r := range do(t, s, stop, start) {
					if r.Outcome != state.Done {
						t.Fatal(r.Err)
					}
				}
				afterAnAnswer(h, c.away)
				if r := only(t, s, site.ProveProcess{Host: h.Name, Service: lab.RelayService, Path: lab.RelaySettings, Stable: reconciler.Span(10 * time.Second), Who: who}); r.Outcome != c.want {
					t.Errorf("whether it stayed: %+v", r)
				}
			})
		})
	}
}

// A proof that could not begin to ask has refuted nothing, whatever kept it out. That no command ran there is known, and says
// nothing about what was to be seen.
func TestAProofThatCouldNotAsk(t *testing.T) {
	for name, shut := range map[string]func(h *lab.Host){
		"not reached": func(h *lab.Host) { h.Unplug(true) },
		"lets nobody in": func(h *lab.Host) {
			h.Wire(func(e wsman.Event) wsman.Fault {
				if e.Action == wsman.Create {
					return wsman.Fault{Kind: wsman.WSManFault, Code: 5}
				}
				return wsman.Fault{}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				l := labOf(t, 1)
				h := l.Relays[0]
				s := siteOf(t, live.Config{}, l)
				shut(h)
				op := site.ProveProcess{Host: h.Name, Service: lab.RelayService, Path: lab.RelaySettings, Who: site.Who{Name: h.Name, Noun: "relay"}}
				if r := doSteps(t, s, reconciler.Step{Phase: reconciler.Verify, Op: op, Back: reconciler.Nothing()})[0]; r.Outcome != state.Unknown {
					t.Errorf("a proof: %+v", r)
				}
				if r := only(t, s, site.StopService{Host: h.Name, Service: lab.RelayService, Timeout: reconciler.Span(time.Minute)}); r.Outcome != state.Failed {
					t.Errorf("an effect of which it is known that it was not had: %+v", r)
				}
			})
		})
	}
}

// hung is the shell of a host that takes connections and does nothing.
type hung struct{}

func (hung) Start(context.Context, string) (winhost.Pipe, error) { return nil, errors.New("cut off") }
func (hung) Close(ctx context.Context) error                     { <-ctx.Done(); return ctx.Err() }

// That a host does not end a shell is not waited for at each try.
func TestAShellThatDoesNotEnd(t *testing.T) {
	virtual(t, func(t *testing.T) {
		s := siteOf(t, live.Config{Dial: func(context.Context, string) (live.Shell, error) { return hung{}, nil }}, nil)
		began := time.Now()
		seen := s.Look(t.Context(), []reconciler.Read{site.Machine{Host: "relay-01"}}, func(reconciler.Event) {})
		if took := time.Since(began); took > 15*time.Second || seen.Reach(site.Host("relay-01")) == reconciler.Reached {
			t.Errorf("%s: %v", took, seen)
		}
	})
}

// The marker's host is away for some seconds when the marker is made, asked for, and broken: each is tried again.
func TestTheMarkerAsksAgain(t *testing.T) {
	virtual(t, func(t *testing.T) {
		l := labOf(t, 1)
		s := siteOf(t, live.Config{MarkerHost: l.Admin.Name, MarkerPath: `%ProgramData%\IdentityMesh\meshrotate.run.json`}, l)
		leave := func() {
			l.Admin.Unplug(true)
			time.AfterFunc(3*time.Second, func() { l.Admin.Unplug(false) })
		}
		holder := state.Holder{Run: "r1", By: "op", Fence: 7, Started: time.Now().UTC()}
		leave()
		lease, err := s.Marker().Acquire(t.Context(), holder, func(string) bool { return false })
		if err != nil {
			t.Fatal(err)
		}
		leave()
		if h, held, err := s.Marker().Current(t.Context()); err != nil || !held || h.Run != "r1" {
			t.Errorf("%+v, %v, %v", h, held, err)
		}
		leave()
		if err := s.Marker().Break(t.Context(), 7); err != nil {
			t.Error(err)
		}
		if _, held, err := s.Marker().Current(t.Context()); err != nil || held {
			t.Errorf("it is there still: %v, %v", held, err)
		}
		_ = lease.Release(t.Context())
	})
}
