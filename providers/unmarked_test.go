package providers_test

import (
	"sync"
	"testing"
	"time"

	"meshrotate/providers/lab/machine"
	"meshrotate/state"
)

// A marker is taken away in the middle of a long phase: the run hears of it with its next heartbeat, and every target asks before its
// turn. So it touches no further one, and ends within half a minute, not at the end of the phase.
func TestTheMarkerOfALivingRunIsTakenAway(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 30, "relaykey")
		w.doc.Policy.Parallel = 1
		var mu sync.Mutex
		var last, taken time.Time
		var once sync.Once
		staged := 0
		over := make(chan struct{})
		for _, h := range w.lab.Relays {
			h.Points(func(p machine.Point) (a machine.Action) {
				if p.Op != "file.stage" || p.When != machine.Before {
					return a
				}
				mu.Lock()
				defer mu.Unlock()
				last, staged = time.Now(), staged+1
				a.Delay = 10 * time.Second
				once.Do(func() {
					time.AfterFunc(25*time.Second, func() {
						defer close(over)
						s := w.process()
						defer s.close()
						m := s.Site.Marker()
						h, held, err := m.Current(t.Context())
						if err != nil || !held {
							t.Errorf("%v %v", held, err)
						}
						mu.Lock()
						taken = time.Now()
						mu.Unlock()
						if err := m.Break(t.Context(), h.Fence); err != nil {
							t.Error(err)
						}
					})
				})
				return a
			})
		}
		done, err := w.as("ann@one", nil)
		if done == nil {
			t.Fatal(err)
		}
		<-over
		says(t, done.Outcome.Err, "the marker on im-admin", "was lost")
		if late := last.Sub(taken); late > 20*time.Second || staged == len(w.lab.Relays) || len(done.Outcome.With(state.Back)) != 1 {
			t.Errorf("a relay was touched %s after that; %d of %d: %v", late, staged, len(w.lab.Relays), done.Outcome)
		}
		if err := w.keyWorks(w.old, ""); err != nil {
			t.Error(err)
		}
	})
}
