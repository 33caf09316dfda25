package providers_test

import (
	"sync"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
)

// Somebody edits a file between the stop of its service and the swap, which is refused then. Nothing of ours is there to be taken
// back: the service comes up with what it has there, and nobody waits for what cannot come.
func TestAFileIsEditedInTheSwitch(t *testing.T) {
	vendor()
	for _, kind := range []string{"relaykey", "sqllogin"} {
		for _, name := range []string{"im-admin", "im-engine"} {
			if kind == "relaykey" && name == "im-engine" {
				continue // it has no such file
			}
			t.Run(kind+" "+name, func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := newWorld(t, 3, kind)
					h := w.lab.Host(name)
					var once sync.Once
					h.Points(func(p machine.Point) machine.Action {
						if p.Op == "service.stop" && p.When == machine.After {
							once.Do(func() { w.do("edit", h.Name) })
						}
						return machine.Action{}
					})
					_, o := w.run()
					says(t, o.Err, "the file is not as expected")
					if len(o.Down) > 0 {
						t.Errorf("down: %+v", o.Down)
					}
					for _, h := range w.lab.Hosts() {
						for _, service := range []string{lab.AdminService, lab.EngineService, lab.RelayService} {
							if s := h.Machine.Service(service); s.Installed && s.State != "running" {
								t.Errorf("%s on %s is %s", service, h.Name, s.State)
							}
						}
					}
					h.Points(nil)
					if _, o := w.run(); o.Err != nil || len(o.Down) > 0 {
						t.Errorf("and again: %v", o)
					}
				})
			})
		}
	}
}
