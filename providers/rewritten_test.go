package providers_test

import (
	"strings"
	"testing"
	"time"

	"meshrotate/providers"
	"meshrotate/providers/lab/machine"
	"meshrotate/state"
)

// A policy, a deployment's agent or a restore writes every settings file anew each night, byte for byte. The processes that were proven
// have what the files hold: nothing is rotated, of any kind.
func TestWrittenAnew(t *testing.T) {
	vendor()
	for _, k := range providers.Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, k.Name)
				w.run()
				pids := func() (all []uint32) {
					for _, h := range w.lab.Hosts() {
						all = append(all, h.Machine.Service(serviceOf(h)).PID)
					}
					return all
				}
				restarts := pids()
				anew := func() {
					time.Sleep(24 * time.Hour)
					for _, h := range w.lab.Hosts() {
						files := h.Machine.FS.(*machine.Memory)
						for _, path := range files.Paths() {
							if strings.HasSuffix(path, `\appsettings.json`) || strings.HasSuffix(path, `\license.key`) {
								write(t, h, path, func(b []byte) []byte { return b })
							}
						}
					}
				}
				nothing := func() {
					t.Helper()
					if p, o := w.run(); !p.Empty() || len(p.Blocked()) > 0 || o.Err != nil {
						t.Errorf("%+v %v", p.Changes, o.Err)
					}
				}
				for range 2 {
					anew()
					nothing()
				}
				for i, pid := range pids() {
					if pid != restarts[i] {
						t.Errorf("a service was started again: %v, %v", restarts, pids())
						break
					}
				}
				host, drifts := map[string]string{"relaykey": "relay-01", "license": "im-admin"}[k.Name], map[string]string{"relaykey": "key", "license": "license"}[k.Name]
				if host == "" {
					return
				}
				w.do(drifts, host) // what is proven of the others is not refused for their files
				if _, o := w.run(); o.Err != nil || len(o.With(state.Proven)) != 1 {
					t.Errorf("%v", o)
				}
				anew()
				nothing()
			})
		})
	}
}
