package providers_test

import (
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
		t.Run(mode+"-sid", func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := start(t, mode)
				w.lab.SQLReplicas()[1].Instance.SetLogin(login[mode], func(l *sqlserver.Login) { l.SID = []byte("made anew") })
				w.refused("sid-differs", login[mode])
			})
		})
	}
}
