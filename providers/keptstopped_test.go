package providers_test

import (
	"slices"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
)

// Somebody stops a relay before the run comes to it, and again whenever it starts: it ran at the look, and is down at the end.
func TestARelayThatSomebodyKeepsStopped(t *testing.T) {
	vendor()
	for i, kinds := range [][]string{{"relaykey"}, {"relaykey", "license", "codesigning"}, {"relaykey"}} {
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 3, kinds...)
			h := w.relay(1)
			stop := func() {
				_ = h.Machine.Stop(lab.RelayService)
				h.Machine.Await(lab.RelayService, "stopped", time.Minute)
			}
			when(w.lab.Admin, "service.start", machine.After, stop)
			when(h, "service.start", machine.After, func() {
				if i < 2 {
					stop()
				} else {
					_ = h.Machine.Stop(lab.RelayService) // it is asked to, and has not yet
				}
			})
			began := time.Now()
			_, o := w.run()
			i := slices.IndexFunc(o.Down, func(d reconciler.Down) bool { return d.What == h.Name })
			if i < 0 || o.Down[i].Since.Before(began) {
				t.Fatalf("%v: %+v", kinds, o)
			}
			s := w.process()
			if all := s.look().Plan.StillDown(); !slices.ContainsFunc(all, func(d reconciler.Down) bool { return d.What == h.Name }) {
				t.Errorf("%v: %+v", kinds, all)
			}
			s.close()
			h.Points(nil)
			w.lab.Admin.Points(nil)
			if _, o := w.run(); o.Err != nil || len(o.Down) > 0 {
				t.Errorf("%v: %v", kinds, o)
			}
		})
	}
}
