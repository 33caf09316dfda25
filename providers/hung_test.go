package providers_test

import (
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
	"meshrotate/state"
)

// A relay that hangs, or that never connects, is waited for. The outage of the others ends when each of them works, and theirs
// and Engine's are not longer for it.
func TestOneRelayIsWaitedFor(t *testing.T) {
	vendor()
	hang := func(op string, at machine.When) func(h *lab.Host) {
		return func(h *lab.Host) {
			var hung atomic.Bool
			h.Points(func(p machine.Point) (a machine.Action) {
				if p.Op == op && p.When == at {
					hung.Store(true)
				}
				if hung.Load() {
					a.End = machine.EndHang
				}
				return a
			})
			h.Wire(func(wsman.Event) (f wsman.Fault) {
				if hung.Load() {
					f.Kind = wsman.Hang
				}
				return f
			})
		}
	}
	for name, weather := range map[string]func(h *lab.Host){
		"it hangs before its stop":  hang("service.stop", machine.Before),
		"it hangs after its stop":   hang("service.stop", machine.After),
		"it hangs before its start": hang("service.start", machine.Before),
		"it hangs after its start":  hang("service.start", machine.After),
		"its stop is slow": func(h *lab.Host) {
			if err := h.Machine.Change(lab.RelayService, func(s *machine.Service) { s.Timing.Stop = 25 * time.Second }); err != nil {
				t.Error(err)
			}
		},
		"it dies, and its host is away": func(h *lab.Host) {
			when(h, "service.start", machine.After, func() { h.Machine.Kill(lab.RelayService); h.Unplug(true) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 4)
				weather(w.relay(1))
				began := time.Now()
				_, o := w.run()
				if len(o.With(state.Proven)) != 2 || time.Since(began) < 20*time.Second {
					t.Errorf("%v", o)
				}
				seen := 0
				for _, e := range o.Secrets {
					for _, out := range e.Outages {
						switch one := out.What == "Engine" || out.What == "Admin"; {
						case !one && (w.lab.Host(out.What) == nil || out.What == w.relay(1).Name):
							continue
						case out.Measured > 5 || !out.Since.IsZero():
							t.Errorf("%+v: %v", out, o)
						}
						seen++
					}
				}
				if seen != 5 {
					t.Errorf("%d outages: %+v", seen, o.Secrets)
				}
			})
		})
	}
}

// Admin runs again, on the way back too, and never answers that it is ready: nobody has seen it up.
func TestAdminIsNeverReady(t *testing.T) {
	vendor()
	for _, kind := range []string{"relaykey", "license", "sqllogin/alternating", "serviceaccount/now"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, kind)
				when(w.lab.Admin, "service.stop", machine.After, func() {
					w.lab.WireAPI(func(e wsman.Event) (f wsman.Fault) {
						if e.Action == "GET /health/ready" {
							f = wsman.Fault{Kind: wsman.Status, Status: 503}
						}
						return f
					})
				})
				_, o := w.run()
				told := 0
				for _, e := range o.Secrets {
					for _, x := range e.Outages {
						if x.What == "Admin" {
							told++
							if x.Since.IsZero() {
								t.Errorf("Admin's outage is told as over: %+v: %v", x, o)
							}
						}
					}
				}
				if told == 0 && kind != "license" { // which is read without a restart
					t.Errorf("no outage of Admin is told: %v", o)
				}
			})
		})
	}
}
