package providers_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler/render"
)

// What was stopped because it depends on a service is down with it, and told so: at the end of the run, and by the next plan.
func TestWhatIsDownWithAService(t *testing.T) {
	refuses := func(h *lab.Host) {
		h.Points(func(p machine.Point) (a machine.Action) {
			if p.Op == "service.start" && p.When == machine.Before {
				a.Fail = machine.ErrStartTimeout
			}
			return a
		})
	}
	dies := func(h *lab.Host) {
		h.Points(func(p machine.Point) (a machine.Action) {
			if p.Op == "service.stop" && p.When == machine.After {
				h.Unplug(true)
				a.End = machine.EndCrash
			}
			return a
		})
	}
	for name, trouble := range map[string]func(*lab.Host){"its start is refused": refuses, "its host goes away": dies} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2)
				h := w.relay(2)
				w.depends(h)
				trouble(h)
				p, o := w.run()
				r := render.OutcomeOf(p, "", 0, o)
				if len(r.Down) != 1 || !slices.Equal(r.Down[0].With, []string{lab.WatchService}) {
					t.Fatalf("%+v", r.Down)
				}
				var b bytes.Buffer
				if err := render.Write(&b, render.Style{}, r); err != nil || !strings.Contains(b.String(), lab.WatchService) {
					t.Errorf("%v: %s", err, &b)
				}
				h.Points(nil)
				h.Unplug(false)
				s := w.process()
				defer s.close()
				if f := stillDown(s.look().Plan, h.Name); !strings.Contains(f.Text, "with it is down what depends on it: "+lab.WatchService) {
					t.Errorf("%+v", f)
				}
			})
		})
	}
}
