package providers_test

import (
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
	"meshrotate/specs"
)

// A run was cut off that had changed the one login, the commit is reverted, and the server's history of passwords refuses the value
// before: the hint names the version that the server may have, and declaring it again goes on.
func TestTheHistoryRefusesTheWayBack(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Drivers: true, Login: "single"}, "sqllogin")
		w.killed(w.lab.EngineHost, "file.swap", machine.Before)
		w.lab.EngineHost.Points(nil)
		w.loginSpec().Version = specs.Version(lab.OldLogin)
		_, o := w.run()
		if hint := reconciler.HintOf(o.Err); o.Err == nil || !strings.Contains(hint, "declare version "+lab.NewLogin+" again") {
			t.Errorf("%v, hint %q", o.Err, hint)
		}
		w.loginSpec().Version = specs.Version(lab.NewLogin)
		if _, o := w.run(); o.Err != nil {
			t.Errorf("%v", o)
		}
		time.Sleep(2 * time.Minute)
		w.loggedIn(lab.NewLogin)
	})
}
