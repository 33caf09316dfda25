package providers_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/lab/wsman"
	"meshrotate/specs"
	"meshrotate/state"
)

// declare is the next commit: another mode, another pair, another version.
func (w *world) declare(mode, version string, logins ...string) {
	next := *w.loginSpec()
	next.Mode, next.Version, next.Logins, next.Login = mode, specs.Version(version), nil, ""
	if mode == "alternating" {
		next.Logins = logins
	} else {
		next.Login = logins[0]
	}
	next.Soak, next.Retire = specs.MustDuration("7d"), "disable"
	w.doc.Secrets["sqlLogin"] = &next
}

// killedAtAlter is a run that dies when it sends the new password: the server has carried it out, or has not.
func (w *world) killedAtAlter(kind wsman.Kind) {
	w.t.Helper()
	s := w.process()
	defer s.close()
	var dead atomic.Bool
	s.State.Ledger = mortal{w.state.Ledger, &dead}
	w.lab.WireSQL(func(e wsman.Event) (f wsman.Fault) {
		switch {
		case dead.Load():
			f.Kind = wsman.Refuse
		case strings.Contains(e.CommandLine, "ALTER LOGIN"):
			dead.Store(true)
			f.Kind = kind
			go w.kill()
		}
		return f
	})
	s.apply(nil)
	w.lab.WireSQL(nil)
	if !dead.Load() {
		w.t.Fatal("the run never came to the password")
	}
}

// A run in mode single was cut off at its ALTER, and the next commit lets two logins take turns. The one that the files name is not
// changed as if it were idle; and where a file cannot be swapped, no service is started on a string that does not sign in.
func TestSingleCutOffThenAlternating(t *testing.T) {
	for _, c := range []struct {
		kind wsman.Kind
		up   bool
		ends state.Outcome
	}{{wsman.CutBefore, false, state.Back}, {wsman.CutBefore, true, state.Back}, {wsman.CutAfter, false, state.Ahead}, {wsman.CutAfter, true, state.Ahead}} {
		for _, version := range []string{"12", "13"} {
			t.Run(fmt.Sprintf("%v up %v then %s", c.kind, c.up, version), func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := newWorld(t, 0, "sqllogin/single")
					w.lab.SQLInstance().SetPolicy(sqlserver.Policy{Attempts: 10})
					w.killedAtAlter(c.kind)
					if c.up {
						for h, service := range map[*lab.Host]string{w.lab.Admin: lab.AdminService, w.lab.EngineHost: lab.EngineService} {
							_ = h.Machine.Start(service)
						}
					}
					time.Sleep(6 * time.Minute)
					w.declare("alternating", version, lab.SQLLogin, lab.SQLSpare)
					was, _, _ := w.lab.SQLInstance().LookLogin(lab.SQLLogin)
					var held atomic.Bool
					w.lab.EngineHost.Points(func(p machine.Point) machine.Action {
						if p.Op == "file.swap" && p.When == machine.Before && !w.marks(p) && held.CompareAndSwap(false, true) {
							w.do("hold", "im-engine")
						}
						return machine.Action{}
					})
					_, o := w.run()
					if !held.Load() || len(o.With(c.ends)) != 1 {
						t.Fatalf("held %v, not %s: %v", held.Load(), c.ends, o)
					}
					if l, _, _ := w.lab.SQLInstance().LookLogin(lab.SQLLogin); l.Password != was.Password {
						t.Error("the password of the login in the files was changed")
					}
					time.Sleep(20 * time.Minute)
					if !c.up || c.kind == wsman.CutBefore { // else somebody's services run on the dead string, and lock it out
						if err := w.noLockout(); err != nil {
							t.Error(err)
						}
					}
					w.lab.EngineHost.Points(nil)
					w.do("release", "im-engine")
					w.loggedIn(version)
				})
			})
		}
	}
}

// A version was cut off, the next one was proven, and the commit was taken back: what is replaced is the one that is live.
func TestBackToAVersionThatWasCutOff(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 0, "sqllogin/alternating")
		w.lab.SQLInstance().SetPolicy(sqlserver.Policy{History: -1})
		w.killedAtAlter(wsman.CutBefore)
		time.Sleep(10 * time.Minute)
		w.declare("alternating", "13", lab.SQLLogin, lab.SQLSpare)
		w.loggedIn("13")
		w.declare("alternating", "12", lab.SQLLogin, lab.SQLSpare)
		p, o := w.run()
		if o.Err != nil || p.Changes[0].Before != "13" {
			t.Errorf("before it was %q: %v", p.Changes[0].Before, o)
		}
		w.loggedIn("12")
	})
}
