package providers_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/rotations/sqllogin"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/state"
)

// The services' logins are users of a contained database: they are changed there, once for all replicas.
func TestContainedUsers(t *testing.T) {
	vendor()
	for _, c := range []struct {
		mode     string
		replicas int
	}{{"alternating", 1}, {"alternating", 2}, {"single", 1}, {"single", 2}, {"external", 1}} {
		t.Run(c.mode, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Login: c.mode, Replicas: c.replicas, Contained: true}, "sqllogin")
				p, o := w.run()
				if o.Err != nil || len(o.With(state.Proven)) != 1 {
					t.Fatalf("%v, %+v", o, p.Blocked())
				}
				changes := 0
				for _, s := range p.Steps() {
					if op, ok := s.Op.(site.AlterLogin); ok {
						if changes++; op.Database != lab.Database {
							t.Errorf("not changed in the database: %+v", op)
						}
					}
				}
				if want := map[bool]int{true: 1}[c.mode != "external"]; changes != want {
					t.Errorf("%d changes of the password", changes)
				}
				w.loggedIn(lab.NewLogin)
				if c.mode == "alternating" {
					retiresUser(t, w)
				}
				w.loggedIn(lab.NewLogin)
				if c.mode == "external" {
					return
				}
				w.doc.Secrets["sqlLogin"].(*sqllogin.Spec).Version = "13"
				if _, o := w.run(); o.Err != nil {
					t.Errorf("the next version: %v", o)
				}
				w.await("the next version works", func() bool { return w.signsIn("13") == nil })
			})
		})
	}
}

// retiresUser waits for the end of the soak. A user is not disabled: its password is replaced by one that nobody knows, once.
func retiresUser(t *testing.T, w *world) {
	t.Helper()
	before, _ := w.lab.SQLInstance().Data().LookUser(lab.Database, lab.SQLLogin)
	if p, _ := w.run(); !p.Empty() {
		t.Errorf("retired before its soak was over: %+v", p.Changes)
	}
	time.Sleep(10 * 24 * time.Hour)
	admin := stops(w.lab.Admin)
	p, o := w.run()
	if o.Err != nil || len(p.Steps()) != 1 || admin.Load() != 0 {
		t.Fatalf("%v, %d steps", o, len(p.Steps()))
	}
	if op, ok := p.Steps()[0].Op.(site.RetireLogin); !ok || op.Login != lab.SQLLogin || op.Database != lab.Database {
		t.Errorf("%+v", p.Steps())
	}
	after, _ := w.lab.SQLInstance().Data().LookUser(lab.Database, lab.SQLLogin)
	if before.Password == "" || after.Password == before.Password || len(after.Password) < 32 {
		t.Error("the old password still works")
	}
	rotationtest.Search(t, map[string][]byte{"the password that nobody knows": []byte(after.Password)}, w.said())
	if p, _ := w.run(); !p.Empty() {
		t.Errorf("retired twice: %+v", p.Changes)
	}
}

// A run that died in the change is finished by the next, on either side of it.
func TestContainedUsersAfterAKill(t *testing.T) {
	vendor()
	for _, nth := range []int32{1, 2} {
		t.Run("single", func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Login: "single", Contained: true}, "sqllogin")
				var once sync.Once
				w.onAlter(nth, func() { once.Do(w.kill) })
				s := w.process()
				s.apply(nil)
				s.close()
				time.Sleep(2 * time.Minute)
				w.loggedIn(lab.NewLogin)
			})
		})
	}
}

// What is missing for a contained user is said in the plan.
func TestContainedUsersAreRefused(t *testing.T) {
	vendor()
	for _, c := range []struct {
		reason, code, says string
		breaks             func(w *world)
	}{
		{"no right to alter users", "permission-missing", "users of IdentityMesh", func(w *world) {
			w.lab.SQLInstance().Data().Deny(lab.Database, lab.User, "", "ALTER ANY USER")
		}},
		{"no such user", "login-missing", "neither a login", func(w *world) {
			w.doc.Secrets["sqlLogin"].(*sqllogin.Spec).Logins = []string{lab.SQLLogin, "im_app_c"}
		}},
		{"meshrotate has no user there", "login-missing", "is not known", func(w *world) {
			w.lab.SQLInstance().Data().SetUser(lab.Database, lab.User, []byte("another login's "), "db_datareader")
		}},
	} {
		t.Run(strings.ReplaceAll(c.reason, " ", "-"), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Login: "alternating", Contained: true}, "sqllogin")
				c.breaks(w)
				w.refused(c.code, c.says)
				if p, _ := w.run(); p.Count(reconciler.Refused) != 1 {
					t.Errorf("%+v", p.Changes)
				}
			})
		})
	}
}
