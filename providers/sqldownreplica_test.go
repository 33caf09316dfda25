package providers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// A run was killed and has left services down whose string works: in the files is the old one, or the new one. They come up with the next
// run, though a replica refuses the password, or cannot be reached: nobody is connected to that. It is finished once the replica is mended.
func TestServicesComeUpWhateverAReplicaDoes(t *testing.T) {
	vendor()
	for _, mode := range []string{"alternating", "single", "external"} {
		for _, killed := range []string{"service.stop", "service.start"} {
			for _, how := range []string{"refuses", "away"} {
				for _, replicas := range []int{2, 3} {
					if mode == "external" && how == "refuses" || how == "away" && killed == "service.stop" {
						continue // nobody alters it; a rotation that is not begun waits for all
					}
					t.Run(fmt.Sprint(mode, " killed at ", killed, ", ", how, replicas), func(t *testing.T) {
						t.Parallel()
						virtual(t, func(t *testing.T) {
							w := loginWorld(t, mode, replicas)
							w.killed(w.lab.Admin, killed, map[string]machine.When{"service.stop": machine.After, "service.start": machine.Before}[killed])
							w.lab.Admin.Points(nil)
							time.Sleep(10 * time.Minute)
							if w.up() == nil {
								t.Fatal("nothing is down")
							}
							replica := w.lab.SQLReplicas()[replicas-1]
							if how == "away" {
								replica.Instance.Down(true)
							} else {
								replica.Instance.SetPolicy(sqlserver.Policy{Length: 99})
							}
							p, o := w.run()
							w.await("every service runs", func() bool { return w.up() == nil })
							if how == "away" {
								if f, said := finding(p, "replica-unreachable"); !said || f.Severity != reconciler.Warning {
									t.Errorf("%+v", p.Changes[0].Findings)
								}
								n := slices.IndexFunc(o.Left, func(l reconciler.LeftBehind) bool { return l.Target == site.SQL(replica.Name) })
								proven := mode != "single" // there, before the run was killed
								if o.Err != nil || (n < 0) != proven || !proven && !strings.Contains(o.Left[n].Why.Error(), "did not wait") {
									t.Errorf("%v, left %+v", o, o.Left)
								}
								if again := w.planned(); len(again.Blocked()) == 0 {
									t.Error("the replica that is away is forgotten")
								}
							} else if o.Err == nil {
								t.Errorf("the replica is not said to have failed: %v", o)
							}
							time.Sleep(time.Hour)
							admin := stops(w.lab.Admin)
							if how == "refuses" {
								if _, o := w.run(); o.Err == nil {
									t.Errorf("%v", o)
								}
								if err := w.up(); err != nil || killed == "service.start" && admin.Load() > 0 {
									t.Errorf("%v, Admin was stopped %d times", err, admin.Load())
								}
							}
							replica.Instance.Down(false)
							replica.Instance.SetPolicy(sqlserver.Policy{History: -1})
							w.loggedIn("12")
							if login := w.loginSpec().Login; mode == "alternating" && !w.passwords(lab.SQLSpare, "12") || mode == "single" && !w.passwords(login, "12") {
								t.Error("the replica has another password")
							}
						})
					})
				}
			}
		}
	}
}
