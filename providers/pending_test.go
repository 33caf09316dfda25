package providers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// Somebody, or the service manager, starts a service between its stop and its start: before the file is replaced, or after. It
// is stopped and started once more, and that is said; it never goes on with what it had read.
func TestSomebodyStartsAServiceMeanwhile(t *testing.T) {
	vendor()
	for _, host := range []string{"im-admin", "im-engine", "relay-01"} {
		for _, moment := range []string{"service.stop", "file.swap"} {
			t.Run(host+" "+moment, func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := newWorld(t, 2)
					h, began := w.lab.Host(host), false
					h.Points(func(p machine.Point) machine.Action {
						if p.Op == moment && p.When == machine.After && !w.marks(p) && !began {
							began = h.Machine.Start(serviceOf(h)) == nil
						}
						return machine.Action{}
					})
					s := w.process()
					_, o := s.apply(nil)
					s.close()
					if !began {
						t.Fatal("nobody started it")
					}
					if o.Err != nil || len(o.Left) > 0 || len(o.Down) > 0 || len(o.With(state.Proven)) != 2 {
						t.Errorf("%v", o)
					}
					if len(o.Remarks) != 1 || o.Remarks[0].Target.Name != h.Name || !strings.Contains(o.Remarks[0].Text, "somebody had started "+serviceOf(h)) {
						t.Errorf("nobody was told: %v", o.Remarks)
					}
					if err := w.together(); err != nil {
						t.Error(err)
					}
					w.converged()
				})
			})
		}
	}
}

// A service takes longer to stop than it is given. It is waited for, or it is named; the others come up, and the next run
// finishes.
func TestAStopThatDoesNotEnd(t *testing.T) {
	vendor()
	for _, host := range []string{"im-admin", "im-engine", "relay-01"} {
		for _, takes := range []time.Duration{100 * time.Second, 15 * time.Minute} {
			t.Run(fmt.Sprint(host, takes), func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := newWorld(t, 2)
					h := w.lab.Host(host)
					service := serviceOf(h)
					if err := h.Machine.Change(service, func(s *machine.Service) { s.Timing.Stop = takes }); err != nil {
						t.Fatal(err)
					}
					began := time.Now()
					_, o := w.run()
					t.Logf("%s: %v", time.Since(began), o)
					s := h.Machine.Service(service)
					named := slices.ContainsFunc(o.Down, func(d reconciler.Down) bool { return d.Target.Name == h.Name })
					if (s.State != "running") != named {
						t.Errorf("it is %s; said to be down: %v", s.State, o.Down)
					}
					if o.Err != nil {
						says(t, o.Err, "stopPending")
					}
					for _, l := range o.Left {
						if l.Target.Name == h.Name {
							says(t, l.Why, "stopPending")
						} else {
							says(t, l.Why, "before its turn came")
						}
					}
					for _, other := range w.lab.Hosts() {
						for _, s := range []string{lab.AdminService, lab.EngineService, lab.RelayService} {
							if x := other.Machine.Service(s); other != h && x.Installed && x.State != "running" {
								t.Errorf("%s is %s on %s", s, x.State, other.Name)
							}
						}
					}
					time.Sleep(takes)
					if err := h.Machine.Change(service, func(s *machine.Service) { s.Timing.Stop = 0 }); err != nil {
						t.Fatal(err)
					}
					w.converged()
				})
			})
		}
	}
}
