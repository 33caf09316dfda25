package providers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/rotations/sqllogin"
	"meshrotate/reconciler"
)

// windowsSignsIn is what a person does: both strings by hand, and the document.
func (w *world) windowsSignsIn(t *testing.T) {
	t.Helper()
	for _, h := range []*lab.Host{w.lab.Admin, w.lab.EngineHost} {
		write(t, h, h.Settings(), func(b []byte) []byte {
			s := string(b)
			i := strings.Index(s, "User ID=")
			j := strings.Index(s[i:], "Encrypt")
			return []byte(s[:i] + "Integrated Security=True;" + s[i+j:])
		})
		w.restarted(h)
	}
	w.doc.Secrets["sqlLogin"] = &sqllogin.Spec{Mode: "integrated", Settings: w.loginSpec().Settings, Retire: w.loginSpec().Retire}
}

// stay are the logins of which a plan says that they stay.
func stay(p *reconciler.Plan) (who []string) {
	for _, f := range p.Changes[0].Findings {
		if f.Code == "old-login-stays" {
			login, _, _ := strings.Cut(f.Text, " ")
			who = append(who, login)
		}
	}
	return who
}

// Windows signs in, where a login did before: no run ends the logins that were in the strings, and the plan says so until they are disabled,
// or dropped. What others know is said besides, also of a replica that was away.
func TestLoginsThatStayWhenWindowsSignsIn(t *testing.T) {
	vendor()
	for _, c := range []struct {
		mode                 string
		emergency, contained bool
		stay                 []string
	}{
		{"alternating", false, false, []string{lab.SQLLogin, lab.SQLSpare}},
		{"alternating", true, false, []string{lab.SQLLogin, lab.SQLSpare}},
		{"alternating", false, true, []string{lab.SQLLogin, lab.SQLSpare}},
		{"single", false, false, []string{lab.SQLLogin}},
		{"single", true, false, []string{lab.SQLLogin}},
		{"external", false, false, []string{lab.SQLSpare}}, // the one before that no run has brought there
	} {
		t.Run(fmt.Sprint(c.mode, c.emergency, c.contained), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Relays: 0, Memory: true, Login: c.mode, Replicas: 2, Contained: c.contained}, "sqllogin")
				replica := w.lab.SQLReplicas()[1]
				run := w.run
				if c.emergency {
					replica.Instance.Down(true)
					w.loginSpec().Tolerate = []string{replica.Name}
					run = func() (*reconciler.Plan, reconciler.Outcome) { return w.replace("sqllogin", "posted") }
				}
				if _, o := run(); o.Err != nil {
					t.Fatal(o)
				}
				w.windowsSignsIn(t)
				replica.Instance.Down(false)
				for range 2 {
					time.Sleep(9 * 24 * time.Hour)
					p, _ := w.run()
					if who := stay(p); p.Changes[0].Status != reconciler.AsDeclared || !slices.Equal(who, c.stay) {
						t.Errorf("%s, and %v stay: %+v", p.Changes[0].Status, who, p.Changes[0].Findings)
					}
					if f, said := finding(p, "secret-compromised"); said != c.emergency || said && (!f.Drift || !slices.Contains(f.Hosts, replica.Name) || !strings.Contains(f.Hint, "DISABLE there")) {
						t.Errorf("%v %+v", said, f)
					}
					if c.emergency && slices.Contains(w.gone(lab.SQLLogin), replica.Name) {
						t.Errorf("%+v", w.evidence("sqllogin").Places)
					}
				}
				for _, r := range w.lab.SQLReplicas() { // one that is away may have them still
					r.Instance.Down(true)
				}
				if p := w.planned(); p.Changes[0].Status != reconciler.AsDeclared || !slices.Equal(stay(p), c.stay) {
					t.Errorf("%s, %v: %+v", p.Changes[0].Status, stay(p), p.Changes[0].Findings)
				}
				for _, r := range w.lab.SQLReplicas() {
					r.Instance.Down(false)
					for _, login := range c.stay {
						if !c.contained {
							r.Instance.SetLogin(login, func(l *sqlserver.Login) { l.Disabled = true })
						}
					}
				}
				if c.contained {
					w.lab.SQLInstance().Data().SetDatabase(lab.Database, func(d *sqlserver.Database) {
						d.Users = slices.DeleteFunc(d.Users, func(u *sqlserver.User) bool { return slices.Contains(c.stay, u.Name) })
					})
				}
				time.Sleep(time.Hour)
				w.run()
				if p := w.planned(); len(p.Changes[0].Findings) > 0 {
					t.Errorf("they are ended, and still: %+v", p.Changes[0].Findings)
				}
				if c.emergency && !slices.Contains(w.gone(lab.SQLLogin), replica.Name) {
					t.Errorf("%+v", w.evidence("sqllogin").Places)
				}
			})
		})
	}
}

// Somebody else changes what is declared, after a pair: the login of the pair that was replaced stays, and nobody says that a run disables it.
func TestLoginsThatStayWithModeExternal(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := loginWorld(t, "alternating", 2)
		if _, o := w.run(); o.Err != nil {
			t.Fatal(o)
		}
		w.declare("external", "12", lab.SQLSpare)
		w.loginSpec().From.Generated = true
		for range 2 {
			p, o := w.run()
			if o.Err != nil || !slices.Equal(stay(p), []string{lab.SQLLogin}) || strings.Contains(p.Changes[0].Reason, "is to be disabled") || len(p.Changes[0].Overlaps) > 0 {
				t.Errorf("%v %s: %+v", o, p.Changes[0].Reason, p.Changes[0].Findings)
			}
			time.Sleep(9 * 24 * time.Hour)
		}
		w.login(lab.SQLLogin, func(l *sqlserver.Login) { l.Disabled = true })
		if p := w.planned(); len(stay(p)) > 0 {
			t.Errorf("%+v", p.Changes[0].Findings)
		}
	})
}
