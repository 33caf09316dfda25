package providers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/specs"
	"meshrotate/state"
)

// Somebody else changes the login, in an emergency, and has not done so on a replica that is tolerated: it is left for what it is, which is
// not that it cannot be reached; the old password is not said to be gone there, whatever runs meanwhile, until the new one is accepted.
func TestEmergencyWithAnInstanceThatIsToleratedUnchanged(t *testing.T) {
	vendor()
	for _, down := range []bool{false, true} {
		t.Run(fmt.Sprint("down ", down), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := loginWorld(t, "external", 3)
				old, next, stale := w.lab.SQLPasswords()[lab.SQLLogin], "Changed-Elsewhere-13", w.lab.SQLReplicas()[2]
				w.keep("13", next)
				w.declare("external", "13", lab.SQLLogin)
				w.loginSpec().From = specs.Source{Generated: true} // the value is kept, and is asked of nobody
				w.login(lab.SQLLogin, func(l *sqlserver.Login) { l.Password = next })
				stale.Instance.SetLogin(lab.SQLLogin, func(l *sqlserver.Login) { l.Password = old })
				stale.Instance.Down(down)
				w.loginSpec().Tolerate = []string{stale.Name}
				_, o := w.replace("sqllogin", "posted")
				n := slices.IndexFunc(o.Left, func(l reconciler.LeftBehind) bool { return l.Target == site.SQL(stale.Name) })
				if o.Err != nil || n < 0 {
					t.Fatalf("%v, left %+v", o, o.Left)
				}
				if why := o.Left[n].Why.Error(); strings.Contains(why, "not reachable") != down || !down && !strings.Contains(why, "not accepted for im_app there") {
					t.Errorf("left: %s", why)
				}
				stale.Instance.Down(false)
				w.loginSpec().Tolerate = nil
				for range 3 {
					time.Sleep(2 * time.Hour)
					if f, said := finding(w.planned(), "secret-compromised"); !said || !f.Drift || !slices.Contains(f.Hosts, stale.Name) || !strings.Contains(f.Hint, "change the login there") {
						t.Errorf("not said to be accepted there: %+v", f)
					}
					if slices.Contains(w.gone(lab.SQLLogin), stale.Name) {
						t.Errorf("the evidence says that it is gone: %+v", w.evidence("sqllogin").Places)
					}
					w.run()
				}
				stale.Instance.SetLogin(lab.SQLLogin, func(l *sqlserver.Login) { l.Password = next })
				time.Sleep(2 * time.Hour)
				p, _ := w.run()
				if f, said := finding(p, "secret-compromised"); said {
					t.Errorf("it was changed there: %+v", f)
				}
				if !slices.Contains(w.gone(lab.SQLLogin), stale.Name) {
					t.Errorf("%+v", w.evidence("sqllogin").Places)
				}
			})
		})
	}
}

// Somebody else brings another login, and a replica is away: what others know is the one that was in force, there as elsewhere.
func TestEmergencyWithAnotherLoginElsewhere(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := loginWorld(t, "external", 3)
		away := w.lab.SQLReplicas()[2]
		away.Instance.Down(true)
		w.loginSpec().Tolerate = []string{away.Name}
		if _, o := w.replace("sqllogin", "posted"); o.Err != nil {
			t.Fatal(o)
		}
		stays := map[string]bool{}
		for _, p := range w.evidence("sqllogin").Places {
			login, on, is := strings.Cut(strings.TrimPrefix(p.Place, "the login "), " on ")
			switch {
			case is && login == lab.SQLSpare:
				t.Errorf("nobody knows its password: %+v", p)
			case is && p.Became == state.Untouched:
				stays[on] = true
			}
		}
		for _, r := range w.lab.SQLReplicas() {
			if !stays[r.Name] {
				t.Errorf("the evidence does not say that it stays on %s: %+v", r.Name, w.evidence("sqllogin").Places)
			}
		}
	})
}
