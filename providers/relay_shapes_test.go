package providers_test

import (
	"slices"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/specs"
	"meshrotate/state"
)

// However Admin lists its relays, they are proven; or else the plan says why they could not be, and nothing is stopped for it.
func TestRelayListsOfEveryShape(t *testing.T) {
	vendor()
	codes := map[string]string{"page": "relay-list-cut", "more": "relay-list-cut", "frozen": "relay-list-time", "local": "relay-list-time", "odd-status": "relay-list-connected", "odd-heartbeat": "relay-list-heartbeat",
		"no-heartbeat": "relay-list-heartbeat", "unnamed": "relay-list-names", "strangers": "relay-list-names"}
	fields := map[string]specs.RelayFields{"local": {Zone: "Asia/Kolkata"}}
	for _, shape := range lab.RelayShapes {
		t.Run(shape, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Memory: true, Relays: 3, Relaying: shape}, "relaykey")
				time.Sleep(15 * time.Minute) // so that a relay that is not listed is no newcomer
				if code, refused := codes[shape]; refused {
					before := w.starts()
					w.refused(code)
					if now := w.starts(); !slices.Equal(before, now) {
						t.Errorf("a service was stopped for it: %v, %v", before, now)
					}
					own, can := fields[shape]
					if !can {
						return
					}
					w.doc.Product.API.Fields = own
				}
				p, o := w.run()
				if o.Err != nil || len(o.With(state.Proven)) != 1 || len(o.Left) > 0 {
					t.Fatalf("%v %+v", o, p.Changes)
				}
				if err := w.keyWorks(w.kept("relaykey", lab.NewKey), w.old); err != nil {
					t.Error(err)
				}
				s := w.process()
				defer s.close()
				if again := s.look().Plan; !again.Empty() || len(again.Blocked()) > 0 {
					t.Errorf("and again: %+v", again.Changes)
				}
			})
		})
	}
}

// starts is when each service started.
func (w *world) starts() (all []time.Time) {
	for _, h := range w.lab.Hosts() {
		for _, name := range []string{lab.AdminService, lab.EngineService, lab.RelayService} {
			if s := h.Machine.Service(name); s.Installed {
				all = append(all, s.StartedAt)
			}
		}
	}
	return all
}
