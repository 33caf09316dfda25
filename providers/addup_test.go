package providers_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
)

// Something hangs, from a moment on. The run ends within what its services may take and what is waited for beside: what was waited
// for in vain is not waited for again and again.
func TestTimeoutsAreNotAddedUp(t *testing.T) {
	vendor()
	const ready, connected, patience, soon = 2 * time.Minute, 3 * time.Minute, time.Minute, 15 * time.Second
	const last = 3 * time.Second // what is down is asked for once more
	for _, c := range []struct {
		name, host, at string // the Admin API, where there is no host
		most           time.Duration
	}{
		{"Admin's API when Admin starts: waited for, and again with the old key", "", "GET /health/ready", 2*ready + soon},
		{"Admin's API when the relays are proven", "", "GET /api/relays", connected},
		{"Admin's API when a reload is tried", "", "POST /api/license/reload", ready + soon},
		{"Admin's API when the license is reloaded: then with the old one", "", "POST /api/license/reload, live", soon + ready + soon},
		{"Admin's API at the end", "", "file.discard", soon},
		{"a relay before anything stops", "relay-01", "file.stage", patience + soon},
		{"a relay in the switch", "relay-01", "service.stop", patience + 2*soon + last},
		{"a relay at the end", "relay-01", "file.discard", patience + soon},
		{"Engine before anything stops", "im-engine", "file.stage", patience + soon},
		{"Engine in the switch", "im-engine", "service.stop", patience + 2*soon + last},
		{"Engine at the end", "im-engine", "file.discard", patience + soon},
		{"Admin before anything stops: and for the run's mark there", "im-admin", "file.stage", patience + 3*soon},
		{"Admin in the switch: and for the run's mark there", "im-admin", "service.stop", patience + 5*soon},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 3, "relaykey", "license")
				var hung, staged, live atomic.Bool
				var since atomic.Value
				hang := func(is bool) bool {
					if is && !hung.Swap(true) {
						since.Store(time.Now())
					}
					return hung.Load()
				}
				for _, h := range w.lab.Hosts() {
					it := strings.HasPrefix(h.Name, c.host) && c.host != ""
					h.Points(func(p machine.Point) (a machine.Action) {
						if p.Op == "file.stage" && !w.marks(p) {
							staged.Store(true)
						}
						if p.Op == "file.swap" {
							live.Store(true)
						}
						if (it || c.host == "") && p.When == machine.Before && !w.marks(p) && hang(p.Op == c.at) && it {
							a.End = machine.EndHang
						}
						return a
					})
					h.Wire(func(wsman.Event) (f wsman.Fault) {
						if it && hung.Load() {
							f.Kind = wsman.Hang
						}
						return f
					})
				}
				w.lab.WireAPI(func(e wsman.Event) (f wsman.Fault) {
					at, later := strings.CutSuffix(c.at, ", live")
					if c.host == "" && (live.Load() || !later && staged.Load()) && hang(string(e.Action) == at) {
						f.Kind = wsman.Hang
					}
					return f
				})
				_, o := w.run()
				if since.Load() == nil {
					t.Fatalf("nothing hung: %v", o)
				}
				if took := time.Since(since.Load().(time.Time)); took > c.most+15*time.Second {
					t.Errorf("%s, not %s: %v", took, c.most, o)
				}
			})
		})
	}
}
