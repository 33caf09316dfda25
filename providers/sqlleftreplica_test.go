package providers_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// good are the instances on which the login signs in with a password.
func (w *world) good(login, password string) (where []string) {
	for _, r := range w.lab.SQLReplicas() {
		if l, _, _ := r.Instance.LookLogin(login); !l.Disabled && l.Password == password {
			where = append(where, r.Name)
		}
	}
	return where
}

// gone are the instances of which the evidence says that the login is taken out, or was found gone.
func (w *world) gone(login string) (where []string) {
	for _, r := range w.lab.SQLReplicas() {
		if slices.ContainsFunc(w.evidence("sqllogin").Places, func(p state.Place) bool {
			return p.Place == "the login "+login+" on "+r.Name && (p.Became == state.Done || p.Became == state.Gone)
		}) {
			where = append(where, r.Name)
		}
	}
	return where
}

// A replica was away in an emergency, and another pair, another mode or another login is declared before it is back. What others know is
// accepted there until it is back, the plan and the evidence say so, and then it is taken out at once.
func TestReplicaLeftInAnEmergencyAndAnotherLogin(t *testing.T) {
	vendor()
	for _, c := range []struct {
		first, mode, version string
		logins               []string
		applied              bool // before the replica is back
	}{
		{"alternating", "alternating", "12", []string{lab.SQLSpare, third}, false},
		{"alternating", "alternating", "13", []string{lab.SQLSpare, third}, true},
		{"alternating", "alternating", "13", []string{third, fourth}, false},
		{"alternating", "single", "12", []string{lab.SQLSpare}, false},
		{"alternating", "single", "12", []string{lab.SQLSpare}, true},
		{"alternating", "single", "13", []string{third}, true},
		{"single", "single", "13", []string{third}, false},
		{"single", "single", "13", []string{third}, true},
		{"single", "alternating", "13", []string{third, fourth}, false},
		{"single", "alternating", "13", []string{third, fourth}, true},
	} {
		t.Run(fmt.Sprint(c.first, " then ", c.mode, c.version, c.logins, c.applied), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := loginWorld(t, c.first, 3)
				w.addLogin(third)
				w.addLogin(fourth)
				old, away := w.lab.SQLPasswords()[lab.SQLLogin], w.lab.SQLReplicas()[2]
				away.Instance.Down(true)
				w.loginSpec().Tolerate = []string{away.Name}
				if _, o := w.replace("sqllogin", "posted"); o.Err != nil {
					t.Fatal(o)
				}
				time.Sleep(time.Hour)
				w.declare(c.mode, c.version, c.logins...)
				if c.applied {
					if _, o := w.run(); o.Err != nil {
						t.Fatal(o)
					}
				}
				still := func(when string) {
					t.Helper()
					if f, said := finding(w.planned(), "secret-compromised"); !said || !f.Drift || !slices.Contains(f.Hosts, away.Name) || f.Hint == "" {
						t.Errorf("%s: the plan does not say that it is accepted there: %+v", when, f)
					}
					if slices.Contains(w.gone(lab.SQLLogin), away.Name) {
						t.Errorf("%s: the evidence says that it is gone there", when)
					}
				}
				still("away")
				away.Instance.Down(false)
				time.Sleep(time.Hour)
				w.loginSpec().Tolerate = nil
				still("back")
				if _, o := w.run(); o.Err != nil {
					t.Fatal(o)
				}
				if now := w.good(lab.SQLLogin, old); len(now) > 0 {
					t.Errorf("it is back, and what others know is good on %v", now)
				}
				if !slices.Contains(w.gone(lab.SQLLogin), away.Name) {
					t.Errorf("the evidence does not say that it was taken out: %+v", w.evidence("sqllogin").Places)
				}
				p := w.planned()
				if f, said := finding(p, "secret-compromised"); said || p.Changes[0].Status != reconciler.AsDeclared {
					t.Errorf("%s %s, and %+v", p.Changes[0].Status, p.Changes[0].Reason, f)
				}
				w.loggedIn(c.version)
			})
		})
	}
}

// A replica was away when the login that was replaced was disabled elsewhere, and another pair is declared before it is back: it is
// disabled there as well.
func TestReplicaLeftAfterTheSoakAndAnotherPair(t *testing.T) {
	vendor()
	for _, logins := range [][]string{{lab.SQLSpare, third}, {lab.SQLSpare}, {lab.SQLLogin, lab.SQLSpare}} {
		t.Run(fmt.Sprint(logins), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := loginWorld(t, "alternating", 3)
				w.addLogin(third)
				old, away := w.lab.SQLPasswords()[lab.SQLLogin], w.lab.SQLReplicas()[2]
				if _, o := w.run(); o.Err != nil {
					t.Fatal(o)
				}
				time.Sleep(8 * 24 * time.Hour)
				away.Instance.Down(true)
				w.loginSpec().Tolerate = []string{away.Name}
				if _, o := w.run(); o.Err != nil || !slices.Equal(w.good(lab.SQLLogin, old), []string{away.Name}) {
					t.Fatalf("%v, %v", o, w.good(lab.SQLLogin, old))
				}
				w.declare(map[bool]string{true: "single", false: "alternating"}[len(logins) == 1], "12", logins...)
				w.planned()
				away.Instance.Down(false)
				time.Sleep(time.Hour)
				w.loginSpec().Tolerate = nil
				if _, o := w.run(); o.Err != nil || len(w.good(lab.SQLLogin, old)) > 0 {
					t.Errorf("%v, and it is enabled on %v", o, w.good(lab.SQLLogin, old))
				}
				if p := w.planned(); !p.Empty() {
					t.Errorf("%s", p.Changes[0].Reason)
				}
			})
		})
	}
}
