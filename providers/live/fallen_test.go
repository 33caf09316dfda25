package live_test

import (
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/live"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// The last look at what is down asks again when its shell has ended meanwhile, or an answer was lost: what somebody has started
// is not named as down. It does not ask for longer than some seconds.
func TestTheLastLookAsksAgain(t *testing.T) {
	for name, c := range map[string]struct {
		weather func(h *lab.Host)
		missing bool
	}{
		"its process has ended": {weather: func(h *lab.Host) {
			h.Points(machine.Faults(machine.Fault{Op: "service.query", Times: 1, Action: machine.Action{End: machine.EndCrash}}))
		}},
		"a cut answer":   {weather: cutOnce},
		"a proxy's 502":  {weather: func(h *lab.Host) { struck(h, 2, wsman.Fault{Kind: wsman.Status, Status: 502}) }},
		"away for 1 min": {weather: func(h *lab.Host) { away(h, time.Minute)() }, missing: true},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				l := labOf(t, 1)
				h := l.Relays[0]
				s := siteOf(t, live.Config{}, l)
				s.Look(t.Context(), []reconciler.Read{site.Machine{Host: h.Name}}, func(reconciler.Event) {})
				c.weather(h)
				began := time.Now()
				r := s.Running(t.Context(), []reconciler.Down{{What: h.Name, Service: lab.RelayService, Target: site.Host(h.Name)}})
				if _, runs := r.Started[h.Name]; runs == c.missing || len(r.Missing) != 0 != c.missing || time.Since(began) > 5*time.Second {
					t.Errorf("after %s: %+v", time.Since(began), r)
				}
			})
		})
	}
}
