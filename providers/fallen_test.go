package providers_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
	"meshrotate/state"
)

// A service stops after it was proven, while what is old is removed. It is named at the end of the run, in the ledger too, and
// the next run finds it there.
func TestAServiceStopsAfterItsProof(t *testing.T) {
	vendor()
	stop := func(h *lab.Host, service string) { h.Machine.Kill(service) }
	for _, c := range []struct {
		name, host, service string
		unsure              bool
		weather             func(w *world)
	}{
		{"a relay, before its backup is removed", "relay-02", lab.RelayService, false, func(w *world) {
			when(w.relay(2), "file.discard", machine.Before, func() { stop(w.relay(2), lab.RelayService) })
		}},
		{"a relay, while another host is slow", "relay-02", lab.RelayService, true, func(w *world) {
			w.relay(1).Points(machine.Faults(machine.Fault{Op: "file.discard", When: machine.After, Action: machine.Action{Delay: 4 * time.Second}}))
			after := 0
			w.relay(2).Points(func(p machine.Point) machine.Action {
				if p.Op == "file.discard" && p.When == machine.After {
					if after++; after == 2 {
						time.AfterFunc(time.Second, func() { stop(w.relay(2), lab.RelayService) })
					}
				}
				return machine.Action{}
			})
		}},
		{"Engine", "im-engine", lab.EngineService, false, func(w *world) {
			when(w.lab.EngineHost, "file.discard", machine.Before, func() { stop(w.lab.EngineHost, lab.EngineService) })
		}},
		{"Admin", "im-admin", lab.AdminService, false, func(w *world) {
			w.lab.Admin.Points(func(p machine.Point) machine.Action {
				if p.Op == "file.discard" && p.When == machine.Before && !w.marks(p) && strings.Contains(p.Object, "appsettings") {
					stop(w.lab.Admin, lab.AdminService)
				}
				return machine.Action{}
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 3)
				c.weather(w)
				_, o := w.run()
				if len(o.With(state.Proven)) != 2 || o.Err != nil || len(o.Down) != 1 {
					t.Fatalf("%v", o)
				}
				d := o.Down[0]
				if d.Target.Name != w.lab.Host(c.host).Name || d.Service != c.service || d.Unsure != c.unsure || d.Why == nil || d.Since.IsZero() || !d.Sooner {
					t.Errorf("%+v", d)
				}
				hinted(t, d.Why)
				for _, h := range w.lab.Hosts() {
					h.Points(nil)
				}
				found := false
				s := w.process()
				for _, change := range s.look().Plan.Changes {
					for _, known := range change.Down {
						found = found || known.What == d.What && known.Since.Equal(d.Since.UTC().Round(0)) && known.Sooner
					}
				}
				s.close()
				if !found {
					t.Error("the next plan does not say since when it is down")
				}
				time.Sleep(time.Minute)
				_, o = w.run()
				told := false
				for _, e := range o.Secrets {
					for _, x := range e.Outages {
						told = told || x.What == d.What && x.AtLeast && x.Measured >= 60
					}
				}
				if !told {
					t.Errorf("nobody saw when it stopped, and its outage is not told as the least that it can have been: %+v", o.Secrets)
				}
				w.converged()
			})
		})
	}
}

// A relay dies while it is waited for. It is left behind, with what its host says of it.
func TestARelayDiesWhileItIsWaitedFor(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "relaykey")
		var away atomic.Bool
		w.lab.WireAPI(func(e wsman.Event) (f wsman.Fault) {
			if away.Load() && e.Action == "GET /api/relays" {
				f = wsman.Fault{Kind: wsman.Status, Status: 503}
			}
			return f
		})
		when(w.relay(1), "service.start", machine.After, func() {
			away.Store(true)
			time.AfterFunc(20*time.Second, func() { w.relay(1).Machine.Kill(lab.RelayService) })
			time.AfterFunc(50*time.Second, func() { away.Store(false) })
		})
		_, o := w.run()
		if len(o.With(state.Proven)) != 1 || len(o.Left) != 1 || !strings.Contains(o.Left[0].Why.Error(), "is stopped now (exit code") {
			t.Errorf("%v", o)
		}
	})
}
