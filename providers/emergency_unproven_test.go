package providers_test

import (
	"testing"

	"meshrotate/reconciler/render"
	"meshrotate/state"
)

// An emergency that stored another value, and could not show that it is taken, is not over: plan and drift say so, until something shows it.
func TestAnEmergencyThatIsNotProven(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 1, "connector")
		ref := w.lab.Refs()[0]
		tells := w.connectorSpec().Syncs.Path
		w.connectorSpec().Syncs.Path = ""
		if _, o := w.replace("connector:"+ref, "posted in a ticket"); o.Err != nil || o.Secrets[0].Change.Unproven == "" {
			t.Fatalf("%v", o)
		}
		drifts := func() (told, drifted bool) {
			s := w.process()
			defer s.close()
			p := s.look().Plan
			_, told = finding(p, "secret-compromised")
			return told, render.StatusOf(p, state.NewHistory(nil), 0, "").Drifted
		}
		w.connectsAfter() // the other one, too
		if told, drifted := drifts(); !told || !drifted {
			t.Errorf("nothing has shown it, and it is over: told %v, drift %v", told, drifted)
		}
		w.connectorSpec().Syncs.Path = tells
		if told, _ := drifts(); told {
			t.Error("its connector has synchronized with it, and it is not over")
		}
	})
}
