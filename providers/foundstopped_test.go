package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
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

// A service that does not run because somebody else is at it is down: whatever state that is called, and also where nothing is done
// about it. One that is starting may run in a moment.
func TestWhatIsOnItsWayIsFoundDown(t *testing.T) {
	vendor()
	for _, host := range []string{"im-admin", "im-engine", "relay-01"} {
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 2, "license", "relaykey")
			h := w.lab.Host(host)
			if err := h.Machine.Change(serviceOf(h), func(s *machine.Service) { s.Timing.Stop = time.Hour }); err != nil {
				t.Fatal(err)
			}
			if err := h.Machine.Stop(serviceOf(h)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			w.relay(2).Unplug(true) // the relay key is refused
			p, o := w.run()
			r := render.OutcomeOf(p, "", 0, o)
			if len(p.Blocked()) == 0 || len(r.Down) != 1 || r.Down[0].Host != h.Name || r.Down[0].Unsure || !r.Changed() || !strings.Contains(r.Down[0].Why, "found stopPending") {
				t.Errorf("%s: %+v", host, r)
			}
			if what := r.Down[0].What; !slices.ContainsFunc(p.Changes, func(c reconciler.Change) bool { return strings.Contains(c.Reason, what+" is not running") }) {
				t.Errorf("%s: the plan does not say it", host)
			}
			w.relay(2).Unplug(false)
			time.Sleep(10 * time.Minute)
			p, o = w.run()
			for _, x := range outagesOf(o, p.AllDown()[0].What) {
				if !x.Found {
					t.Errorf("%s: since when it was down is not known: %+v", host, x)
				}
			}
			if r = render.OutcomeOf(p, "r", 0, o); len(r.Down) != 1 || r.Down[0].Host != h.Name || !r.Changed() {
				t.Errorf("%s: %+v", host, r)
			}
			time.Sleep(time.Hour)
			if err := h.Machine.Change(serviceOf(h), func(s *machine.Service) { s.Timing.Stop = 0 }); err != nil {
				t.Fatal(err)
			}
			w.quietly()
		})
	}
}
