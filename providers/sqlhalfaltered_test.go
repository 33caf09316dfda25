package providers_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/lab/wsman"
	"meshrotate/reconciler"
)

// A run enables a login that meshrotate had disabled on some replicas, and loses the next one. That the others are disabled was
// meshrotate: the next run goes on, also in an emergency; and where another pair is declared instead, what was enabled is disabled again.
func TestServerLostBetweenTwoAlters(t *testing.T) {
	vendor()
	for _, after := range []int{1, 2} {
		for _, how := range []string{"again", "emergency", "emergency again", "another version", "another pair", "single", "given up"} {
			t.Run(fmt.Sprint(after, " ", how), func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := loginWorld(t, "alternating", 3)
					for _, r := range w.lab.SQLReplicas() {
						r.Instance.SetPolicy(sqlserver.Policy{History: -1})
					}
					w.addLogin(third)
					if _, o := w.run(); o.Err != nil {
						t.Fatal(o)
					}
					time.Sleep(8 * 24 * time.Hour)
					if _, o := w.run(); o.Err != nil || len(w.off(lab.SQLLogin)) != 1 {
						t.Fatal(o)
					}
					w.declare("alternating", "13", lab.SQLLogin, lab.SQLSpare)
					w.lostAfter(after, how == "emergency again")
					time.Sleep(time.Hour)
					version, off, run := "13", []string(nil), w.run
					switch how {
					case "emergency", "emergency again":
						off = []string{lab.SQLSpare}
						run = func() (*reconciler.Plan, reconciler.Outcome) { return w.replace("sqllogin", "posted") }
					case "another version":
						version = "14"
						w.declare("alternating", version, lab.SQLLogin, lab.SQLSpare)
					case "another pair":
						off = []string{lab.SQLLogin}
						w.declare("alternating", version, lab.SQLSpare, third)
					case "single":
						w.declare("single", version, lab.SQLLogin)
					case "given up":
						version, off = "12", []string{lab.SQLLogin}
						w.declare("alternating", version, lab.SQLLogin, lab.SQLSpare)
					}
					if p, o := run(); o.Err != nil || len(p.Blocked()) > 0 {
						t.Fatalf("%v, %+v", o, p.Blocked())
					}
					w.loggedIn(version)
					for _, r := range w.lab.SQLReplicas() {
						for _, login := range []string{lab.SQLLogin, lab.SQLSpare} {
							if l, _, _ := r.Instance.LookLogin(login); l.Disabled != slices.Contains(off, login) {
								t.Errorf("%s: %s disabled: %v", r.Name, login, l.Disabled)
							}
						}
					}
				})
			})
		}
	}
}

// lostAfter is a run that loses the next server once so many have the password.
func (w *world) lostAfter(n int, emergency bool) {
	w.t.Helper()
	seen, began := map[string]bool{}, time.Now()
	w.lab.WireSQL(func(e wsman.Event) (f wsman.Fault) {
		if strings.Contains(e.CommandLine, "ALTER LOGIN") {
			seen[e.Server] = true
		}
		if len(seen) >= n && !seen[e.Server] && time.Since(began) < 30*time.Minute {
			f.Kind = wsman.Refuse
		}
		return f
	})
	defer w.lab.WireSQL(nil)
	run := w.run
	if emergency {
		run = func() (*reconciler.Plan, reconciler.Outcome) { return w.replace("sqllogin", "posted") }
	}
	if _, o := run(); o.Err == nil {
		w.t.Fatalf("nothing was lost: %v", o)
	}
	if len(seen) != n {
		w.t.Fatalf("the password was sent to %d", len(seen))
	}
}

// A run enables the login that an emergency had disabled, and loses the server before the login has its next password: it is enabled with what
// others know. The plan says so, whatever is declared then, and the next run gives it the password, or disables it.
func TestServerLostBetweenEnableAndPassword(t *testing.T) {
	vendor()
	for n := range 6 {
		mode, killed := []string{"alternating", "another pair", "single"}[n%3], n >= 3
		t.Run(fmt.Sprint(mode, " killed ", killed), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := loginWorld(t, "alternating", 3)
				for _, r := range w.lab.SQLReplicas() {
					r.Instance.SetPolicy(sqlserver.Policy{History: -1})
				}
				w.addLogin(third)
				old := w.lab.SQLPasswords()[lab.SQLLogin]
				if _, o := w.replace("sqllogin", "posted"); o.Err != nil || len(w.good(lab.SQLLogin, old)) > 0 {
					t.Fatal(o)
				}
				w.declare("alternating", "13", lab.SQLLogin, lab.SQLSpare)
				lost, began := "", time.Now()
				s := w.process()
				var dead atomic.Bool
				s.State.Ledger = mortal{w.state.Ledger, &dead}
				w.lab.WireSQL(func(e wsman.Event) (f wsman.Fault) {
					if lost == "" && strings.Contains(e.CommandLine, "WITH PASSWORD") {
						lost, f.Kind = e.Server, wsman.CutBefore
						if killed {
							dead.Store(true)
							go w.kill()
						}
					} else if lost != "" && time.Since(began) < 30*time.Minute {
						f.Kind = wsman.Refuse
					}
					return f
				})
				_, o := s.apply(nil)
				s.close()
				if o.Err == nil || lost == "" {
					t.Fatalf("nothing was lost: %v", o)
				}
				w.lab.WireSQL(nil)
				time.Sleep(time.Hour)
				if len(w.good(lab.SQLLogin, old)) != 1 {
					t.Fatalf("it is enabled on %v", w.good(lab.SQLLogin, old))
				}
				switch mode {
				case "another pair":
					w.declare("alternating", "13", lab.SQLSpare, third)
				case "single":
					w.declare("single", "13", lab.SQLSpare)
				}
				p := w.planned()
				if f, said := finding(p, "secret-compromised"); !said || !f.Drift {
					t.Errorf("nobody says that it is accepted: %+v", p.Changes[0].Findings)
				}
				if _, o := w.run(); o.Err != nil || len(w.good(lab.SQLLogin, old)) > 0 {
					t.Errorf("%v, and it is good on %v", o, w.good(lab.SQLLogin, old))
				}
				w.loggedIn("13")
				if f, said := finding(w.planned(), "secret-compromised"); said {
					t.Errorf("%+v", f)
				}
			})
		})
	}
}
