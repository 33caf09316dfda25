package providers_test

import (
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/reconciler"
)

// The login in force is dead, and another one is declared: that may be the cure, in either mode, and nobody says that the version was tried.
func TestAnotherLoginForADeadOne(t *testing.T) {
	for mode, logins := range map[string][]string{"single": {lab.SQLSpare}, "alternating": {lab.SQLLogin, lab.SQLSpare}} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 0, "sqllogin/single")
				w.addLogin(lab.SQLSpare)
				w.lab.SQLInstance().SetLogin(lab.SQLLogin, func(l *sqlserver.Login) { l.Password = "Somebody-Else-1" })
				time.Sleep(time.Minute)
				w.declare(mode, "12", logins...)
				p, o := w.run()
				if f, said := finding(p, "login-rejected"); !said || f.Severity != reconciler.Warning {
					t.Errorf("%+v", p.Changes[0].Findings)
				}
				if _, said := finding(p, "neither-accepted"); said || o.Err != nil {
					t.Errorf("%v", o)
				}
				w.loggedIn("12")
			})
		})
	}
}
