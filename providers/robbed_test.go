package providers_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/winhost"
	"meshrotate/state"
)

// The lock is taken away at any effect of the switch, on any host, and nobody has had it since: when the run ends every service runs,
// nobody is cut off, the lock is given back, and the next run finishes.
func TestTheLockIsTakenAwayAndNobodyHasIt(t *testing.T) {
	vendor()
	for _, config := range []lab.Config{{Relays: 2}, {Relays: 2, Login: "alternating"}, {Relays: 2, Login: "single"}} {
		for _, op := range []string{"service.stop", "file.swap", "service.start"} {
			for _, host := range []string{"im-admin", "im-engine", "relay-02"} {
				if config.Login == "" && op == "file.swap" && host == "im-engine" {
					continue // nothing but its license is swapped there
				}
				t.Run(fmt.Sprint(config.Login, " ", op, " ", host), func(t *testing.T) {
					virtual(t, func(t *testing.T) {
						config.Memory = true
						w := newWorldAt(t, config)
						var once sync.Once
						came := false
						w.lab.Host(host).Points(func(p machine.Point) machine.Action {
							if p.Op == op && p.When == machine.After && !w.marks(p) && !strings.HasSuffix(p.Object, "license.key") {
								once.Do(func() {
									came = true
									h, _, err := w.state.Lock.Current(t.Context())
									if err == nil {
										err = w.state.Lock.Break(t.Context(), h.Fence)
									}
									if err != nil {
										t.Error(err)
									}
								})
							}
							return machine.Action{}
						})
						_, o := w.run()
						if !came {
							t.Fatal("nothing of that kind is done there")
						}
						if o.Err != nil {
							says(t, o.Err, "so this run took it anew")
						}
						if len(o.Down) > 0 || o.Halted {
							t.Errorf("%v", o)
						}
						for service, h := range map[string]*lab.Host{lab.AdminService: w.lab.Admin, lab.EngineService: w.lab.EngineHost, lab.RelayService: w.relay(1)} {
							if s := h.Machine.Service(service); s.State != winhost.Running {
								t.Errorf("%s is %v: %v", service, s.State, o)
							}
						}
						if _, held, err := w.state.Lock.Current(t.Context()); held || err != nil {
							t.Errorf("the lock is held: %v", err)
						}
						w.lab.Host(host).Points(nil)
						if _, o := w.run(); o.Err != nil || len(o.With(state.Proven)) == 0 {
							t.Errorf("%v", o)
						}
						w.converged()
					})
				})
			}
		}
	}
}
