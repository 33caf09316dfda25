package specs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // Windows and bare containers have no time zones of their own
)

// Window is a time of the week in which changes are allowed, as "Mon-Fri 22:00-04:00 Europe/Zurich": days, hours, zone. Hours are
// those of a clock on the wall there. Where the end is not after the beginning it is the next day's; the day is that of the beginning.
type Window struct {
	text     string
	days     [7]bool
	from, to time.Duration // since midnight
	zone     *time.Location
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// ParseWindow reads a window.
func ParseWindow(text string) (Window, error) {
	parts := strings.Fields(text)
	if len(parts) != 3 {
		return Window{}, errors.New("a window has days, hours and a zone")
	}
	w := Window{text: strings.Join(parts, " ")}
	for day := range strings.SplitSeq(parts[0], ",") {
		if err := w.addDays(day); err != nil {
			return Window{}, err
		}
	}
	from, to, ok := strings.Cut(parts[1], "-")
	var err error
	if w.from, err = clockTime(from); err == nil && ok {
		w.to, err = clockTime(to)
	}
	if err != nil || !ok {
		return Window{}, fmt.Errorf("%q are no hours", parts[1])
	}
	if w.to == w.from { // a day, a moment, or a slip
		return Window{}, fmt.Errorf("%q begins when it ends: a whole day is 00:00-24:00", parts[1])
	}
	if w.to < w.from {
		w.to += 24 * time.Hour
	}
	if w.zone, err = time.LoadLocation(parts[2]); err != nil || parts[2] == "Local" {
		return Window{}, fmt.Errorf("there is no time zone %q", parts[2])
	}
	return w, nil
}

func (w *Window) addDays(text string) error {
	first, last, ranged := strings.Cut(strings.ToLower(text), "-")
	if !ranged {
		last = first
	}
	a, b := slices.Index(weekdays, first), slices.Index(weekdays, last)
	if text != "daily" && (a < 0 || b < 0) {
		return fmt.Errorf("%q is no day", text)
	}
	if text == "daily" {
		a, b = 0, 6
	}
	for d := a; ; d = (d + 1) % 7 {
		if w.days[d] = true; d == b {
			return nil
		}
	}
}

// clockTime reads 22:00, or 24:00 for the end of a day.
func clockTime(text string) (time.Duration, error) {
	if text == "24:00" {
		return 24 * time.Hour, nil
	}
	t, err := time.Parse("15:04", text)
	if err != nil || len(text) != len("15:04") {
		return 0, errors.New("no time")
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, nil
}

func (w Window) String() string { return w.text }

// covers says that the clock on the wall shows a time of the window: one that it never shows, because it is put forward then, is none,
// and one that it shows twice is one both times.
func (w Window) covers(at time.Time) bool {
	at = at.In(w.zone)
	hour, minute, second := at.Clock()
	since := time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second
	today := at.Weekday()
	return w.days[today] && since >= w.from && since < w.to || w.days[(today+6)%7] && since+24*time.Hour < w.to
}

// Open says whether changes are allowed now, and until when.
func (w Window) Open(now time.Time) (until time.Time, open bool) {
	if !w.covers(now) {
		return time.Time{}, false
	}
	for until = now.Truncate(time.Minute).Add(time.Minute); w.covers(until) && until.Sub(now) < 24*time.Hour; {
		until = until.Add(time.Minute)
	}
	return until, true
}

// Next is when it opens next.
func (w Window) Next(now time.Time) time.Time {
	at := now.Truncate(time.Minute)
	for open := w.covers(at); ; { // a window has a day in each week, and hours on all but one of the year
		was := open
		at = at.Add(time.Minute)
		if open = w.covers(at); open && !was || at.Sub(now) > 15*24*time.Hour {
			return at
		}
	}
}

// Allowed says whether changes are allowed now: in one of the windows, or at any time where there is none. Else next is when they are.
func (p Policy) Allowed(now time.Time) (next time.Time, allowed bool) {
	next, open := AnyOpen(p.Window, now)
	return next, open || len(p.Window) == 0
}

// AnyOpen says whether one of the windows is open. Else next is when the first one opens.
func AnyOpen(windows []string, now time.Time) (next time.Time, open bool) {
	for _, text := range windows {
		w, err := ParseWindow(text) // which was checked
		if err != nil {
			continue
		}
		if _, open := w.Open(now); open {
			return time.Time{}, true
		}
		if at := w.Next(now); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next, false
}

// Suspension is a time in which nothing is changed.
type Suspension struct {
	// Why nothing may be changed, for whoever wants to.
	Why string `json:"why" jsonschema:"required,minLength=1,maxLength=500" trust:"guard"`
	// Until is the last day of it, UTC, as 2026-12-31.
	Until string `json:"until" jsonschema:"required,pattern=^[0-9]{4}-[0-9]{2}-[0-9]{2}$" trust:"guard,later"`
}

// Ends is the moment at which it is over.
func (s Suspension) Ends() time.Time { return dayAfter(s.Until) }

func dayAfter(day string) time.Time {
	d, _ := time.Parse(time.DateOnly, day) // which was checked
	return EndOf(d)
}

// EndOf is the moment at which a day is over. That of the last one that can be written is its last second: no JSON takes a later year.
func EndOf(day time.Time) time.Time {
	end := day.AddDate(0, 0, 1)
	if end.Year() > 9999 {
		return end.Add(-time.Second)
	}
	return end
}
