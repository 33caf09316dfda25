package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/reconciler"
)

// Several logins were replaced, and somebody is signed in with one, or with each: each is said, and whoever is idle is disabled after its soak.
func TestSeveralReplacedLoginsInUse(t *testing.T) {
	vendor()
	for _, used := range [][]string{{lab.SQLLogin}, {lab.SQLSpare}, {lab.SQLLogin, lab.SQLSpare}} {
		t.Run(strings.Join(used, " "), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := loginWorld(t, "alternating", 2)
				w.addLogin(third)
				w.addLogin(fourth)
				passwords := map[string]string{lab.SQLLogin: w.lab.SQLPasswords()[lab.SQLLogin]}
				if _, o := w.run(); o.Err != nil {
					t.Fatal(o)
				}
				passwords[lab.SQLSpare] = w.kept("sqllogin", "12")
				w.declare("alternating", "13", third, fourth)
				if _, o := w.run(); o.Err != nil {
					t.Fatal(o)
				}
				var all []*sqlserver.Session
				for _, login := range used {
					x, err := w.lab.SQLInstance().Login(sqlserver.Client{User: login, Password: passwords[login], Host: "REPORTS", Program: "SSRS", Database: lab.Database})
					if err != nil {
						t.Fatal(err)
					}
					all = append(all, x)
				}
				said := func() (who, overlaps []string) {
					c := w.planned().Changes[0]
					for _, f := range c.Findings {
						if f.Code == "old-login-in-use" {
							login, _, _ := strings.Cut(f.Text, " ")
							who = append(who, login)
						}
					}
					for _, o := range c.Overlaps {
						if overlaps = append(overlaps, o.Old); slices.Contains(used, o.Old) != (o.Held != "") {
							t.Errorf("%+v", o)
						}
					}
					return who, overlaps
				}
				if _, overlaps := said(); !slices.Equal(overlaps, []string{lab.SQLLogin, lab.SQLSpare}) {
					t.Errorf("two are accepted still, and the plan says %v", overlaps)
				}
				time.Sleep(9 * 24 * time.Hour)
				w.run()
				for login := range passwords {
					if now := len(w.good(login, passwords[login])) > 0; now != slices.Contains(used, login) {
						t.Errorf("%s signs in: %v", login, now)
					}
				}
				if who, overlaps := said(); !slices.Equal(who, used) || !slices.Equal(overlaps, used) {
					t.Errorf("in use is said of %v, accepted still of %v", who, overlaps)
				}
				for _, x := range all {
					x.Close()
				}
				w.loggedIn("13")
				if p := w.planned(); len(w.off(lab.SQLLogin, lab.SQLSpare)) != 2 || p.Changes[0].Status != reconciler.AsDeclared || len(p.Changes[0].Findings) > 0 {
					t.Errorf("%+v", p.Changes[0])
				}
			})
		})
	}
}
