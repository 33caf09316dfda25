package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/rotations/sqllogin"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// loginWorld is a lab with so many replicas.
func loginWorld(t *testing.T, mode string, replicas int) *world {
	return newWorldAt(t, lab.Config{Relays: 1, Memory: true, Login: mode, Replicas: replicas}, "sqllogin")
}

func (w *world) loginSpec() *sqllogin.Spec { return w.doc.Secrets["sqlLogin"].(*sqllogin.Spec) }

// passwords says whether every replica has this version of the login's password.
func (w *world) passwords(login, version string) bool {
	return !slices.ContainsFunc(w.lab.SQLReplicas(), func(r *lab.Replica) bool {
		l, _, _ := r.Instance.LookLogin(login)
		return l.Password != w.kept("sqllogin", version)
	})
}

// A replica that was left out by its name is named, and gets the version once it is back, without an outage: whether it is still
// tolerated or not, and where it has become the primary by then, too.
func TestAReplicaThatWasAwayGetsTheVersion(t *testing.T) {
	vendor()
	login := map[string]string{"alternating": lab.SQLSpare, "single": lab.SQLLogin}
	for _, mode := range []string{"alternating", "single"} {
		for name, back := range map[string]func(w *world, away *lab.Replica){
			"":            func(*world, *lab.Replica) {},
			"untolerated": func(w *world, _ *lab.Replica) { w.loginSpec().Tolerate = nil },
			"primary": func(w *world, away *lab.Replica) {
				w.lab.SQLGroup().Failover(away.Instance)
				time.Sleep(30 * time.Second)
			},
			"primary for an hour": func(w *world, away *lab.Replica) {
				w.lab.SQLGroup().Failover(away.Instance)
				time.Sleep(time.Hour)
			},
		} {
			t.Run(mode+" "+name, func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := loginWorld(t, mode, 3)
					away := w.lab.SQLReplicas()[2]
					away.Instance.Down(true)
					w.loginSpec().Tolerate = []string{away.Name}
					_, o := w.run()
					if !slices.ContainsFunc(o.Left, func(l reconciler.LeftBehind) bool { return l.Target == site.SQL(away.Name) }) || len(o.With(state.Proven)) != 1 {
						t.Errorf("what is left is %+v of %v", o.Left, o)
					}
					if p := w.planned(); p.Changes[0].Status != reconciler.AsDeclared {
						t.Errorf("while it is away: %s (%s)", p.Changes[0].Status, p.Changes[0].Reason)
					}
					away.Instance.Down(false)
					back(w, away)
					pid := w.lab.Admin.Machine.Service(lab.AdminService).PID
					p, o := w.run()
					f, said := finding(p, "replica-behind")
					if c := p.Changes[0]; c.Status != reconciler.Rotate || !said || !strings.Contains(f.Text, away.Name) || len(c.Outages) > 0 || o.Err != nil || w.lab.Admin.Machine.Service(lab.AdminService).PID != pid {
						t.Errorf("%s (%s), %+v, %v", c.Status, c.Reason, c.Findings, o)
					}
					if !w.passwords(login[mode], lab.NewLogin) {
						t.Error("a replica has another password")
					}
					time.Sleep(2 * time.Minute)
					w.loggedIn(lab.NewLogin)
				})
			})
		}
	}
}

// Where the login is changed elsewhere, each look asks every instance: what was not changed there is said, before a rotation and after.
func TestAnInstanceThatWasNotChangedElsewhere(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := loginWorld(t, "external", 2)
		away, login := w.lab.SQLReplicas()[1], w.loginSpec().Login
		changed, _, _ := away.Instance.LookLogin(login)
		away.Instance.SetLogin(login, func(l *sqlserver.Login) { l.Password = "Not-changed-here-1" })
		w.refused("login-not-changed", away.Name)
		away.Instance.Down(true)
		w.loginSpec().Tolerate = []string{away.Name}
		if _, o := w.run(); o.Err != nil || len(o.With(state.Proven)) != 1 {
			t.Errorf("%v", o)
		}
		away.Instance.Down(false)
		w.loginSpec().Tolerate = nil
		for range 5 {
			p := w.planned()
			f, said := finding(p, "replica-behind")
			if p.Changes[0].Status != reconciler.AsDeclared || !said || !strings.Contains(f.Text, away.Name) || !strings.Contains(f.Hint, "change the login there") {
				t.Errorf("%s, %+v", p.Changes[0].Status, p.Changes[0].Findings)
			}
		}
		if _, locked, _ := away.Instance.LookLogin(login); locked {
			t.Error("the looks have locked it out")
		}
		away.Instance.SetLogin(login, func(l *sqlserver.Login) { l.Password = changed.Password })
		time.Sleep(2 * time.Hour)
		if p := w.planned(); len(p.Changes[0].Findings) > 0 {
			t.Errorf("it was changed there, and still: %+v", p.Changes[0].Findings)
		}
	})
}

// An instance that is reached, where somebody else has not changed the login yet, does not hold up the rotation where the document tolerates
// that by its name: it is named, in the plan, in what is left, and until it was changed there, too.
func TestAnInstanceThatIsToleratedUnchanged(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := loginWorld(t, "external", 2)
		stale, login := w.lab.SQLReplicas()[1], w.loginSpec().Login
		stale.Instance.SetLogin(login, func(l *sqlserver.Login) { l.Password = "Not-changed-here-1" })
		w.loginSpec().Tolerate = []string{stale.Name}
		p, o := w.run()
		if f, said := finding(p, "replica-left-behind"); !said || f.Severity != reconciler.Warning || !strings.Contains(f.Text, stale.Name) {
			t.Errorf("%+v", p.Changes[0].Findings)
		}
		if !slices.ContainsFunc(o.Left, func(l reconciler.LeftBehind) bool { return l.Target == site.SQL(stale.Name) }) || o.Err != nil || len(o.With(state.Proven)) != 1 {
			t.Errorf("what is left is %+v of %v", o.Left, o)
		}
		p = w.planned()
		if f, said := finding(p, "replica-behind"); p.Changes[0].Status != reconciler.AsDeclared || !said || !strings.Contains(f.Text, stale.Name) {
			t.Errorf("%s, %+v", p.Changes[0].Status, p.Changes[0].Findings)
		}
		if _, locked, _ := stale.Instance.LookLogin(login); locked {
			t.Error("the looks have locked it out")
		}
	})
}

// One server took the password and another did not: the end says which, and the version before it is set on all of them again.
func TestBackAfterOneServerTookIt(t *testing.T) {
	vendor()
	for refusing := range 2 {
		virtual(t, func(t *testing.T) {
			w := loginWorld(t, "single", 2)
			names := []string{w.lab.SQLReplicas()[0].Name, w.lab.SQLReplicas()[1].Name}
			w.lab.SQLReplicas()[refusing].Instance.SetPolicy(sqlserver.Policy{Length: 60})
			_, o := w.run()
			w.lab.SQLReplicas()[refusing].Instance.SetPolicy(sqlserver.Policy{})
			if o.Err == nil || !strings.Contains(o.Err.Error(), names[refusing]+": ") || strings.Contains(o.Err.Error(), names[1]+" took version 12") != (refusing == 0) {
				t.Errorf("it does not say which server has what: %v", o.Err)
			}
			w.loginSpec().Version = "11"
			if refusing == 0 { // a history of passwords refuses the way back, and says what to do
				if _, o := w.run(); !strings.Contains(reconciler.HintOf(o.Err), "commit another version") || !strings.Contains(o.Err.Error(), names[1]+": ") {
					t.Errorf("%v", o)
				}
			}
			for _, r := range w.lab.SQLReplicas() {
				r.Instance.SetLogin(lab.SQLLogin, func(l *sqlserver.Login) { l.NoPolicy = true })
			}
			w.loggedIn("11")
			if !w.passwords(lab.SQLLogin, "11") {
				t.Error("a replica has another password")
			}
		})
	}
}

// What keeps the login out on a secondary is found, also where nothing is to rotate.
func TestALoginThatIsOutOnASecondary(t *testing.T) {
	vendor()
	for code, do := range map[string]func(i *sqlserver.Server, login string){
		"login-disabled": func(i *sqlserver.Server, login string) {
			i.SetLogin(login, func(l *sqlserver.Login) { l.Disabled = true })
		},
		"login-locked": func(i *sqlserver.Server, login string) {
			for range 12 {
				i.Login(sqlserver.Client{User: login, Password: "x", Host: "E"})
			}
		},
	} {
		virtual(t, func(t *testing.T) {
			w := loginWorld(t, "alternating", 2)
			second := w.lab.SQLReplicas()[1]
			do(second.Instance, lab.SQLLogin)
			if f, said := finding(w.planned(), code); !said || f.Severity != reconciler.Warning || !strings.Contains(f.Text, second.Name) {
				t.Errorf("before the rotation: %+v", f)
			}
			if _, o := w.run(); o.Err != nil {
				t.Error(o.Err)
			}
			do(second.Instance, lab.SQLSpare)
			p := w.planned()
			if f, said := finding(p, code); !said || f.Severity != reconciler.Warning || !strings.Contains(f.Text, second.Name) || p.Changes[0].Status != reconciler.AsDeclared {
				t.Errorf("after it: %s, %+v", p.Changes[0].Status, p.Changes[0].Findings)
			}
		})
	}
}

// A login that is out for another reason than its password is not one that somebody has changed.
func TestWhyTheLoginIsOut(t *testing.T) {
	vendor()
	for _, mode := range []string{"alternating", "single", "external"} {
		for code, do := range map[string]func(i *sqlserver.Server, login string){
			"login-disabled": func(i *sqlserver.Server, login string) {
				i.SetLogin(login, func(l *sqlserver.Login) { l.Disabled = true })
			},
			"login-must-change": func(i *sqlserver.Server, login string) {
				i.SetLogin(login, func(l *sqlserver.Login) { l.Expires, l.MustChange = true, true })
			},
			"login-expired": func(i *sqlserver.Server, login string) {
				i.SetLogin(login, func(l *sqlserver.Login) { l.Expires = true })
				i.Age(login, 100*24*time.Hour)
			},
			"login-locked": func(i *sqlserver.Server, login string) {
				for range 12 {
					i.Login(sqlserver.Client{User: login, Password: "x", Host: "E"})
				}
			},
		} {
			t.Run(mode+" "+code, func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := loginWorld(t, mode, 1)
					if _, o := w.run(); o.Err != nil {
						t.Fatal(o.Err)
					}
					login := map[string]string{"alternating": lab.SQLSpare, "single": lab.SQLLogin, "external": w.loginSpec().Login}[mode]
					do(w.lab.SQLInstance(), login)
					p, _ := w.run() // of which it is demanded that nothing stops
					if f, said := finding(p, code); !said || f.Severity != reconciler.Error || !strings.Contains(f.Text, login) || len(p.Blocked()) == 0 {
						t.Errorf("%s: %+v", p.Changes[0].Status, p.Changes[0].Findings)
					}
					if f, said := finding(p, "login-rejected"); said {
						t.Errorf("and %+v", f)
					}
				})
			})
		}
	}
}

// The live login's password was changed by hand, and the services try theirs on and on: a new version is the cure, whatever the server
// has counted.
func TestTheCureIsNotRefusedForWrongPasswords(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := loginWorld(t, "alternating", 1)
		w.run()
		w.lab.SQLInstance().SetPolicy(sqlserver.Policy{Attempts: 1000})
		w.login(lab.SQLSpare, func(l *sqlserver.Login) { l.Password = "Changed-by-hand-1" })
		for range 8 {
			time.Sleep(time.Minute)
			w.lab.SQLInstance().Login(sqlserver.Client{User: lab.SQLSpare, Password: w.kept("sqllogin", lab.NewLogin), Host: "IM-ADMIN"})
		}
		w.loginSpec().Version = "13"
		if f, said := finding(w.planned(), "sign-in-unknown"); !said || f.Severity != reconciler.Warning {
			t.Errorf("%+v", f)
		}
		w.loggedIn("13")
	})
}

// A session of the idle login is found on every instance, and the version that is in the files is the one that is told.
func TestTheIdleLoginInUse(t *testing.T) {
	vendor()
	for n := range 2 {
		virtual(t, func(t *testing.T) {
			w := loginWorld(t, "alternating", 2)
			at := w.lab.SQLReplicas()[n]
			l, _, _ := at.Instance.LookLogin(lab.SQLSpare)
			if _, err := at.Instance.Login(sqlserver.Client{User: lab.SQLSpare, Password: l.Password, Host: "REPORTS", Program: "SSRS", Database: "master"}); err != nil {
				t.Fatal(err)
			}
			w.refused("idle-login-in-use", "SSRS", at.Name)
			if reason := w.planned().Changes[0].Reason; strings.Contains(reason, "in both files") || !strings.Contains(reason, "11") {
				t.Error(reason)
			}
		})
	}
}

// Our own login, refused: one look tries it once, however many secrets ask, and what is said warns of the lockout.
func TestOurOwnLoginIsTriedOnce(t *testing.T) {
	vendor()
	for _, kinds := range [][]string{{"sqllogin/alternating"}, {"sqllogin/single", "connector"}} {
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 1, kinds...)
			w.login(lab.User, func(l *sqlserver.Login) { l.Password = "Somebody-elses-1" })
			before := len(w.lab.SQLInstance().Refusals())
			p := w.planned()
			if n := len(w.lab.SQLInstance().Refusals()) - before; n != 1 {
				t.Errorf("%v: %d tries", kinds, n)
			}
			if f, said := finding(p, "sql-unreachable"); !said || !strings.Contains(f.Hint, "lock the login out") {
				t.Errorf("%v: %+v", kinds, f)
			}
		})
	}
}
