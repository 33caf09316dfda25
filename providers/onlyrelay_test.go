package providers_test

import (
	"slices"
	"testing"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// The only relay is left behind while Admin is found stopped: it is cut off, and since that run at the latest.
func TestTheOnlyRelayIsLeftBehind(t *testing.T) {
	for name, stopped := range map[string]bool{"Admin ran": false, "Admin was found stopped": true} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 1, "relaykey")
				w.doc.Policy.Unreachable.Count = 1
				w.do("unplug", "relay-01")
				if stopped {
					w.do("stop", "im-admin")
					time.Sleep(time.Minute)
				}
				if _, o := w.run(); len(o.With(state.Proven)) != 1 || len(o.Left) != 1 {
					t.Fatalf("%v", o)
				}
				time.Sleep(time.Minute)
				p, _ := w.run()
				cut := slices.DeleteFunc(p.AllDown(), func(d reconciler.Down) bool { return !d.CutOff })
				if len(cut) != 1 || cut[0].What != w.relay(1).Name || cut[0].Since.IsZero() || cut[0].Sooner != stopped {
					t.Errorf("%+v", cut)
				}
			})
		})
	}
}
