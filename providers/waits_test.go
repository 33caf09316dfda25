package providers_test

import (
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/specs"
	"meshrotate/state"
)

// What is declared of a service is waited for, be it longer than policy.hostTimeout: one command takes as long as what it waits for.
func TestWaitsThatAreLongerThanACommand(t *testing.T) {
	vendor()
	long := func(d *specs.Duration, text string) {
		if err := d.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for name, set := range map[string]func(*world){
		"Admin's stable":  func(w *world) { long(&w.doc.Product.Admin.Stable, "40s") },
		"relays' stable":  func(w *world) { long(&w.doc.Product.Relay.Stable, "40s") },
		"a stop":          func(w *world) { w.takes(func(s *machine.Timing) { s.Stop = 40 * time.Second }) },
		"a start":         func(w *world) { w.takes(func(s *machine.Timing) { s.Start = 40 * time.Second }) },
		"a stop, a start": func(w *world) { w.takes(func(s *machine.Timing) { s.Stop, s.Start = 25*time.Second, 25*time.Second }) },
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, "relaykey")
				long(&w.doc.Policy.HostTimeout, "10s")
				set(w)
				_, o := w.run()
				if o.Err != nil || len(o.With(state.Proven)) != 1 || len(o.Left) > 0 {
					t.Errorf("%v", o)
				}
			})
		})
	}
}

// takes lets services take longer.
func (w *world) takes(change func(*machine.Timing)) {
	for _, h := range []*lab.Host{w.lab.Admin, w.relay(1)} {
		if err := h.Machine.Change(serviceOf(h), func(s *machine.Service) { change(&s.Timing) }); err != nil {
			w.t.Fatal(err)
		}
	}
}

// A run that finishes a rotation proves of the processes that an earlier one restarted what that one would have proven.
func TestProcessesOfARotationThatIsFinishedLater(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey")
		w.killed(w.relay(2), "service.start", machine.After)
		w.relay(2).Points(nil)
		time.Sleep(10 * time.Minute)
		p, o := w.run()
		if o.Err != nil || len(o.With(state.Proven)) != 1 {
			t.Errorf("%v", o)
		}
		for _, want := range []string{"in force on Admin and 2 relays", "a process younger than its appsettings.json on Admin and 2 relays"} {
			if !strings.Contains(p.Changes[0].Proof, want) {
				t.Errorf("%s: %s", want, p.Changes[0].Proof)
			}
		}
	})
}
