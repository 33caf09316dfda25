package providers_test

import (
	"strings"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// Somebody signs in with the idle login after the look: its password stays, on the server and on a secondary, and nothing stops.
func TestTheIdleLoginIsTakenAfterTheLook(t *testing.T) {
	vendor()
	for n := range 2 {
		virtual(t, func(t *testing.T) {
			w := loginWorld(t, "alternating", 2)
			at := w.lab.SQLReplicas()[n].Instance
			l, _, _ := at.LookLogin(lab.SQLSpare)
			when(w.lab.Admin, "file.stage", machine.Before, func() {
				if _, err := at.Login(sqlserver.Client{User: lab.SQLSpare, Password: l.Password, Host: "REPORTS", Program: "SSRS", Database: "master"}); err != nil {
					t.Error(err)
				}
			})
			admin := stops(w.lab.EngineHost)
			_, o := w.run()
			if o.Err == nil || len(o.With(state.Back)) != 1 || admin.Load() > 0 || !strings.Contains(o.Err.Error(), "in use by SSRS on REPORTS") || reconciler.HintOf(o.Err) == "" {
				t.Errorf("%v; Engine was stopped %d times", o, admin.Load())
			}
			if now, _, _ := at.LookLogin(lab.SQLSpare); now.Password != l.Password {
				t.Error("its password was changed")
			}
			at.Drop(nil)
			w.await("the services are back", func() bool { return w.signsIn(lab.OldLogin) == nil })
			w.loggedIn(lab.NewLogin)
		})
	}
}
