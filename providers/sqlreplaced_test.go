package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/reconciler"
	"meshrotate/specs"
	"meshrotate/state"
)

// addLogin makes a login that may do what the product's may.
func (w *world) addLogin(name string) {
	var sid []byte
	for _, r := range w.lab.SQLReplicas() {
		r.Instance.SetLogin(name, func(l *sqlserver.Login) {
			if sid != nil {
				l.SID = sid
			}
			sid = l.SID
			l.Password, l.DefaultDatabase = "Some-Thing-1234", lab.Database
		})
	}
	w.lab.SQLInstance().Data().SetUser(lab.Database, name, sid, "db_datareader", "db_datawriter")
}

// off are the logins that are disabled.
func (w *world) off(names ...string) (off []string) {
	for _, name := range names {
		if l, _, ok := w.lab.SQLInstance().LookLogin(name); ok && l.Disabled {
			off = append(off, name)
		}
	}
	return off
}

const third, fourth = "im_app_c", "im_app_d"

// In an emergency the login that others know is the one that is in force, whatever the document declares now: that one is disabled, and
// in the evidence; a login that never served is not.
func TestCompromisedLoginGivenUp(t *testing.T) {
	for _, c := range []struct {
		name, first, mode string
		logins            []string
		off               []string
	}{
		{"another pair", "alternating", "alternating", []string{third, fourth}, []string{lab.SQLLogin, lab.SQLSpare}},
		{"one of the pair given up", "alternating", "alternating", []string{lab.SQLLogin, third}, []string{lab.SQLSpare}},
		{"one login, then another pair", "single", "alternating", []string{lab.SQLSpare, third}, []string{lab.SQLLogin}},
		{"a pair, then a third", "alternating", "single", []string{third}, []string{lab.SQLLogin, lab.SQLSpare}},
		{"a pair, then the other one alone", "alternating", "single", []string{lab.SQLLogin}, []string{lab.SQLSpare}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 0, "sqllogin/"+c.first)
				w.lab.SQLInstance().SetPolicy(sqlserver.Policy{History: -1})
				w.addLogin(third)
				w.addLogin(fourth)
				if _, o := w.run(); o.Err != nil {
					t.Fatal(o)
				}
				time.Sleep(time.Hour)
				w.declare(c.mode, "13", c.logins...)
				if _, o := w.replace("sqllogin", "stolen"); o.Err != nil || len(o.With(state.Proven)) != 1 {
					t.Fatal(o)
				}
				if off := w.off(lab.SQLLogin, lab.SQLSpare, third, fourth); !slices.Equal(off, c.off) {
					t.Errorf("disabled are %v, not %v", off, c.off)
				}
				var places []string
				for _, p := range w.evidence("sqllogin").Places {
					if name, is := strings.CutPrefix(p.Place, "the login "); is {
						name, _, _ = strings.Cut(name, " on ")
						places = append(places, name)
						if p.Became != state.Done {
							t.Errorf("%+v", p)
						}
					}
				}
				if slices.Sort(places); !slices.Equal(places, c.off) {
					t.Errorf("the evidence names %v", places)
				}
				w.loggedIn("13")
				time.Sleep(9 * 24 * time.Hour)
				w.loggedIn("13")
				if off := w.off(lab.SQLLogin, lab.SQLSpare, third, fourth); !slices.Equal(off, c.off) {
					t.Errorf("after the soak %v are disabled, not %v", off, c.off)
				}
			})
		})
	}
}

// After its soak the login that was replaced is disabled, also where the document does not declare it any more; one that never served is not.
func TestReplacedLoginAfterTheSoak(t *testing.T) {
	for _, c := range []struct {
		name, first, mode string
		logins            []string
		off               []string
	}{
		{"another partner", "alternating", "alternating", []string{lab.SQLSpare, third}, []string{lab.SQLLogin}},
		{"another partner for the one that was replaced", "alternating", "alternating", []string{lab.SQLLogin, third}, []string{lab.SQLSpare}},
		{"one alone", "alternating", "single", []string{lab.SQLSpare}, []string{lab.SQLLogin}},
		{"another pair", "alternating", "alternating", []string{third, fourth}, []string{lab.SQLLogin, lab.SQLSpare}},
		{"a spare one for the one that serves", "single", "alternating", []string{lab.SQLLogin, lab.SQLSpare}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 0, "sqllogin/"+c.first)
				w.addLogin(third)
				w.addLogin(fourth)
				if _, o := w.run(); o.Err != nil {
					t.Fatal(o)
				}
				w.declare(c.mode, "12", c.logins...)
				w.loggedIn("12")
				if off := w.off(lab.SQLLogin, lab.SQLSpare, third, fourth); len(off) > 0 {
					t.Errorf("before its soak is over, %v are disabled", off)
				}
				time.Sleep(8 * 24 * time.Hour)
				for range 3 {
					if _, o := w.run(); o.Err != nil {
						t.Fatal(o)
					}
				}
				if off := w.off(lab.SQLLogin, lab.SQLSpare, third, fourth); !slices.Equal(off, c.off) {
					t.Errorf("disabled are %v, not %v", off, c.off)
				}
				w.loggedIn("12")
			})
		})
	}
}

// A login in the strings that nobody has declared may be somebody else's. It is not disabled, and that is said: where others know it,
// until it is seen to be disabled or gone, or to have another password, or somebody has silenced it.
func TestStrangeLoginStays(t *testing.T) {
	for end, ended := range map[string]func(w *world){
		"disabled": func(w *world) {
			w.lab.SQLInstance().SetLogin(lab.SQLLogin, func(l *sqlserver.Login) { l.Disabled = true })
		},
		"gone": func(w *world) { w.lab.SQLInstance().RemoveLogin(lab.SQLLogin) },
		"another password": func(w *world) {
			w.lab.SQLInstance().SetLogin(lab.SQLLogin, func(l *sqlserver.Login) { l.Password = "Other-Thing-1234" })
		},
		"silenced": func(w *world) {
			w.doc.Policy.Silence = []specs.Silence{{Finding: "secret-compromised", Host: w.doc.Connect.SQL.Server, Why: "its owner knows", Until: "2000-12-31"}}
		},
	} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 0, "sqllogin/single")
				w.addLogin(third)
				w.declare("single", "12", third)
				p, o := w.replace("sqllogin", "stolen")
				if o.Err != nil || !slices.ContainsFunc(p.Changes[0].Findings, func(f reconciler.Finding) bool {
					return f.Code == "old-login-stays" && f.Severity == reconciler.Warning
				}) {
					t.Errorf("%v, %+v", o, p.Changes[0].Findings)
				}
				if f, _ := finding(p, "secret-compromised"); !strings.Contains(f.Text, "but the login "+lab.SQLLogin+" on ") {
					t.Errorf("the plan says that nothing accepts it: %s", f.Text)
				}
				if !slices.ContainsFunc(w.evidence("sqllogin").Places, func(p state.Place) bool {
					return strings.HasPrefix(p.Place, "the login "+lab.SQLLogin+" on ") && p.Became != state.Done && p.Became != state.Gone
				}) {
					t.Errorf("the evidence does not say that it has what others know: %+v", w.evidence("sqllogin").Places)
				}
				known := func() bool {
					p := w.planned()
					if len(p.Blocked()) > 0 || !p.Empty() {
						t.Errorf("%+v", p.Changes[0])
					}
					f, said := finding(p, "secret-compromised")
					return said && f.Drift && f.Severity != reconciler.Silenced && strings.Contains(f.Text, lab.SQLLogin) && strings.Contains(f.Hint, "DISABLE")
				}
				time.Sleep(8 * 24 * time.Hour)
				w.loggedIn("12")
				if off := w.off(lab.SQLLogin, third); len(off) > 0 {
					t.Errorf("%v are disabled", off)
				}
				if !known() {
					t.Error("nobody says that it is accepted still")
				}
				w.declare("single", "13", third) // another rotation does not end it
				w.loggedIn("13")
				if !known() {
					t.Error("nobody says that it is accepted still, after another rotation")
				}
				ended(w)
				if known() {
					t.Error("it is said still")
				}
			})
		})
	}
}
