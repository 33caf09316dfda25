package providers_test

import (
	"testing"
	"time"

	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// A relay that is left behind is cut off from Admin's stop until a later run finishes it, whenever it went away.
func TestWhoIsLeftBehindIsCutOff(t *testing.T) {
	for name, leave := range map[string]func(w *world){
		"before the run":         func(w *world) { w.relay(2).Unplug(true) },
		"when Admin has started": func(w *world) { when(w.lab.Admin, "service.start", machine.After, func() { w.relay(2).Unplug(true) }) },
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 3, "relaykey")
				w.doc.Policy.Unreachable.Count = 1
				leave(w)
				cutOff := func(o reconciler.Outcome) (x state.Outage) {
					for _, e := range o.Secrets {
						for _, x = range e.Outages {
							if x.What == "relays cut off" {
								return x
							}
						}
					}
					return state.Outage{}
				}
				_, o := w.run()
				if x := cutOff(o); x.Since.IsZero() || len(o.Left) != 1 {
					t.Errorf("it is cut off, and the run says %+v: %v", x, o)
				}
				time.Sleep(time.Hour)
				w.relay(2).Unplug(false)
				_, o = w.run()
				if x := cutOff(o); x.Measured < 3600 || !x.Earlier || !x.Since.IsZero() {
					t.Errorf("it was cut off for an hour, and the next run says %+v: %v", x, o)
				}
			})
		})
	}
}
