package providers_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
	"meshrotate/reconciler/session"
)

// A run has left Admin down, with its login and its account ahead. A run that is limited to the login asks about the account as
// well, as that one has left something down: the second look asks the same, and finds nothing changed.
func TestOnlyTheLoginAfterBothWereLeftHalfDone(t *testing.T) {
	for _, mode := range []string{"single", "alternating"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 0, "sqllogin/"+mode, "serviceaccount")
				w.lab.Admin.Points(func(x machine.Point) (a machine.Action) {
					if x.Op == "file.swap" && x.When == machine.Before && !w.marks(x) {
						a.Fail = 5
					}
					return a
				})
				_, o := w.run()
				w.lab.Admin.Points(nil)
				if mode == "single" && !strings.Contains(o.String(), "down Admin") {
					t.Fatal(o)
				}
				for _, d := range o.Down {
					if strings.Contains(fmt.Sprint(d.Why, reconciler.HintOf(d.Why)), "somebody stopped it") {
						t.Errorf("nobody has stopped it: %v, %v", o, d.Why)
					}
				}
				time.Sleep(10 * time.Minute)
				for _, d := range w.planned().AllDown() {
					if strings.Contains(d.Cause, "started it again") {
						t.Errorf("nobody has started it: %+v", d)
					}
				}
				s := w.only("sqllogin")
				_, err := s.Apply(t.Context(), session.Unblocked)
				s.close()
				if err != nil && strings.Contains(err.Error(), "something has changed since the look") {
					t.Error(err)
				}
				if _, o := w.run(); o.Err != nil {
					t.Error(o)
				}
				if err := w.signsIn(lab.NewLogin); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
