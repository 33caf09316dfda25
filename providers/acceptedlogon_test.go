package providers_test

import (
	"slices"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/state"
)

// A run that saw the account log on with its new password, and was not let set it, goes back: the services run on with one that is
// dead. What is then limited to another secret stops none of them.
func TestOnlyStopsNoServiceWhoseAccountHasAnotherPasswordNow(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 0, "sqllogin", "license", "serviceaccount")
		for _, h := range w.lab.Hosts() {
			h.Points(machine.Faults(machine.Fault{Op: "service.logon", When: machine.Before, Action: machine.Action{Fail: 5}}))
		}
		s := w.only(lab.AccountSecret)
		p, o := s.apply(nil)
		s.close()
		if len(o.With(state.Back)) != 1 {
			t.Fatalf("%v %+v", o, p.Changes)
		}
		for _, h := range w.lab.Hosts() {
			h.Points(nil)
		}
		before := w.starts()
		for _, kind := range []string{"sqllogin", "license"} {
			s := w.only(kind)
			p, _ := s.apply(nil)
			s.close()
			if f, ok := finding(p, "service-cannot-start"); !ok || !slices.Equal(before, w.starts()) {
				t.Errorf("%s: %+v; %v", kind, f, p.Changes)
			}
		}
		_, o = w.run() // all of it sets the password first
		if err := w.up(); err != nil || len(o.With(state.Proven)) != 3 {
			t.Errorf("%v, %v", err, o)
		}
	})
}
