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
				a := &admin{away: func(now time.Time) bool { return c.away(now.Sub(begin)) }, list: func(_ int, now time.Time) []map[string]any {
					return []map[string]any{relay("r1", true, begin.Add(-time.Hour)), relay("another", true, now)}
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

// Who waits after somebody has waited in vain does not wait as long, however many there are; and for as long as ever when the API
// answers again.
func TestWaitsForASilentAPIAreNotAddedUp(t *testing.T) {
	for name, c := range map[string]struct {
		back time.Duration
		most time.Duration
	}{
		"it stays away": {time.Hour, 75 * time.Second},
		"it comes back": {70 * time.Second, 135 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				begin := time.Now()
				a := &admin{away: func(now time.Time) bool { return now.Sub(begin) < c.back }, list: func(_ int, now time.Time) []map[string]any {
					return []map[string]any{relay("r1", now.Sub(begin) > 130*time.Second, now)}
				}}
				s := siteOf(t, live.Config{API: a.start(t)}, nil)
				var r reconciler.Report
				for range 20 {
					r = only(t, s, site.ProveRelays{Relays: []string{"r1"}, Timeout: reconciler.Span(time.Minute)})
					if r.Outcome == state.Done {
						break
					}
					if r.Err == nil || reconciler.HintOf(r.Err) == "" {
						t.Errorf("%+v", r)
					}
				}
				if took := time.Since(begin); took > c.most || (r.Outcome == state.Done) != (c.back < time.Hour) {
					t.Errorf("%s: %+v", took, r)
				}
			})
		})
	}
}

// The same of an answer: what Admin served before it went away says nothing of what it serves now.
func TestAnAnswerWhileTheAPIIsAway(t *testing.T) {
	field := site.Field{Name: "tier", Of: []string{"tier"}, Want: "new"}
	for name, c := range map[string]struct {
		away    func(since time.Duration) bool
		renewed time.Duration // when it serves what is wanted
		without bool          // it does not say what it serves
		outcome state.Outcome
		says    string
	}{
		"after one answer":            {away: func(d time.Duration) bool { return d > 2*time.Second }, renewed: time.Hour, outcome: state.Unknown, says: "HTTP 502"},
		"for a while, then as wanted": {away: func(d time.Duration) bool { return d > 2*time.Second && d < 40*time.Second }, renewed: 45 * time.Second, outcome: state.Done},
		"for a while, and then not":   {away: func(d time.Duration) bool { return d > 2*time.Second && d < 20*time.Second }, renewed: time.Hour, outcome: state.Failed, says: "still serves old"},
		"it says nothing of it":       {away: func(time.Duration) bool { return false }, without: true, renewed: time.Hour, outcome: state.Failed, says: "serves nothing (its answer has no tier)"},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				begin := time.Now()
				a := &admin{object: map[string]any{"tier": "old"}, away: func(now time.Time) bool { return c.away(now.Sub(begin)) }}
				if c.without {
					a.object = map[string]any{"customer": "", "issued": "0001-01-01T00:00:00"}
				}
				time.AfterFunc(c.renewed, func() { a.now(func() { a.object = map[string]any{"tier": "new"} }) })
				r := only(t, siteOf(t, live.Config{API: a.start(t)}, nil),
					site.ProveAnswer{Path: "/api/it", Want: []site.Field{field}, Timeout: reconciler.Span(time.Minute), What: "it"})
				if r.Outcome != c.outcome || c.says != "" && (r.Err == nil || !strings.Contains(r.Err.Error(), c.says)) {
					t.Errorf("%s: %v", r.Outcome, r.Err)
				}
			})
		})
	}
}

// What Admin is asked to do it is asked again for, while something says for it that it is not there. Whether it did it after all, the
// proof says.
func TestACallWhileTheAPIIsAway(t *testing.T) {
	for until, says := range map[time.Duration]string{5 * time.Second: "asked", time.Hour: "did not say whether it did"} {
		virtual(t, func(t *testing.T) {
			begin := time.Now()
			a := &admin{object: map[string]any{}, away: func(now time.Time) bool { return now.Sub(begin) < until }}
			r := only(t, siteOf(t, live.Config{API: a.start(t)}, nil), site.Call{Path: "/api/again", What: "read it again"})
			if r.Outcome != state.Done || !strings.HasSuffix(r.Evidence, says) {
				t.Errorf("away for %s: %+v", until, r)
			}
		})
	}
}
