package providers_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// An endpoint that is missing stands in the way of what uses it, and of nothing else; what is said of it names it alone.
func TestAMissingEndpointIsNobodyElses(t *testing.T) {
	vendor()
	for _, c := range []struct{ mishap, refused, rotated, endpoint string }{
		{"relays-404", "relaykey", "license", "/api/relays"},
		{"relays-403", "relaykey", "license", "/api/relays"},
		{"license-404", "license", "relaykey", "/api/license"},
		{"license-list", "license", "relaykey", "/api/license"},
	} {
		t.Run(c.mishap, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, "relaykey", "license")
				w.do(c.mishap, "im-admin")
				time.Sleep(10 * time.Minute) // longer than anything takes to be ready
				p := w.planned()
				for _, change := range p.Changes {
					f, found := reconciler.Finding{}, false
					for _, one := range change.Findings {
						if one.Code == "admin-api" {
							f, found = one, true
						}
					}
					switch change.Secret.Name {
					case c.refused:
						if change.Status != reconciler.Refused || !found || !strings.Contains(f.Text, c.endpoint) || strings.Contains(f.Text, "could not be asked") {
							t.Errorf("%s is %s: %q", c.refused, change.Status, f.Text)
						}
					case c.rotated:
						if change.Status != reconciler.Rotate || found {
							t.Errorf("%s is %s: %q", c.rotated, change.Status, f.Text)
						}
					default:
						t.Errorf("another secret: %s", change.Secret)
					}
				}
				s := w.only(c.rotated) // what is refused keeps a whole run from beginning
				defer s.close()
				if _, o := s.apply(nil); o.Err != nil || len(o.With(state.Proven)) != 1 {
					t.Errorf("%s alone: %v", c.rotated, o.Err)
				}
			})
		})
	}
}

// One of two connector secrets cannot be set. The other one is, and has nothing to do with it: it is not taken back, and is proven.
func TestOneSecretFailsAndAnotherIsProven(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 0, "connector")
		var set atomic.Int32
		w.lab.EngineHost.Points(func(p machine.Point) (a machine.Action) {
			if p.Op == "secrets.set" && p.When == machine.Before && set.Add(1) == 2 {
				a.Fail = 5
			}
			return a
		})
		_, o := w.run()
		if len(o.With(state.Proven)) != 1 || len(o.With(state.Back)) != 1 || o.Err == nil || set.Load() > 3 {
			t.Errorf("%d were set: %v", set.Load(), o)
		}
	})
}
