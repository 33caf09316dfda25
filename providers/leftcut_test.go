package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
)

// A relay that was restarted and does not connect, and one whose host says nothing from before its stop on: neither works, and both are
// in what is down, though nobody has seen them stopped.
func TestARelayThatDoesNotWorkIsInWhatIsDown(t *testing.T) {
	vendor()
	for name, weather := range map[string]func(w *world){
		"it does not connect": func(w *world) { _, _ = w.lab.Break("cut", w.relay(2).Name) },
		"its answer is lost before its stop": func(w *world) {
			w.relay(2).Points(func(p machine.Point) (a machine.Action) {
				if p.Op == "service.stop" && p.When == machine.Before {
					a.End = machine.EndCrash
				}
				return a
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 3, "relaykey")
				w.doc.Policy.Unreachable.Count = 1
				weather(w)
				began := time.Now()
				_, o := w.run()
				i := slices.IndexFunc(o.Down, func(d reconciler.Down) bool { return d.Target.Name == w.relay(2).Name })
				if i < 0 || o.Down[i].Since.Before(began) || len(o.Left) != 1 {
					t.Errorf("down %+v, left %v: %v", o.Down, o.Left, o)
				}
			})
		})
	}
}

// What was found stopped is in the plan also where there is more to do than to start it.
func TestWhatWasFoundStoppedIsInThePlan(t *testing.T) {
	for _, kinds := range [][]string{{"license"}, {"sqllogin/alternating"}, {"license", "relaykey"}} {
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 1, kinds...)
			if _, err := w.lab.Break("stop", "im-engine"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if c := w.planned().Changes; !slices.ContainsFunc(c, func(c reconciler.Change) bool { return strings.Contains(c.Reason, "Engine is not running") }) {
				t.Errorf("%v: %s", kinds, c[0].Reason)
			}
		})
	}
}
