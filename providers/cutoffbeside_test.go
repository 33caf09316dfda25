package providers_test

import (
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/rotations/relaykey"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// cutOffFleet is a world in which a run was killed once Admin had its new key, and no relay had.
func cutOffFleet(t *testing.T) *world {
	w := newWorldAt(t, lab.Config{Relays: 2, Memory: true, Drivers: true, Login: "alternating"}, "license", "relaykey", "sqllogin")
	w.killed(w.lab.Admin, "service.start", machine.After)
	w.lab.Admin.Points(nil)
	time.Sleep(10 * time.Minute)
	return w
}

func (w *world) namesCutOff(reason string, all []reconciler.Down) {
	w.t.Helper()
	for n := range 2 {
		named := false
		for _, d := range all {
			named = named || d.CutOff && d.Target.Name == w.relay(n+1).Name
		}
		if !named {
			w.t.Errorf("%s: %s is cut off, and nobody says so: %+v", reason, w.relay(n+1).Name, all)
		}
	}
}

// Who was cut off by a run for one secret is named by a run that is limited to another, whether that has something to do or not.
func TestOnlyNamesWhoIsCutOff(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := cutOffFleet(t)
		for _, reason := range []string{"to do", "nothing to do"} {
			s := w.only("license")
			p, o := s.apply(nil)
			s.close()
			w.namesCutOff("plan, "+reason, p.AllDown())
			if len(o.Secrets) > 0 {
				w.namesCutOff("apply", o.Down)
			}
		}
		if _, o := w.run(); o.Err != nil || len(o.Down) > 0 {
			t.Error(o)
		}
	})
}

// What goes back to what an earlier run left goes back to a fleet that is cut off, and says so.
func TestBackToAFleetThatIsCutOff(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := cutOffFleet(t)
		w.doc.Secrets["relayKey"].(*relaykey.Spec).Version, w.loginSpec().Version = "8", "13"
		w.lab.EngineHost.Points(func(p machine.Point) machine.Action {
			if p.Op == "service.start" && p.When == machine.After {
				w.lab.EngineHost.Points(nil)
				time.AfterFunc(time.Second, func() { _, _ = w.lab.Break("stop", "im-engine") })
			}
			return machine.Action{}
		})
		_, o := w.run()
		back := false
		for _, e := range o.With(state.Back) {
			back = back || e.Change.Secret.Name == "relaykey"
		}
		if !back {
			t.Fatalf("the relay key did not go back: %v", o)
		}
		w.namesCutOff("after the way back", o.Down)
	})
}
