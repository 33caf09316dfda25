package providers_test

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/site"
	"meshrotate/state"
)

// Engine's host is away for good, from somewhere in the switch on. Admin's host is well: Admin comes up with what it has.
func TestEnginesHostGoesAwayInTheSwitch(t *testing.T) {
	vendor()
	for name, kinds := range map[string][]string{"single": {"sqllogin/single"}, "alternating": {"sqllogin/alternating"},
		"with an account": {"sqllogin/single", "serviceaccount"}, "with all": {"license", "relaykey", "sqllogin/single"}} {
		for _, at := range []struct {
			name string
			host func(w *world) *lab.Host
			op   string
			when machine.When
		}{
			{"before Engine's stop", func(w *world) *lab.Host { return w.lab.EngineHost }, "service.stop", machine.Before},
			{"after Engine's stop", func(w *world) *lab.Host { return w.lab.EngineHost }, "service.stop", machine.After},
			{"before Admin's stop", func(w *world) *lab.Host { return w.lab.Admin }, "service.stop", machine.Before},
			{"after Admin's stop", func(w *world) *lab.Host { return w.lab.Admin }, "service.stop", machine.After},
			{"before Engine's swap", func(w *world) *lab.Host { return w.lab.EngineHost }, "file.swap", machine.Before},
		} {
			t.Run(name+", "+at.name, func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := newWorld(t, 2, kinds...)
					var gone atomic.Bool
					w.lab.EngineHost.Wire(func(wsman.Event) (f wsman.Fault) {
						if gone.Load() {
							f.Kind = wsman.Refuse
						}
						return f
					})
					at.host(w).Points(func(p machine.Point) (a machine.Action) {
						if p.Op == at.op && p.When == at.when && !w.marks(p) && !gone.Swap(true) && at.host(w) == w.lab.EngineHost {
							a.End = machine.EndCut
						}
						return a
					})
					_, o := w.run()
					if s := w.lab.Admin.Machine.Service(lab.AdminService); s.State != "running" {
						t.Errorf("Admin is %s: %v", s.State, o)
					}
					for _, e := range o.Secrets { // it was seen to be ready
						if i := slices.IndexFunc(e.Outages, func(x state.Outage) bool { return x.What == site.AdminLabel }); i >= 0 && !e.Outages[i].Since.IsZero() {
							t.Errorf("%+v: %v", e.Outages[i], o)
						}
					}
					gone.Store(false)
					w.lab.Admin.Points(nil)
					w.lab.EngineHost.Points(nil)
					time.Sleep(10 * time.Minute)
					w.settled()
				})
			})
		}
	}
}

// The other way round: Admin's host is away, and Engine's is well. Where Admin runs on as it was, Engine comes up.
func TestAdminsHostGoesAwayInTheSwitch(t *testing.T) {
	vendor()
	for name, kinds := range map[string][]string{"single": {"sqllogin/single"}, "alternating": {"sqllogin/alternating"}, "with all": {"license", "relaykey", "sqllogin/single"}} {
		for _, when := range []machine.When{machine.Before, machine.After} {
			t.Run(name+" "+string(when), func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := newWorld(t, 2, kinds...)
					var gone atomic.Bool
					w.lab.Admin.Wire(func(wsman.Event) (f wsman.Fault) {
						if gone.Load() {
							f.Kind = wsman.Refuse
						}
						return f
					})
					w.lab.EngineHost.Points(func(p machine.Point) (a machine.Action) {
						if p.Op == "service.stop" && p.When == when {
							gone.Store(true)
						}
						return a
					})
					_, o := w.run()
					if s := w.lab.EngineHost.Machine.Service(lab.EngineService); s.State != "running" {
						t.Errorf("Engine is %s: %v", s.State, o)
					}
					gone.Store(false)
					w.lab.EngineHost.Points(nil)
					time.Sleep(10 * time.Minute)
					w.settled()
				})
			})
		}
	}
}
