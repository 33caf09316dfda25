package providers_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/state"
)

// A host restarts in the switch, once its service is stopped, and starts that itself: the outage ends when it is seen to work, though
// no run has started it.
func TestAHostRestartsInTheSwitch(t *testing.T) {
	vendor()
	for name, of := range map[string]func(w *world) *lab.Host{
		"engine": func(w *world) *lab.Host { return w.lab.EngineHost },
		"admin":  func(w *world) *lab.Host { return w.lab.Admin },
		"relay":  func(w *world) *lab.Host { return w.relay(1) },
	} {
		for _, at := range []struct {
			op    string
			when  machine.When
			after time.Duration
		}{{"service.stop", machine.Before, 0}, {"service.stop", machine.After, 0}, {"service.stop", machine.After, 100 * time.Millisecond}, {"service.stop", machine.After, 2 * time.Second}, {"service.stop", machine.After, 600 * time.Millisecond}, {"service.start", machine.After, time.Second}, {"service.start", machine.Before, 0}, {"service.start", machine.After, 0}} {
			t.Run(fmt.Sprintf("%s %s %s %s", name, at.when, at.op, at.after), func(t *testing.T) {
				virtual(t, func(t *testing.T) {
					w := newWorld(t, 2, "license", "relaykey", "sqllogin/alternating", "serviceaccount")
					h := of(w)
					var once atomic.Bool
					h.Points(func(p machine.Point) machine.Action {
						if p.Op == at.op && p.When == at.when && once.CompareAndSwap(false, true) {
							time.AfterFunc(at.after, func() { h.Reboot(25 * time.Second) })
						}
						return machine.Action{}
					})
					if h != w.relay(2) {
						w.relay(2).Points(func(p machine.Point) machine.Action {
							if p.Op == "service.stop" && p.When == machine.Before {
								return machine.Action{Delay: 50 * time.Second}
							}
							return machine.Action{}
						})
					}
					_, o := w.run()
					if !once.Load() {
						t.Fatal("it never restarted")
					}
					if restarted := at.after > time.Second || at.op == "service.start"; !restarted && (len(o.With(state.Proven)) != len(o.Secrets) || len(o.Down)+len(o.Left) > 0) {
						t.Errorf("%v", o)
					}
					for _, e := range o.Secrets {
						for _, x := range e.Outages {
							if !x.Since.IsZero() {
								t.Errorf("%s: %+v", e.Change.Secret, x)
							}
						}
					}
				})
			})
		}
	}
}
