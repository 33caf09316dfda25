package providers_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/negotiate"
	"meshrotate/providers/rotations/serviceaccount"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/state"
)

// How a change of its own password in the domain may end, and what that means for the services: none is stopped, and none is given
// a password of which nobody knows whether the domain has it.
func TestAnAccountThatChangesItsPassword(t *testing.T) {
	lost := errors.New("the answer was lost")
	for _, c := range []struct {
		name, reason string
		first        func(change func() (bool, error)) (bool, error)
		ending       state.Outcome
		says         string
	}{
		{"refused", "the policy does not take it, and everything is as before",
			func(func() (bool, error)) (bool, error) {
				return false, &negotiate.UnchangedError{Err: errors.New("the domain's policy does not take it")}
			}, state.Back, "policy"},
		{"done, and the answer lost", "nobody knows; the next run finds it done",
			func(change func() (bool, error)) (bool, error) { _, _ = change(); return false, lost }, state.Ahead, "not known"},
		{"not done, and the answer lost", "nobody knows; the next run does it",
			func(func() (bool, error)) (bool, error) { return false, lost }, state.Ahead, "not known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			accountWorld(t, func(t *testing.T, w *world) {
				admin, engine := counting(w.lab.Admin), counting(w.lab.EngineHost)
				real, first := w.changePassword, true
				w.changePassword = func(ctx context.Context, account string, old, next secret.Value) (bool, error) {
					change := func() (bool, error) { return real(ctx, account, old, next) }
					if first {
						first = false
						return c.first(change)
					}
					return change()
				}
				_, o := w.run()
				if o.Err == nil || !strings.Contains(o.Err.Error(), c.says) || len(o.With(c.ending)) != 1 || len(o.Down) > 0 {
					t.Errorf("%s: %v", c.reason, o)
				}
				if n := admin.stops.Load() + engine.stops.Load() + admin.sets.Load() + engine.sets.Load() + admin.tries.Load(); n != 0 {
					t.Errorf("%s: %d services were touched", c.reason, n)
				}
				w.settles()
			}, "serviceaccount/kpasswd")
		})
	}
}

// A new password may be made here, goes the whole way with all else that is due, and each service stops once.
func TestAnAccountWithAGeneratedPassword(t *testing.T) {
	accountWorld(t, func(t *testing.T, w *world) {
		account := &(*w.doc.Secrets["serviceAccounts"].(*serviceaccount.Spec))[0]
		account.From = specs.Source{Generated: true}
		admin, engine := counting(w.lab.Admin), counting(w.lab.EngineHost)
		p, o := w.run()
		if o.Err != nil || len(o.With(state.Proven)) != p.Count(reconciler.Rotate) {
			t.Fatal(o, p.Blocked())
		}
		if admin.stops.Load() != 1 || engine.stops.Load() != 1 {
			t.Errorf("Admin was stopped %d times, Engine %d times", admin.stops.Load(), engine.stops.Load())
		}
		want := w.kept(lab.AccountSecret, lab.NewAccount)
		if has, wrong, _, _ := w.lab.Directory().Look(lab.Account); has != want || wrong > 0 || w.lab.Admin.Machine.Password(lab.AdminService) != want {
			t.Errorf("the domain, or a service manager, has another password; %d wrong ones were tried", wrong)
		}
		if p := w.planned(); !p.Empty() {
			t.Errorf("a further run plans %d steps", len(p.Steps()))
		}
	}, "license", "sqllogin", "serviceaccount/kpasswd")
}

// Without the password that it has nobody here can change it.
func TestAnAccountWhosePasswordIsNotKept(t *testing.T) {
	accountWorld(t, func(t *testing.T, w *world) {
		w.moved(t)
		w.refused("password-not-kept", lab.Account)
	}, "serviceaccount/kpasswd")
}
