package providers_test

import (
	"slices"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/state"
)

// The login that is not in use gets the new password, and is not let sign in: the run goes back, and says what it has changed all the same.
func TestASpareLoginThatWasChangedInVain(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Login: "alternating"}, "sqllogin")
		before, _, _ := w.lab.SQLInstance().LookLogin(lab.SQLSpare)
		w.login(lab.SQLSpare, func(l *sqlserver.Login) { l.NoConnect = true })
		p, o := w.run()
		after, _, _ := w.lab.SQLInstance().LookLogin(lab.SQLSpare)
		if len(o.With(state.Back)) != 1 || before.Password == after.Password {
			t.Fatalf("%v", o)
		}
		if !slices.Contains(o.Secrets[0].Evidence, reconciler.NotInUse) {
			t.Errorf("%q", o.Secrets[0].Evidence)
		}
		if r := render.OutcomeOf(p, "r", time.Second, o); r.Verdict() != "failed and put back: everything that is in use is as it was before, in 1 s" {
			t.Error(r.Verdict())
		}
	})
}
