package providers_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/rotations/sqllogin"
	"meshrotate/providers/site"
	"meshrotate/providers/values"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// stops counts how often a host's service was stopped.
func stops(h *lab.Host) *atomic.Int32 {
	var n atomic.Int32
	h.Points(func(p machine.Point) machine.Action {
		if p.Op == "service.stop" && p.When == machine.Before {
			n.Add(1)
		}
		return machine.Action{}
	})
	return &n
}

// License, relay key and SQL login are due in one commit: Admin's file is written once, and each service stops once.
func TestAllSecretsAtOnce(t *testing.T) {
	for _, mode := range []string{"alternating", "single"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, "license", "relaykey", "sqllogin/"+mode)
				admin, engine := stops(w.lab.Admin), stops(w.lab.EngineHost)
				p, o := w.run()
				if o.Err != nil || len(o.With(state.Proven)) != 3 || p.Count(reconciler.Rotate) != 3 {
					t.Fatal(o)
				}
				if admin.Load() != 1 || engine.Load() != 1 {
					t.Errorf("Admin was stopped %d times, Engine %d times", admin.Load(), engine.Load())
				}
				w.converged()
				for _, c := range p.Changes {
					for _, l := range c.Lines {
						for _, clause := range strings.FieldsFunc(l.Text, func(r rune) bool { return r == ';' || r == ',' }) {
							if words := strings.Fields(clause); slices.Contains([]string{"on", "of", "from", "with"}, words[len(words)-1]) {
								t.Errorf("%s %s: %q", c.Title, l.Phase, l.Text)
							}
						}
					}
				}
			})
		})
	}
}

// keep puts a password into the store, as if it came from a source.
func (w *world) keep(version, password string) {
	w.t.Helper()
	ref := secret.Ref{Name: "sqllogin", Version: version}
	seal, err := values.SealFrom(nil, values.Config{LookupEnv: w.lab.Env, Deployment: w.doc.Name})
	if err == nil {
		err = values.NewKeep(w.state.Values, seal).Put(context.Background(), ref, secret.NewString(password))
	}
	if err == nil { // an earlier run kept it, and nothing came of that
		e := state.Entry{Time: time.Now(), Run: "earlier", Secret: ref.Name, Version: ref.Version, Outcome: state.Started}
		back := e
		e.Step, back.Outcome = reconciler.Step{Phase: reconciler.Prepare, Op: site.Keep{Secret: ref}}.Name(), state.Back
		err = w.state.Ledger.Append(context.Background(), e, back)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// loggedIn demands that the next run ends well, that the one after it has nothing to do, and that this version works.
func (w *world) loggedIn(version string) {
	w.t.Helper()
	p, o := w.run()
	if o.Err != nil || len(p.Blocked()) > 0 {
		w.t.Errorf("the next run did not converge: %v, %+v", o, p.Blocked())
	}
	s := w.process()
	defer s.close()
	if again := s.look().Plan; !again.Empty() || len(again.Blocked()) > 0 {
		w.t.Errorf("a further run plans %d steps: %+v", len(again.Steps()), again.Changes)
	}
	w.await("every service runs", func() bool { return w.up() == nil })
	if err := w.signsIn(version); err != nil {
		w.t.Error(err)
	}
	if err := w.noLockout(); err != nil {
		w.t.Error(err)
	}
	rotationtest.Search(w.t, w.secrets(), w.said())
}

// onAlter does something once, when a statement that changes a login comes in.
func (w *world) onAlter(nth int32, do func()) {
	var n atomic.Int32
	w.lab.Statements(func(s sqlserver.Statement) {
		if alters(wsman.Event{CommandLine: s.Text}) && n.Add(1) == nth {
			do()
		}
	})
}

// What may become of a SQL login on its way, and what is said and left.
func TestSituationsOfTheSQLLogin(t *testing.T) {
	vendor()
	for _, c := range []struct {
		name, reason, mode string
		run                func(t *testing.T, w *world)
	}{
		{"the policy refuses the password", "nothing was stopped for long, and the old password stays", "single", func(t *testing.T, w *world) {
			w.keep(lab.NewLogin, "onlysmalllettersandnothingelse")
			_, o := w.run()
			says(t, o.Err, "15118", "complex")
			if len(o.With(state.Back)) != 1 || len(o.Down) > 0 {
				t.Errorf("%v", o)
			}
			w.await("everything is as before", func() bool { return w.signsIn(lab.OldLogin) == nil })
			w.doc.Secrets["sqlLogin"].(*sqllogin.Spec).Version = "13"
			if _, o = w.run(); o.Err != nil {
				t.Errorf("with another value: %v", o)
			}
			w.await("the next version works", func() bool { return w.signsIn("13") == nil })
		}},
		{"the policy refuses it for the idle one", "nothing was stopped at all", "alternating", func(t *testing.T, w *world) {
			w.keep(lab.NewLogin, "onlysmalllettersandnothingelse")
			admin := stops(w.lab.Admin)
			_, o := w.run()
			says(t, o.Err, "15118")
			if len(o.With(state.Back)) != 1 || admin.Load() > 0 {
				t.Errorf("%v; Admin was stopped %d times", o, admin.Load())
			}
			w.await("everything is as before", func() bool { return w.signsIn(lab.OldLogin) == nil })
		}},
		{"the right is taken away meanwhile", "it is refused for certain, and everything goes back", "single", func(t *testing.T, w *world) {
			w.lab.SQLInstance().SetLogin("im_plain", func(l *sqlserver.Login) { l.Password = w.lab.Password })
			w.lab.SQLInstance().GrantServer("im_plain", "ALTER ANY LOGIN", "VIEW SERVER STATE")
			w.doc.Connect.SQL.User = "im_plain"
			w.lab.Admin.Points(func(x machine.Point) machine.Action {
				if x.Op == "service.stop" && x.When == machine.Before {
					w.lab.SQLInstance().DenyServer("im_plain", "ALTER ANY LOGIN")
				}
				return machine.Action{}
			})
			_, o := w.run()
			says(t, o.Err, "15151")
			if len(o.With(state.Back)) != 1 || len(o.Down) > 0 {
				t.Errorf("%v", o)
			}
			w.await("everything is as before", func() bool { return w.signsIn(lab.OldLogin) == nil })
		}},
		{"a login that is gone", "the plan says so", "alternating", func(t *testing.T, w *world) {
			w.lab.SQLInstance().RemoveLogin(lab.SQLSpare)
			w.refused("login-missing", lab.SQLSpare)
		}},
		{"a login that somebody disabled", "the plan says so", "alternating", func(t *testing.T, w *world) {
			w.lab.SQLInstance().SetLogin(lab.SQLSpare, func(l *sqlserver.Login) { l.Disabled = true })
			w.refused("login-disabled", lab.SQLSpare)
		}},
		{"no right to alter", "the plan says so", "alternating", func(t *testing.T, w *world) {
			w.lab.SQLInstance().SetLogin("im_plain", func(l *sqlserver.Login) { l.Password = w.lab.Password })
			w.doc.Connect.SQL.User = "im_plain"
			w.refused("permission-missing", "im_plain")
		}},
		{"another database", "the plan says so", "alternating", func(t *testing.T, w *world) {
			w.doc.Connect.SQL.Database = "Elsewhere"
			w.refused("database-missing", "Elsewhere")
		}},
		{"the server is down", "the plan says so", "single", func(t *testing.T, w *world) {
			w.lab.SQLInstance().Down(true)
			w.refused("sql-unreachable", lab.SQLServer)
			w.lab.SQLInstance().Down(false)
			time.Sleep(2 * time.Minute) // until the pools ask again
			w.loggedIn(lab.NewLogin)
		}},
		{"somebody changed the password", "with one login nobody knows which is right", "single", func(t *testing.T, w *world) {
			w.lab.SQLInstance().SetLogin(lab.SQLLogin, func(l *sqlserver.Login) { l.Password = "Somebody-Elses-1" })
			w.refused("neither-accepted", lab.SQLLogin)
			for range 3 { // Admin tries on with what it has, until the login is locked out
				time.Sleep(time.Hour)
				if p, _ := w.run(); len(p.Blocked()) == 0 {
					t.Errorf("%+v", p.Changes)
				}
			}
		}},
		{"somebody changed the password of the active one", "the other one is the cure", "alternating", func(t *testing.T, w *world) {
			w.lab.SQLInstance().SetLogin(lab.SQLLogin, func(l *sqlserver.Login) { l.Password = "Somebody-Elses-1" })
			w.loggedIn(lab.NewLogin)
		}},
		{"soak, retire, and back", "the replaced login is disabled in a later run, and enabled by the next rotation", "alternating", soakAndBack},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			t.Log(c.reason)
			virtual(t, func(t *testing.T) { c.run(t, newWorld(t, 1, "sqllogin/"+c.mode)) })
		})
	}
}

func soakAndBack(t *testing.T, w *world) {
	w.loggedIn(lab.NewLogin)
	disabled := func(login string) bool {
		l, _, _ := w.lab.SQLInstance().LookLogin(login)
		return l.Disabled
	}
	if disabled(lab.SQLLogin) {
		t.Fatal("retired before its soak was over")
	}
	time.Sleep(8 * 24 * time.Hour)
	admin := stops(w.lab.Admin)
	p, o := w.run()
	if o.Err != nil || p.Count(reconciler.Rotate) != 1 || !disabled(lab.SQLLogin) || admin.Load() > 0 {
		t.Fatalf("not retired, or Admin was stopped %d times: %v", admin.Load(), o)
	}
	w.loggedIn(lab.NewLogin)
	w.doc.Secrets["sqlLogin"].(*sqllogin.Spec).Version = "13"
	if _, o := w.run(); o.Err != nil || disabled(lab.SQLLogin) {
		t.Fatalf("%v", o)
	}
	w.await("the other login is in use again", func() bool { return w.signsIn("13") == nil })
}

// The availability group fails over in the middle: every replica has the new password in the end.
func TestFailoverMidway(t *testing.T) {
	vendor()
	for _, mode := range []string{"alternating", "single"} {
		for _, at := range []int32{1, 2} {
			t.Run(mode, func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Login: mode, Replicas: 2}, "sqllogin")
					var once sync.Once
					w.onAlter(at, func() {
						once.Do(func() { go w.lab.SQLGroup().Failover(w.lab.SQLReplicas()[1].Instance) })
					})
					for range 3 {
						_, o := w.run()
						t.Logf("%v", o)
						if o.Err == nil {
							break
						}
						time.Sleep(2 * time.Minute)
					}
					w.loggedIn(lab.NewLogin)
					password := w.kept("sqllogin", lab.NewLogin)
					login := map[string]string{"alternating": lab.SQLSpare, "single": lab.SQLLogin}[mode]
					for _, r := range w.lab.SQLReplicas() {
						if l, locked, _ := r.Instance.LookLogin(login); l.Password != password || locked {
							t.Errorf("%s: another password, or locked (%v)", r.Name, locked)
						}
					}
				})
			})
		}
	}
}

// meshrotate itself signs in as an account of Windows.
func TestTheRotatorIsAnAccountOfWindows(t *testing.T) {
	vendor()
	for _, mode := range []string{"alternating", "single"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Login: mode, Replicas: 2}, "sqllogin")
				w.doc.Connect.SQL.Auth, w.doc.Connect.SQL.User = "ntlm", lab.Domain+`\`+lab.User
				w.login(lab.User, func(l *sqlserver.Login) { l.Disabled = true })
				w.loggedIn(lab.NewLogin)
			})
		})
	}
}

// A login with wrong passwords behind it is spared while the server may count them, and tried again when an hour has passed: a
// number that stays readable blocks nobody for ever.
func TestWrongPasswordsAreForgottenInTheEnd(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 1, "sqllogin/single")
		for _, h := range []*lab.Host{w.lab.Admin, w.lab.EngineHost} {
			h.Machine.Kill(serviceOf(h)) // who signs in with the right one ends the count
		}
		w.lab.SQLInstance().Miss(lab.SQLLogin, 3)
		p, _ := w.run()
		if said := fmt.Sprint(p.Blocked()); !strings.Contains(said, "had 3 wrong passwords") || !strings.Contains(said, "an hour after the last one") {
			t.Fatal(said)
		}
		time.Sleep(time.Hour + time.Minute)
		if _, o := w.run(); o.Err != nil {
			t.Fatal(o)
		}
		w.loggedIn(lab.NewLogin)
	})
}

// Somebody else has changed the password of the one login, and nothing changes from then on: however often one looks, the advice is the
// same, and the login is not tried so often that it is locked out.
func TestLooksAtALoginThatSomebodyElseChanged(t *testing.T) {
	for _, c := range []struct {
		name string
		was  func(w *world)
		hint string
	}{
		{"another version is declared", func(*world) {}, "find out who, "},
		{"the declared one was live", func(w *world) { w.run() }, "somebody changed the login elsewhere: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 0, "sqllogin/single")
				c.was(w)
				for h, service := range map[*lab.Host]string{w.lab.Admin: lab.AdminService, w.lab.EngineHost: lab.EngineService} { // they would try it, too
					if err := h.Machine.Stop(service); err != nil {
						t.Fatal(err)
					}
					h.Machine.Await(service, "stopped", time.Minute)
				}
				w.lab.SQLInstance().SetPolicy(sqlserver.Policy{Attempts: 3})
				w.login(lab.SQLLogin, func(l *sqlserver.Login) { l.Password = "Somebody-Elses-1" })
				var codes []string
				for range 8 {
					for _, f := range w.planned().Changes[0].Findings {
						if f.Severity == reconciler.Error {
							codes = append(codes, string(f.Code))
							if !strings.HasPrefix(f.Hint, c.hint) {
								t.Errorf("%s: %s (%s)", f.Code, f.Text, f.Hint)
							}
						}
					}
				}
				if !slices.Contains(codes, "sign-in-unknown") || slices.Contains(codes, "login-locked") || codes[0] == "sign-in-unknown" {
					t.Errorf("%v", codes)
				}
			})
		})
	}
}
