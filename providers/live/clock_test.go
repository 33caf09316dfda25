package live_test

import (
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/live"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// Heartbeats are by Admin's clock, the restart by ours. Whatever that clock says, a heartbeat that the old process sent
// proves nothing, and one that the new process sent is soon believed.
func TestProofByAdminsClock(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"right": 0, "ahead": 7*time.Minute + 300*time.Millisecond, "behind": -7*time.Minute - 300*time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				l := labOf(t, 1)
				host := l.Relays[0].Name
				beat := time.Now().Add(ahead) // by Admin's clock
				a := &admin{ahead: ahead, list: func(_ int, now time.Time) []map[string]any {
					return []map[string]any{relay("relay-01", true, beat), relay("another", true, now)}
				}}
				s := siteOf(t, live.Config{API: a.start(t)}, l)
				look(t, s, host)
				stop := site.StopService{Host: host, Service: lab.RelayService, Timeout: reconciler.Span(time.Minute), Who: site.Who{Name: host, Noun: "relay"}}
				start := site.StartService{Host: host, Service: lab.RelayService, Timeout: reconciler.Span(time.Minute), Who: site.Who{Name: host, Noun: "relay"}}
				r := do(t, s, stop)
				a.now(func() { beat = time.Now().Add(ahead) }) // the last moment at which the old process can have sent one
				r = append(r, do(t, s, start)...)
				for _, r := range r {
					if r.Outcome != state.Done {
						t.Fatalf("%+v", r)
					}
				}
				proof := site.ProveRelays{Relays: []string{host}, Timeout: reconciler.Span(30 * time.Second)}
				if r := only(t, s, proof); r.Outcome != state.Failed {
					t.Errorf("the old process proves the new one: %+v", r)
				}
				if r := s.Running(t.Context(), nil); len(r.Up) > 0 {
					t.Errorf("the last look takes the old process for the new one: %+v", r)
				}
				started := l.Relays[0].Machine.Service(lab.RelayService).StartedAt
				a.now(func() { beat = started.Add(300 * time.Millisecond).Add(ahead) })
				time.AfterFunc(500*time.Millisecond, func() { a.now(func() { beat = time.Now().Add(ahead) }) }) // and so on
				begin := time.Now()
				if r := only(t, s, proof); r.Outcome != state.Done || len(r.Up) != 1 {
					t.Errorf("%+v", r)
				}
				if took := time.Since(begin); took > 2*time.Second {
					t.Errorf("it was believed after %s", took)
				}

				old := beat
				do(t, s, stop)
				do(t, s, start)
				a.now(func() { beat = old })
				if r := only(t, s, proof); r.Outcome != state.Failed {
					t.Errorf("%+v", r)
				}
				a.now(func() { beat = time.Now().Add(ahead) })
				if r := s.Running(t.Context(), nil); ahead >= 0 && (r.Up[host].IsZero() || !r.Bounds[host]) { // by a clock that is behind it is known later
					t.Errorf("it is connected when the run ends, and the last look does not see it: %+v", r)
				}
			})
		})
	}
}

// look asks who hosts are, as a plan does.
func look(t *testing.T, s *live.Site, hosts ...string) reconciler.Seen {
	t.Helper()
	var reads []reconciler.Read
	for _, h := range hosts {
		reads = append(reads, site.Machine{Host: h})
	}
	seen := s.Look(t.Context(), reads, func(reconciler.Event) {})
	for _, h := range hosts {
		if l := seen[site.Host(h)]; l.Reach != reconciler.Reached {
			t.Fatalf("%s: %v", h, l.Err)
		}
	}
	return seen
}

// A relay that was not restarted must be heard of after Admin's own restart.
func TestProofAfterAdminsRestart(t *testing.T) {
	virtual(t, func(t *testing.T) {
		ahead := -3 * time.Minute
		beat := time.Now().Add(ahead)
		a := &admin{ahead: ahead, list: func(_ int, now time.Time) []map[string]any {
			return []map[string]any{relay("r1", true, beat), relay("another", true, now)}
		}}
		s := siteOf(t, live.Config{API: a.start(t)}, nil)
		time.Sleep(time.Minute)
		a.now(func() { beat = time.Now().Add(ahead) })
		time.Sleep(time.Millisecond)
		if r := only(t, s, site.AwaitReady{Timeout: reconciler.Span(time.Minute)}); r.Outcome != state.Done {
			t.Fatalf("%+v", r)
		}
		time.Sleep(time.Minute)
		proof := site.ProveRelays{Relays: []string{"r1"}, Timeout: reconciler.Span(10 * time.Second)}
		if r := only(t, s, proof); r.Outcome != state.Failed {
			t.Errorf("a heartbeat from before Admin was ready: %+v", r)
		}
		a.now(func() { beat = beat.Add(2 * time.Second) }) // long before the proof began, and after Admin was ready
		if r := only(t, s, proof); r.Outcome != state.Done {
			t.Errorf("%+v", r)
		}
	})
}

// When somebody sets Admin's clock in the middle, what was known of it is forgotten.
func TestProofWhileAdminsClockIsSet(t *testing.T) {
	virtual(t, func(t *testing.T) {
		begin := time.Now()
		a := &admin{ahead: -10 * time.Minute}
		a.list = func(n int, now time.Time) []map[string]any {
			old := relay("r1", true, begin.Add(a.ahead-time.Second)) // from before the proof began
			if n == 5 {
				a.ahead = 10 * time.Minute // from the next answer on
			}
			if n < 20 {
				return []map[string]any{old}
			}
			return []map[string]any{relay("r1", true, now)}
		}
		r := only(t, siteOf(t, live.Config{API: a.start(t)}, nil), site.ProveRelays{Relays: []string{"r1"}, Timeout: reconciler.Span(time.Minute)})
		if r.Outcome != state.Done || a.asked.Load() < 20 {
			t.Errorf("%+v, after %d answers", r, a.asked.Load())
		}
	})
}
