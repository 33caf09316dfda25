package specs_test

import (
	"encoding/json"
	"testing"
	"time"

	"meshrotate/specs"
)

// A window is open by the clock on the wall of its zone: across midnight, and on the days on which clocks are changed.
func TestWindow(t *testing.T) {
	for _, c := range []struct {
		window, now string // UTC
		open        bool
		next        string // UTC, when it is not
	}{
		{"Mon-Fri 22:00-04:00 Europe/Zurich", "2026-11-26T21:00:00Z", true, ""}, // Thursday, 22:00 there
		{"Mon-Fri 22:00-04:00 Europe/Zurich", "2026-11-26T20:59:59Z", false, "2026-11-26T21:00:00Z"},
		{"Mon-Fri 22:00-04:00 Europe/Zurich", "2026-11-28T02:59:59Z", true, ""},                      // Saturday morning is Friday's
		{"Mon-Fri 22:00-04:00 Europe/Zurich", "2026-11-28T03:00:00Z", false, "2026-11-30T21:00:00Z"}, // until Monday
		{"Mon-Fri 22:00-04:00 Europe/Zurich", "2026-11-30T01:00:00Z", false, "2026-11-30T21:00:00Z"}, // Monday morning would be Sunday's
		{"Sat,Sun 00:00-24:00 UTC", "2026-11-28T00:00:00Z", true, ""},
		{"Sat,Sun 00:00-24:00 UTC", "2026-11-29T23:59:59Z", true, ""},
		{"Sat,Sun 00:00-24:00 UTC", "2026-11-30T00:00:00Z", false, "2026-12-05T00:00:00Z"},
		{"daily 01:00-05:00 America/New_York", "2026-11-26T06:30:00Z", true, ""},
		{"Fri-Mon 10:00-11:00 UTC", "2026-11-25T10:30:00Z", false, "2026-11-27T10:00:00Z"},
		{"Fri-Mon 10:00-11:00 UTC", "2026-11-29T10:30:00Z", true, ""},
		// On 28 March 2027 02:00 becomes 03:00 in Zurich: the window is an hour shorter. On 31 October 03:00 becomes 02:00.
		{"daily 01:00-04:00 Europe/Zurich", "2027-03-28T00:00:00Z", true, ""},
		{"daily 01:00-04:00 Europe/Zurich", "2027-03-28T02:00:00Z", false, "2027-03-28T23:00:00Z"},
		{"daily 01:00-04:00 Europe/Zurich", "2027-10-31T02:59:59Z", true, ""},
		{"daily 02:00-03:00 Europe/Zurich", "2027-03-28T00:30:00Z", false, "2027-03-29T00:00:00Z"}, // an hour that there is not
		{"Sun 02:15-02:45 Europe/Zurich", "2026-03-29T01:20:00Z", false, "2026-04-05T00:15:00Z"},   // 03:20 there
		{"Sun 01:30-02:30 Europe/Zurich", "2026-03-29T01:20:00Z", false, "2026-04-04T23:30:00Z"},
		{"Sun 02:30-03:30 Europe/Zurich", "2026-03-29T00:59:59Z", false, "2026-03-29T01:00:00Z"}, // it begins at 03:00
		{"Sun 02:30-03:30 Europe/Zurich", "2026-03-29T01:10:00Z", true, ""},
		{"Sun 01:30-02:30 Europe/Zurich", "2026-10-25T00:40:00Z", false, "2026-10-25T01:00:00Z"}, // 02:40, the first time: 02:00 comes again
		{"Sun 02:30-03:30 Europe/Zurich", "2026-10-25T00:40:00Z", true, ""},
	} {
		w, err := specs.ParseWindow(c.window)
		if err != nil {
			t.Fatal(err)
		}
		now, _ := time.Parse(time.RFC3339, c.now)
		until, open := w.Open(now)
		if open != c.open || open && !until.After(now) {
			t.Errorf("%s at %s: %v until %v", c.window, c.now, open, until)
		}
		if next := w.Next(now).UTC().Format(time.RFC3339); !open && next != c.next {
			t.Errorf("%s at %s: opens at %s, not %s", c.window, c.now, next, c.next)
		}
		p := specs.Policy{Window: []string{c.window}}
		if next, allowed := p.Allowed(now); allowed != c.open || !allowed && !next.Equal(w.Next(now)) {
			t.Errorf("%s at %s: allowed %v, next %v", c.window, c.now, allowed, next)
		}
	}
	if _, allowed := (specs.Policy{}).Allowed(time.Now()); !allowed {
		t.Error("without a window nothing is allowed")
	}
}

func TestBadWindows(t *testing.T) {
	for _, text := range []string{"", "Mon", "Mon 22:00-04:00", "Mon 22:00-04:00 Mars/Olympus", "Mon 22:00-04:00 Local", "Moon 22:00-04:00 UTC", "Mon-Sunday 22:00-04:00 UTC",
		"Mon 22-04 UTC", "Mon 22:00 UTC", "Mon 25:00-26:00 UTC", "Mon 1:00-2:00 UTC", "Mon, 22:00-04:00 UTC", "Mon 22:00-04:00 UTC UTC", "Mon 10:00-10:00 UTC"} {
		if w, err := specs.ParseWindow(text); err == nil {
			t.Errorf("%q is %v", text, w)
		}
	}
}

// For ever ends in the last year that JSON can say.
func TestTheEndOfTheLastDay(t *testing.T) {
	for day, want := range map[string]string{"9999-12-31": "9999-12-31T23:59:59Z", "9999-12-30": "9999-12-31T00:00:00Z"} {
		if got, err := json.Marshal((specs.Suspension{Until: day}).Ends()); err != nil || string(got) != `"`+want+`"` {
			t.Errorf("%s: %s, %v", day, got, err)
		}
	}
}
