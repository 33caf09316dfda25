package reconciler_test

import (
	"testing"
	"time"

	"meshrotate/reconciler"
)

// Days are counted as a calendar has them: whoever reads a day beside the count can check it.
func TestDaysOfTheCalendar(t *testing.T) {
	for _, c := range []struct {
		t, now string
		want   int
	}{
		{"2026-11-29T00:00:00Z", "2026-11-28T02:20:00Z", 1},
		{"2026-11-29T00:00:00Z", "2026-11-28T23:59:59Z", 1},
		{"2026-11-29T23:59:59Z", "2026-11-28T00:00:00Z", 1},
		{"2026-11-28T23:59:59Z", "2026-11-28T00:00:00Z", 0},
		{"2026-11-28T00:00:00Z", "2026-11-28T23:59:59Z", 0},
		{"2026-11-27T23:59:59Z", "2026-11-28T00:00:00Z", -1},
		{"2026-11-28T00:30:00+02:00", "2026-11-28T00:00:00Z", -1}, // 22:30 UTC of the day before
		{"2027-03-29T00:00:00+02:00", "2027-03-28T00:30:00+01:00", 1},
		{"2028-03-01T00:00:00Z", "2028-02-28T12:00:00Z", 2}, // a leap year
		{"9999-12-31T00:00:00Z", "2026-11-28T02:20:00Z", 2912111},
		{"0001-01-01T00:00:00Z", "2026-11-28T02:20:00Z", -739947},
	} {
		at, _ := time.Parse(time.RFC3339, c.t)
		now, _ := time.Parse(time.RFC3339, c.now)
		if got := reconciler.Days(at, now); got != c.want {
			t.Errorf("from %s to %s: %d days, not %d", c.now, c.t, got, c.want)
		}
	}
}
