package providers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// enters says that a login, or a user of the contained database, signs in with a password.
func (w *world) enters(name, password string) bool {
	for _, r := range w.lab.SQLReplicas() {
		if !r.Instance.Up() {
			continue
		}
		s, err := r.Instance.Login(sqlserver.Client{User: name, Password: password, Database: lab.Database, Host: "THIEF", Program: "x"})
		if err == nil {
			s.Close()
			return true
		}
	}
	return false
}

// containedWorld has users of a contained database, and logins beside them.
func containedWorld(t *testing.T, replicas int) *world {
	w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Login: "alternating", Replicas: replicas, Contained: true}, "sqllogin")
	for _, r := range w.lab.SQLReplicas() {
		r.Instance.SetPolicy(sqlserver.Policy{History: -1})
	}
	w.addLogin(third)
	w.addLogin(fourth)
	return w
}

// Users of the contained database take the place of logins, or the other way round. What was replaced is ended as what it is: after its
// soak, and at once where others know it.
func TestUsersAndLoginsReplaceEachOther(t *testing.T) {
	vendor()
	users, logins := []string{lab.SQLLogin, lab.SQLSpare}, []string{third, fourth}
	for _, c := range []struct {
		name        string
		first, then []string
		old, older  string // what is replaced, and before that
		mode        string
		replicas    int
	}{
		{name: "users then logins", first: users, then: logins, old: lab.SQLSpare, older: lab.SQLLogin, mode: "alternating", replicas: 1},
		{name: "users then logins, replicas", first: users, then: logins, old: lab.SQLSpare, older: lab.SQLLogin, mode: "alternating", replicas: 2},
		{name: "users then one login", first: users, then: logins[:1], old: lab.SQLSpare, older: lab.SQLLogin, mode: "single", replicas: 1},
		{name: "logins then users", first: logins, then: users, old: third, mode: "alternating", replicas: 1},
		{name: "logins then users, replicas", first: logins, then: users, old: third, mode: "alternating", replicas: 2},
		{name: "logins then one user", first: logins, then: users[:1], old: third, mode: "single", replicas: 1},
		{name: "one of each", first: users, then: []string{lab.SQLSpare, third}, old: lab.SQLSpare, older: lab.SQLLogin, mode: "alternating", replicas: 1},
	} {
		for _, emergency := range []bool{true, false} {
			t.Run(fmt.Sprint(c.name, emergency), func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := containedWorld(t, c.replicas)
					first := w.lab.SQLPasswords()[lab.SQLLogin]
					w.declare("alternating", "12", c.first...)
					if _, o := w.run(); o.Err != nil {
						t.Fatal(o)
					}
					w.declare(c.mode, "13", c.then...)
					run := w.run
					if emergency {
						run = func() (*reconciler.Plan, reconciler.Outcome) { return w.replace("sqllogin", "posted") }
					}
					if p, o := run(); o.Err != nil {
						t.Fatalf("%v, %+v", o, p.Blocked())
					}
					if !emergency {
						if !w.enters(c.old, w.kept("sqllogin", "12")) {
							t.Error("there is no soak")
						}
						time.Sleep(8 * 24 * time.Hour)
						if _, o := w.run(); o.Err != nil {
							t.Error(o)
						}
					}
					if w.enters(c.old, w.kept("sqllogin", "12")) {
						t.Errorf("%s signs in with the password that was replaced", c.old)
					}
					if c.older != "" && w.enters(c.older, first) {
						t.Errorf("%s signs in with the password before that", c.older)
					}
					if emergency {
						for _, p := range w.evidence("sqllogin").Places {
							if p.Became != state.Done {
								t.Errorf("%+v", p)
							}
						}
					}
					w.loggedIn("13")
					if p := w.planned(); len(p.Changes[0].Findings) > 0 {
						t.Errorf("%+v", p.Changes[0].Findings)
					}
				})
			})
		}
	}
}

// A replica is away while logins give way to users in an emergency: the login there is not said to be gone, and is disabled when it is back.
func TestLoginsThenUsersWithAReplicaAway(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := containedWorld(t, 2)
		w.declare("alternating", "12", third, fourth)
		if _, o := w.run(); o.Err != nil {
			t.Fatal(o)
		}
		away := w.lab.SQLReplicas()[1]
		away.Instance.Down(true)
		w.declare("alternating", "13", lab.SQLLogin, lab.SQLSpare)
		w.loginSpec().Tolerate = []string{away.Name}
		if p, o := w.replace("sqllogin", "posted"); o.Err != nil {
			t.Fatalf("%v, %+v", o, p.Blocked())
		}
		if !slices.ContainsFunc(w.evidence("sqllogin").Places, func(p state.Place) bool {
			return p.Place == "the login "+third+" on "+away.Name && p.Became == state.Started
		}) {
			t.Errorf("the evidence forgets the replica: %+v", w.evidence("sqllogin").Places)
		}
		if f, said := finding(w.planned(), "secret-compromised"); !said || !slices.Contains(f.Hosts, away.Name) {
			t.Errorf("%+v", f)
		}
		away.Instance.Down(false)
		time.Sleep(time.Hour)
		w.loginSpec().Tolerate = nil
		if _, o := w.run(); o.Err != nil || len(w.good(third, w.kept("sqllogin", "12"))) > 0 {
			t.Errorf("%v, good on %v", o, w.good(third, w.kept("sqllogin", "12")))
		}
		if !slices.Contains(w.gone(third), away.Name) {
			t.Errorf("%+v", w.evidence("sqllogin").Places)
		}
		if f, said := finding(w.planned(), "secret-compromised"); said {
			t.Errorf("%+v", f)
		}
		w.loggedIn("13")
	})
}

// Whether a replaced name is a user of the database may not be seen: nobody says that it was ended, and the plan says that it stays.
func TestUsersThatAreNotSeen(t *testing.T) {
	vendor()
	for _, emergency := range []bool{true, false} {
		t.Run(fmt.Sprint(emergency), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := containedWorld(t, 2)
				if _, o := w.run(); o.Err != nil {
					t.Fatal(o)
				}
				w.declare("alternating", "13", third, fourth)
				w.lab.SQLInstance().Data().Deny(lab.Database, lab.User, "", "ALTER ANY USER")
				run := w.run
				if emergency {
					run = func() (*reconciler.Plan, reconciler.Outcome) { return w.replace("sqllogin", "posted") }
				}
				if p, o := run(); o.Err != nil {
					t.Fatalf("%v, %+v", o, p.Blocked())
				}
				for range 2 {
					time.Sleep(8 * 24 * time.Hour)
					p, o := w.run()
					if o.Err != nil {
						t.Error(o)
					}
					f, said := finding(p, "old-login-stays")
					if !said || f.Hint == "" {
						t.Errorf("not said to stay: %+v", p.Changes[0].Findings)
					}
					for _, f := range p.Changes[0].Findings {
						if f.Code == "secret-compromised" && !strings.Contains(f.Hint, "GRANT ALTER ANY USER") {
							t.Errorf("%+v", f)
						}
					}
					if f, said := finding(p, "secret-compromised"); said != emergency {
						t.Errorf("%v %+v", said, f)
					}
				}
				if emergency && len(w.gone(lab.SQLSpare)) > 0 {
					t.Errorf("%+v", w.evidence("sqllogin").Places)
				}
				w.lab.SQLInstance().Data().Grant(lab.Database, lab.User, "", "ALTER ANY USER")
				if _, o := w.run(); o.Err != nil || w.enters(lab.SQLSpare, w.kept("sqllogin", "12")) {
					t.Errorf("it signs in: %v", o)
				}
				w.loggedIn("13")
				if p := w.planned(); len(p.Changes[0].Findings) > 0 {
					t.Errorf("%+v", p.Changes[0].Findings)
				}
			})
		})
	}
}

// A replica was away in an emergency, and somebody has renamed the login there: it is not gone, and the plan says what it is called now.
func TestReplacedLoginThatWasRenamed(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := loginWorld(t, "alternating", 2)
		away := w.lab.SQLReplicas()[1]
		away.Instance.Down(true)
		w.loginSpec().Tolerate = []string{away.Name}
		if _, o := w.replace("sqllogin", "posted"); o.Err != nil {
			t.Fatal(o)
		}
		w.addLogin(third)
		w.declare("alternating", "12", lab.SQLSpare, third)
		was, _, _ := away.Instance.LookLogin(lab.SQLLogin)
		away.Instance.Down(false)
		away.Instance.RemoveLogin(lab.SQLLogin)
		rename := func(disabled bool) {
			away.Instance.SetLogin("im_reports", func(l *sqlserver.Login) {
				l.SID, l.Password, l.Disabled = was.SID, was.Password, disabled
			})
		}
		rename(false)
		time.Sleep(time.Hour)
		w.loginSpec().Tolerate = nil
		for range 2 {
			w.run()
			if f, said := finding(w.planned(), "secret-compromised"); !said || !f.Drift || !strings.Contains(f.Hint, "ALTER LOGIN im_reports DISABLE") {
				t.Errorf("%+v", f)
			}
			if slices.Contains(w.gone(lab.SQLLogin), away.Name) {
				t.Errorf("%+v", w.evidence("sqllogin").Places)
			}
		}
		rename(true)
		w.run()
		if f, said := finding(w.planned(), "secret-compromised"); said || !slices.Contains(w.gone(lab.SQLLogin), away.Name) {
			t.Errorf("%+v %+v", f, w.evidence("sqllogin").Places)
		}
	})
}

// A login that was dropped is gone; no run says that it has disabled it.
func TestReplacedLoginThatWasDropped(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := loginWorld(t, "alternating", 2)
		away := w.lab.SQLReplicas()[1]
		away.Instance.Down(true)
		w.loginSpec().Tolerate = []string{away.Name}
		w.addLogin(third)
		if _, o := w.replace("sqllogin", "posted"); o.Err != nil {
			t.Fatal(o)
		}
		w.declare("alternating", "12", lab.SQLSpare, third)
		away.Instance.Down(false)
		away.Instance.RemoveLogin(lab.SQLLogin)
		time.Sleep(time.Hour)
		w.loginSpec().Tolerate = nil
		if _, o := w.run(); o.Err != nil {
			t.Fatal(o)
		}
		for _, p := range w.evidence("sqllogin").Places {
			if p.Place == "the login "+lab.SQLLogin+" on "+away.Name && p.Became != state.Gone {
				t.Errorf("%+v", p)
			}
		}
		if p := w.planned(); !p.Empty() {
			t.Errorf("%s", p.Changes[0].Reason)
		} else if f, said := finding(p, "secret-compromised"); said {
			t.Errorf("%+v", f)
		}
	})
}
