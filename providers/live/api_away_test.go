package live_test

import (
	"strings"
	"testing"
	"time"

	"meshrotate/providers/live"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// An API that cannot be asked says of no relay that it is not connected: that would take back a good rotation.
func TestAProofWhileTheAPIIsAway(t *testing.T) {
	for name, c := range map[string]struct {
		away    func(since time.Duration) bool
		outcome state.Outcome
		says    string
	}{
		"from the beginning":  {func(time.Duration) bool { return true }, state.Unknown, "could not be asked"},
		"after one answer":    {func(d time.Duration) bool { return d > 5*time.Second }, state.Unknown, "could not be asked"},
		"for the last moment": {func(d time.Duration) bool { return d > 55*time.Second }, state.Failed, "not connected"},
		"for a while":         {func(d time.Duration) bool { return d > 5*time.Second && d < 40*time.Second }, state.Failed, "not connected"},
		"never":               {func(time.Duration) bool { return false }, state.Failed, "not connected"},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				begin := time.Now()
				a := &admin{away: func(now time.Time) bool { return c.away(now.Sub(begin)) }, list: func(int, time.Time) []map[string]any {
					return []map[string]any{relay("r1", true, begin.Add(-time.Hour))}
				}}
				r := only(t, siteOf(t, live.Config{API: a.start(t)}, nil), site.ProveRelays{Relays: []string{"r1"}, Timeout: reconciler.Span(time.Minute)})
				if r.Outcome != c.outcome || r.Err == nil || !strings.Contains(r.Err.Error(), c.says) || reconciler.HintOf(r.Err) == "" {
					t.Errorf("%+v: %v\nhint: %s", r, r.Err, reconciler.HintOf(r.Err))
				}
				if c.outcome == state.Unknown && strings.Contains(r.Err.Error(), "not connected") {
					t.Errorf("it is said of a relay: %v", r.Err)
				}
			})
		})
	}
}
