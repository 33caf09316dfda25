package state_test

import (
	"testing"
	"time"

	"meshrotate/state"
)

// A run that renews its lease seldom, as one with its state in Git does, is not told as dead between two heartbeats.
func TestWhoIsAtWork(t *testing.T) {
	now := time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		reason string
		beat   time.Duration
		silent time.Duration
		holder state.Holder
		want   bool
	}{
		{"a folder's, just renewed", 0, 5 * time.Second, state.Holder{}, true},
		{"a folder's, two were missed", 0, 16 * time.Second, state.Holder{}, false},
		{"a branch's, between two heartbeats", 20 * time.Second, 19 * time.Second, state.Holder{}, true},
		{"a branch's, one is late", 20 * time.Second, 41 * time.Second, state.Holder{}, true},
		{"a branch's, two were missed", 20 * time.Second, 46 * time.Second, state.Holder{}, false},
		{"it has ended", 20 * time.Second, time.Second, state.Holder{Ended: true}, false},
		{"nobody can read it", 20 * time.Second, time.Second, state.Holder{Damaged: "torn"}, false},
	} {
		c.holder.Beat, c.holder.Heartbeat = c.beat, now.Add(-c.silent)
		if got := c.holder.AtWork(now); got != c.want {
			t.Errorf("%s: %v", c.reason, got)
		}
	}
}
