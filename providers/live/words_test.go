package live

import (
	"strings"
	"testing"
	"time"

	"meshrotate/providers/site"
)

// What a relay lacks reads as a sentence, also where "the host" stands for its name, and for many.
func TestWhatARelayLacks(t *testing.T) {
	yes, no := true, false
	now := time.Date(2026, 11, 26, 2, 0, 0, 0, time.UTC)
	for want, r := range map[string]*site.RelaySeen{
		"Admin does not list relay-01, relay-02":                                             nil,
		"Admin lists relay-01, relay-02 without a word on being connected":                   {},
		"Admin lists relay-01, relay-02 as not connected":                                    {Connected: &no},
		"Admin lists relay-01, relay-02 as connected, without a heartbeat":                   {Connected: &yes},
		"Admin lists relay-01, relay-02 as connected, without a heartbeat since the restart": {Connected: &yes, Heartbeat: now},
	} {
		w := waiting{missing: []string{"relay-01", "relay-02"}, lacks: map[string]string{}}
		for _, host := range w.missing {
			w.lacks[host] = lackingOf(r, now)
		}
		if got := strings.TrimPrefix(w.clauses(), ": "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A relay whose clock is off may be listed with heartbeats by its own. None from before its restart is taken for a new one, and a new
// one is recognized by being another than the first.
func TestHeartbeatsByAClockThatIsOff(t *testing.T) {
	const minute = time.Minute
	began := time.Date(2026, 11, 26, 2, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		reason string
		skew   time.Duration
		beats  []time.Duration // as they are listed, one after the other, from the restart on
		proven bool
		date   time.Duration // how far the clock in Admin's answers is ahead of its own
	}{
		{"by Admin's clock", 0, []time.Duration{minute}, true, 0},
		{"from before", 0, []time.Duration{-minute, -minute}, false, 0},
		{"ahead, of before the restart", 4 * minute, []time.Duration{3 * minute, 3 * minute}, false, 0},
		{"ahead, and new", 4 * minute, []time.Duration{3 * minute, 4*minute + time.Second}, true, 0},
		{"ahead, and told by Admin's clock", 4 * minute, []time.Duration{time.Second, 31 * time.Second}, true, 0},
		{"behind, of before the restart", -4 * minute, []time.Duration{-5 * minute, -5 * minute}, false, 0},
		{"behind, and told late", -4 * minute, []time.Duration{-6 * minute, -5 * minute}, false, 0},
		{"behind, and new", -4 * minute, []time.Duration{-4*minute + time.Second, -3 * minute}, true, 0},
		{"behind, and told by Admin's clock", -4 * minute, []time.Duration{time.Second}, true, 0},
		{"a proxy's clock behind, of before the restart", 0, []time.Duration{-minute, -minute}, false, -4 * minute},
		{"a proxy's clock behind, and new", 0, []time.Duration{time.Second}, true, -4 * minute},
		{"a proxy's clock ahead, of before the restart", 0, []time.Duration{-minute, -minute}, false, 4 * minute},
		{"a proxy's clock ahead, and new", 0, []time.Duration{time.Second, 31 * time.Second}, true, 4 * minute},
	} {
		yes := true
		clock := adminClock{c.date, c.date, true}
		w := waiting{names: map[string]string{}, skews: map[string]time.Duration{"admin": 0}, admin: "admin", beats: map[string]time.Time{}, missing: []string{"r"}, up: map[string]time.Time{}, late: map[string]bool{}, since: map[string]time.Time{"r": began}}
		if c.skew != 0 {
			w.skews["r"] = c.skew
		}
		for _, beat := range c.beats {
			w.check(&site.RelaysSeen{Relays: []site.RelaySeen{{Name: "r", Connected: &yes, Heartbeat: began.Add(beat)}}}, clock, began)
		}
		if proven := len(w.missing) == 0; proven != c.proven {
			t.Errorf("%s: proven %v", c.reason, proven)
		}
	}
}
