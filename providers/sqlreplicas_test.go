package providers_test

import (
	"strings"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/rotations/sqllogin"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// Logins belong to an instance: replicas and what is outside the group are changed and proven, or refuse the rotation, or are left
// behind by their name.
func TestEveryInstance(t *testing.T) {
	vendor()
	start := func(t *testing.T, mode string) *world {
		return newWorldAt(t, lab.Config{Relays: 1, Memory: true, Login: mode, Replicas: 2, Standbys: 1}, "sqllogin")
	}
	login := map[string]string{"alternating": lab.SQLSpare, "single": lab.SQLLogin}
	for _, mode := range []string{"alternating", "single"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := start(t, mode)
				w.loggedIn(lab.NewLogin)
				for _, r := range append(w.lab.SQLReplicas(), w.lab.SQLStandbys()...) {
					if l, _, _ := r.Instance.LookLogin(login[mode]); l.Password != w.kept("sqllogin", lab.NewLogin) {
						t.Errorf("%s has another password", r.Name)
					}
				}
			})
		})
		t.Run(mode+"-away", func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := start(t, mode)
				away := w.lab.SQLStandbys()[0]
				away.Instance.Down(true)
				w.refused("replica-unreachable", away.Name)
				w.doc.Secrets["sqlLogin"].(*sqllogin.Spec).Tolerate = []string{away.Name}
				p, o := w.run()
				if f, ok := finding(p, "replica-unreachable"); ok || o.Err != nil || len(o.With(state.Proven)) != 1 {
					t.Errorf("not tolerated: %v, %+v", o, f)
				}
				if f, ok := finding(p, "replica-left-behind"); !ok || f.Severity != reconciler.Warning {
					t.Errorf("nobody says that it is left behind: %+v", p.Changes)
				}
				w.await("the services work", func() bool { return w.signsIn(lab.NewLogin) == nil })
			})
		})
		t.Run(mode+"-set-anew", func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := start(t, mode)
				w.loggedIn(lab.NewLogin)
				for _, r := range append(w.lab.SQLReplicas()[1:], w.lab.SQLStandbys()...) {
					r.Instance.SetLogin(login[mode], func(l *sqlserver.Login) { l.NoPolicy = true }) // with a history it takes another version, as its refusal says
					r.Instance.Ask("master", "ALTER LOGIN ["+login[mode]+"] WITH PASSWORD = 'Set-by-somebody-else-1'")
				}
				pid := w.lab.Admin.Machine.Service(lab.AdminService).PID
				p, o := w.run()
				if c := p.Changes[0]; c.Status != reconciler.Rotate || len(c.Outages) > 0 || o.Err != nil || w.lab.Admin.Machine.Service(lab.AdminService).PID != pid {
					t.Errorf("%s (%s), %+v, %v", c.Status, c.Reason, c.Outages, o)
				}
				w.loggedIn(lab.NewLogin)
				if p, _ := w.run(); p.Changes[0].Status != reconciler.AsDeclared {
					t.Errorf("afterwards: %s (%s)", p.Changes[0].Status, p.Changes[0].Reason)
				}
			})
		})
		for where, of := range map[string]func(*lab.Lab) *lab.Replica{
			"replica": func(l *lab.Lab) *lab.Replica { return l.SQLReplicas()[1] },
			"standby": func(l *lab.Lab) *lab.Replica { return l.SQLStandbys()[0] },
		} {
			t.Run(mode+"-sid-"+where, func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := start(t, mode)
					of(w.lab).Instance.SetLogin(login[mode], func(l *sqlserver.Login) { l.SID = []byte("made anew") })
					name, _, _ := strings.Cut(strings.ToUpper(of(w.lab).Name), ".")
					w.refused("sid-differs", login[mode], name)
				})
			})
			t.Run(mode+"-missing-"+where, func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := start(t, mode)
					of(w.lab).Instance.SetLogin(login[mode], func(l *sqlserver.Login) { l.Name = "renamed" })
					w.refused("login-missing", login[mode], of(w.lab).Name)
				})
			})
		}
	}
}
