package providers_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
	"meshrotate/reconciler/session"
)

// A run is killed on its way back, when Admin has its old key again: the relays worked with the new one until then, and are cut off since.
// The next plan says so, and the next run does not tell that they were down all the time.
func TestKilledOnItsWayBack(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "relaykey")
		s := w.process()
		var dead, undoing atomic.Bool
		var stopped time.Time
		s.State.Ledger = mortal{w.state.Ledger, &dead}
		s.Tell = func(e reconciler.Event) {
			if e.Kind == reconciler.PhaseBegan && e.Phase == "verify" && !undoing.Swap(true) {
				time.Sleep(time.Minute) // all work, for longer than the switch took
				w.do("stop", "im-admin")
				stopped = time.Now()
			}
		}
		w.lab.Admin.Points(func(p machine.Point) (a machine.Action) {
			if p.Op == "service.start" && p.When == machine.After && undoing.Load() && dead.CompareAndSwap(false, true) {
				w.kill()
				a.End = machine.EndCrash
			}
			return a
		})
		_, _ = s.Apply(t.Context(), session.Unblocked)
		s.close()
		if !dead.Load() {
			t.Fatal("it was not killed")
		}
		w.lab.Admin.Points(nil)
		p := w.planned()
		if c := p.Changes[0]; !strings.Contains(c.Reason, "Admin holds 6; 3 relays hold 7") || !strings.Contains(c.Reason, "3 relays are cut off since ") || !strings.Contains(c.Reason, ", or later: Admin has another key") {
			t.Errorf("%q", c.Reason)
		}
		_, o := w.run()
		down := time.Since(stopped).Seconds()
		for _, what := range []string{"relays", "relays cut off", "relay-01.lab.example"} {
			for _, x := range outagesOf(o, what) {
				if x.Measured > down && !x.AtMost || x.Measured < down && x.Measured > 5 && !x.AtLeast && !x.AtMost {
					t.Errorf("down for %v at most: %+v", down, x)
				}
			}
		}
		w.quietly()
	})
}

// Admin is stopped while nobody looks, for Engine is waited for: it was down before it was seen to be, and relays were cut off for as
// long. Neither is told as exact.
func TestCutOffForAsLongAsAdminIsDown(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2)
		var once atomic.Bool
		s := w.process()
		s.Tell = func(e reconciler.Event) {
			if e.Kind == reconciler.TargetDone && e.Phase == "verify" && strings.HasPrefix(e.Target, "im-admin") && !once.Swap(true) {
				w.lab.EngineHost.Unplug(true)
				w.do("stop", "im-admin")
				time.AfterFunc(25*time.Second, func() { w.lab.EngineHost.Unplug(false) })
			}
		}
		_, o := s.apply(nil)
		s.close()
		if len(o.Down) == 0 || !once.Load() {
			t.Fatalf("%v", o)
		}
		sooner := func(when string, o reconciler.Outcome) {
			t.Helper()
			for _, x := range outagesOf(o, "relays cut off") {
				if x.UpBy.IsZero() && !x.AtLeast {
					t.Errorf("%s: %+v", when, x)
				}
			}
			t.Logf("%s: %+v %+v", when, outagesOf(o, "Admin"), outagesOf(o, "relays cut off"))
		}
		sooner("the run", o)
		time.Sleep(time.Minute)
		_, o = w.run()
		sooner("the next run", o)
		w.quietly()
	})
}
