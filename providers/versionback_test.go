package providers_test

import (
	"strings"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/rotations/relaykey"
	"meshrotate/providers/rotations/sqllogin"
	"meshrotate/reconciler"
	"meshrotate/specs"
	"meshrotate/state"
)

// A version that was begun and is not finished replaces the one before it: it goes back to nothing.
func TestGoingOnIsNotGoingBack(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "sqllogin/single")
		w.settled()
		w.doc.Secrets["sqlLogin"].(*sqllogin.Spec).Version = "13"
		w.lab.EngineHost.Points(machine.Faults(machine.Fault{Op: "file.swap", When: machine.Before, Times: 9, Action: machine.Action{Fail: machine.ErrAccessDenied}}))
		if _, o := w.run(); len(o.With(state.Ahead)) != 1 {
			t.Fatalf("%v", o)
		}
		w.lab.EngineHost.Points(nil)
		p := w.planned()
		if f, ok := finding(p, "version-back"); ok || p.Empty() {
			t.Errorf("%+v", f)
		}
	})
}

// Who goes back to a version that was replaced is told, and may do so: the later one may be what does not work.
func TestGoingBackToAVersionThatWasReplaced(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey")
		spec := w.doc.Secrets["relayKey"].(*relaykey.Spec)
		for _, next := range []specs.Version{lab.NewKey, "8"} {
			spec.Version = next
			if f, ok := finding(w.planned(), "version-back"); ok {
				t.Errorf("%s is new: %+v", next, f)
			}
			w.settled()
		}
		spec.Version = lab.NewKey
		p := w.planned()
		f, ok := finding(p, "version-back")
		if !ok || f.Severity != reconciler.Warning || len(p.Blocked()) > 0 || !strings.Contains(f.Text, "8 replaced it") || !strings.Contains(f.Hint, "declare a new version") {
			t.Errorf("%+v", p.Changes)
		}
		w.settled()
		if f, ok := finding(w.planned(), "version-back"); ok {
			t.Errorf("nothing is to be done: %+v", f)
		}
	})
}
