package providers_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/state"
)

// A login that a run has brought into the strings, and that was killed before its proof, is no stranger's: whatever is declared then, it
// is replaced, and disabled after its soak; at once where others know it.
func TestLoginThatAKilledRunBrought(t *testing.T) {
	vendor()
	for _, c := range []struct {
		first, mode string
		logins      []string
		twice       bool // another run, with another login, was killed as well
		emergency   bool
	}{
		{"alternating", "single", []string{lab.SQLLogin}, false, false},
		{"alternating", "alternating", []string{third, fourth}, false, false},
		{"alternating", "alternating", []string{third, fourth}, true, false},
		{"alternating", "single", []string{lab.SQLLogin}, false, true},
		{"alternating", "single", []string{third}, true, true},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 0, "sqllogin/"+c.first)
				w.addLogin(third)
				w.addLogin(fourth)
				w.killed(w.lab.EngineHost, "file.swap", machine.After)
				w.lab.EngineHost.Points(nil)
				time.Sleep(10 * time.Minute)
				version := "13"
				if c.twice {
					w.declare(c.mode, version, c.logins...)
					w.killed(w.lab.EngineHost, "file.stage", machine.After)
					w.lab.EngineHost.Points(nil)
					time.Sleep(10 * time.Minute)
					version = "14"
				}
				w.declare(c.mode, version, c.logins...)
				if c.emergency {
					if p, o := w.replace("sqllogin", "seen"); o.Err != nil || len(o.With(state.Proven)) != 1 {
						t.Fatalf("%v, %+v", o, p.Changes[0].Findings)
					}
				} else {
					p, _ := w.run()
					if f, said := finding(p, "old-login-stays"); said {
						t.Errorf("%+v", f)
					}
					w.loggedIn(version)
					time.Sleep(8 * 24 * time.Hour)
					w.run()
				}
				if off := w.off(lab.SQLSpare); !slices.Equal(off, []string{lab.SQLSpare}) {
					t.Error("it is enabled still")
				}
				if off := w.off(third, fourth); len(off) > 0 && !c.twice {
					t.Errorf("%v are disabled", off)
				}
				w.loggedIn(version)
			})
		})
	}
}
