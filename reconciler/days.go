package reconciler

import "time"

// Days is how many days of the calendar, in UTC, the day of t comes after that of now: 0 is today, 1 tomorrow, -1 yesterday. The
// hour of neither counts.
func Days(t, now time.Time) int {
	return int(midnight(t).Unix()-midnight(now).Unix()) / (24 * 60 * 60) // a time.Duration ends after 292 years
}

func midnight(t time.Time) time.Time {
	year, month, day := t.UTC().Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}
