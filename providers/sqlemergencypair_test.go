package providers_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/reconciler"
)

// An emergency brings other logins with it while a replica is away. On that one every login that was replaced is in the evidence, the plan
// says that it is accepted there, and it is disabled once the replica is back.
func TestEmergencyThatChangesThePairWithAReplicaAway(t *testing.T) {
	vendor()
	for _, c := range []struct {
		first, mode string
		logins      []string
		out         []string // what others may know
	}{
		{"alternating", "alternating", []string{third, fourth}, []string{lab.SQLLogin, lab.SQLSpare}},
		{"alternating", "alternating", []string{lab.SQLSpare, third}, []string{lab.SQLLogin, lab.SQLSpare}},
		{"alternating", "alternating", []string{lab.SQLLogin, third}, []string{lab.SQLSpare}},
		{"alternating", "single", []string{third}, []string{lab.SQLLogin, lab.SQLSpare}},
		{"alternating", "single", []string{lab.SQLLogin}, []string{lab.SQLSpare}},
		{"alternating", "single", []string{lab.SQLSpare}, []string{lab.SQLLogin, lab.SQLSpare}},
		{"single", "single", []string{third}, []string{lab.SQLLogin}},
		{"single", "alternating", []string{third, fourth}, []string{lab.SQLLogin}},
	} {
		for _, soaked := range []bool{false, true} {
			t.Run(fmt.Sprint(c.first, " then ", c.mode, c.logins, soaked), func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := loginWorld(t, c.first, 3)
					for _, r := range w.lab.SQLReplicas() {
						r.Instance.SetPolicy(sqlserver.Policy{History: -1})
					}
					w.addLogin(third)
					w.addLogin(fourth)
					known := map[string]string{lab.SQLLogin: w.lab.SQLPasswords()[lab.SQLLogin]}
					if _, o := w.run(); o.Err != nil {
						t.Fatal(o)
					}
					known[lab.SQLSpare] = w.kept("sqllogin", "12")
					if c.first == "single" {
						known = map[string]string{lab.SQLLogin: w.kept("sqllogin", "12")}
					}
					if soaked {
						time.Sleep(8 * 24 * time.Hour)
						w.run()
					}
					away := w.lab.SQLReplicas()[1]
					away.Instance.Down(true)
					w.declare(c.mode, "13", c.logins...)
					w.loginSpec().Tolerate = []string{away.Name}
					if _, o := w.replace("sqllogin", "posted"); o.Err != nil {
						t.Fatal(o)
					}
					for _, login := range c.out {
						if len(w.good(login, known[login])) > 0 && slices.Contains(w.gone(login), away.Name) {
							t.Errorf("the evidence says that %s is gone from where nobody was", login)
						}
					}
					if f, said := finding(w.planned(), "secret-compromised"); !said || !f.Drift || !slices.Contains(f.Hosts, away.Name) {
						t.Errorf("the plan does not say what is accepted there: %+v", f)
					}
					away.Instance.Down(false)
					time.Sleep(time.Hour)
					w.loginSpec().Tolerate = nil
					if _, o := w.run(); o.Err != nil {
						t.Fatal(o)
					}
					for login, password := range known {
						if now := w.good(login, password); len(now) > 0 {
							t.Errorf("%s with what others know is good on %v", login, now)
						}
					}
					for _, login := range c.out {
						if soaked && login == lab.SQLLogin {
							continue // it was disabled before
						}
						if now := w.gone(login); !slices.Contains(now, away.Name) {
							t.Errorf("the evidence of %s: gone from %v, %+v", login, now, w.evidence("sqllogin").Places)
						}
					}
					p := w.planned()
					if f, said := finding(p, "secret-compromised"); said || p.Changes[0].Status != reconciler.AsDeclared {
						t.Errorf("%s %s, %+v", p.Changes[0].Status, p.Changes[0].Reason, f)
					}
					w.loggedIn("13")
				})
			})
		}
	}
}
