package providers_test

import (
	"testing"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// The services' account is locked in the switch, so that Admin and Engine do not start again, and unlocked later: a plain apply starts
// what the run has stopped, and the next one finishes. While it is locked nothing more is stopped.
func TestAnAccountThatIsLockedInTheSwitch(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2)
		s := w.process()
		s.Tell = func(e reconciler.Event) {
			if e.Kind == reconciler.PhaseBegan && e.Phase == "switch" {
				w.do("lock", "relay-01")
			}
		}
		_, o := s.apply(nil)
		s.close()
		if len(o.Down) == 0 {
			t.Fatalf("%v", o)
		}
		time.Sleep(time.Minute)
		before := w.processes()
		_, o = w.run()
		if len(o.With(state.Proven)) > 0 {
			t.Errorf("while it is locked: %v", o)
		}
		t.Logf("%q\n%q", before, w.processes())
		w.do("unlock", "relay-01")
		time.Sleep(time.Minute)
		p, o := w.run()
		t.Logf("%v", o)
		if len(p.Blocked()) > 0 || len(o.Down) > 0 {
			t.Errorf("unlocked: %v", o)
		}
		w.converged()
	})
}
