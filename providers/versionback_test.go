package providers_test

import (
	"strings"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/rotations/relaykey"
	"meshrotate/reconciler"
	"meshrotate/specs"
)

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
