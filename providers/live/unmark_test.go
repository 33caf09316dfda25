package live_test

import (
	"errors"
	"testing"
	"time"

	"meshrotate/providers/live"
	"meshrotate/state"
)

// The marker of a run that is alive is taken away. Until that run has seen it nobody else gets in: two would be at work. The marker
// of one that is dead is gone at once.
func TestAMarkerIsTakenAway(t *testing.T) {
	for name, dead := range map[string]bool{"its run is alive": false, "its run is dead": true} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				l := labOf(t, 1)
				site := func() *live.Site {
					return siteOf(t, live.Config{MarkerHost: l.Admin.Name, MarkerPath: `%ProgramData%\IdentityMesh\meshrotate.run.json`}, l)
				}
				ours, theirs := site(), site()
				nobody := func(string) bool { return false }
				lease, err := theirs.Marker().Acquire(t.Context(), state.Holder{Run: "r1", By: "op", Fence: 7, Started: time.Now().UTC()}, nobody)
				if err != nil {
					t.Fatal(err)
				}
				if dead {
					theirs.Close(t.Context())
					time.Sleep(time.Minute)
				}
				began, broken := time.Now(), make(chan error)
				go func() { broken <- ours.Marker().Break(t.Context(), 7) }()
				for waiting := true; waiting; {
					select {
					case err := <-broken:
						if err != nil {
							t.Error(err)
						}
						waiting = false
					case <-time.After(time.Second):
						var held *state.HeldError
						_, err := ours.Marker().Acquire(t.Context(), state.Holder{Run: "r2", Fence: 1}, nobody)
						if lost := lease.Check(t.Context()); !errors.As(err, &held) && lost == nil {
							t.Errorf("after %v another run gets in, and the first has not noticed: %v", time.Since(began), err)
						}
					}
				}
				if took := time.Since(began); dead != (took < 5*time.Second) || took > time.Minute {
					t.Errorf("it took %v", took)
				}
				if err := lease.Check(t.Context()); err == nil && !dead {
					t.Error("the run has not noticed")
				}
				next, err := ours.Marker().Acquire(t.Context(), state.Holder{Run: "r3", Fence: 1}, nobody)
				if err != nil {
					t.Fatal(err)
				}
				if err := next.Release(t.Context()); err != nil {
					t.Error(err)
				}
				if !dead {
					_ = lease.Release(t.Context())
				}
			})
		})
	}
}
