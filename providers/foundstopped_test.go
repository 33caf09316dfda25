package providers_test

import (
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/reconciler/render"
	"meshrotate/state"
)

// What was found stopped, and was started, has an outage of which nobody knows how long it was: that is said, and nothing is
// measured, nor predicted from it.
func TestTheOutageOfWhatWasFoundStopped(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "relaykey", "sqllogin/alternating")
		w.relay(1).Machine.Kill(lab.RelayService)
		w.lab.EngineHost.Machine.Kill(lab.EngineService)
		time.Sleep(time.Minute)
		p, o := w.run()
		if len(o.With(state.Proven)) != 2 || len(o.Down) > 0 {
			t.Fatalf("%v", o)
		}
		for name, measured := range map[string]bool{"relays": true, w.relay(1).Name: false, w.relay(2).Name: true, "Engine": false} {
			for _, e := range o.Secrets {
				for _, x := range e.Outages {
					found := name == "relays" || !measured
					if x.What == name && (x.Found != found || (x.Measured > 0) != measured) {
						t.Errorf("%+v", x)
					}
				}
			}
		}
		var b strings.Builder
		if err := render.Write(&b, render.Style{}, render.OutcomeOf(p, "r", time.Minute, o)); err != nil || strings.Count(b.String(), "found down") != 2 {
			t.Errorf("%v\n%s", err, b.String())
		}
	})
}
