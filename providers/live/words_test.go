package live

import (
	"slices"
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

// A relay whose clock is off may be listed with heartbeats by its own, and a list may be older than its answer. No heartbeat from
// before a restart is taken for a new one; a new one is recognized, be it later, as another than the first.
func TestHeartbeatsByAClockThatIsOff(t *testing.T) {
	const minute, s = time.Minute, time.Second
	began := time.Date(2026, 11, 26, 2, 0, 0, 0, time.UTC)
	type listed struct{ at, beat time.Duration } // both from the restart on
	for _, c := range []struct {
		reason string
		skew   time.Duration
		lists  []listed
		proven bool
		date   time.Duration // how far the clock in Admin's answers is ahead of its own
	}{
		{"by Admin's clock", 0, []listed{{minute, minute}}, true, 0},
		{"from before", 0, []listed{{minute, -minute}, {2 * minute, -minute}}, false, 0},
		{"a little ahead, of before the restart", 5 * s, []listed{{s, 2 * s}, {minute, 2 * s}}, false, 0},
		{"a little ahead, and new", 5 * s, []listed{{s, 2 * s}, {6 * s, 11 * s}}, true, 0},
		{"ahead, of before the restart", 4 * minute, []listed{{s, 3 * minute}, {2 * minute, 3 * minute}}, false, 0},
		{"ahead, and listed late", 4 * minute, []listed{{s, 3 * minute}, {20 * s, 4*minute - s}}, false, 0},
		{"ahead, and new", 4 * minute, []listed{{s, 3 * minute}, {2 * s, 4*minute + s}}, true, 0},
		{"ahead, and told by Admin's clock", 4 * minute, []listed{{s, s}, {61 * s, 31 * s}, {92 * s, 91 * s}}, true, 0},
		{"behind, of before the restart", -4 * minute, []listed{{s, -5 * minute}, {2 * minute, -5 * minute}}, false, 0},
		{"behind, and told late", -4 * minute, []listed{{s, -6 * minute}, {20 * s, -5 * minute}}, false, 0},
		{"behind, and new", -4 * minute, []listed{{61 * s, -4*minute + 61*s}, {91 * s, -4*minute + 91*s}}, true, 0},
		{"behind, and told by Admin's clock", -4 * minute, []listed{{s, s}}, true, 0},
		{"a proxy's clock behind, of before the restart", 0, []listed{{s, -minute}, {2 * minute, -minute}}, false, -4 * minute},
		{"a proxy's clock behind, and new", 0, []listed{{s, s}}, true, -4 * minute},
		{"a proxy's clock ahead, of before the restart", 0, []listed{{s, -minute}, {2 * minute, -minute}}, false, 4 * minute},
		{"a proxy's clock ahead, and new", 0, []listed{{s, s}, {61 * s, 31 * s}, {92 * s, 91 * s}}, true, 4 * minute},
		{"by nobody's clock, of before the restart", 0, []listed{{s, 20 * s}, {2 * minute, 20 * s}}, false, 0},
		{"by nobody's clock, and listed late", 0, []listed{{s, 20 * s}, {20 * s, 25 * s}}, false, 0},
		{"by nobody's clock, and new", 0, []listed{{s, 20 * s}, {61 * s, 81 * s}, {91 * s, 111 * s}}, true, 0},
	} {
		yes := true
		clock := adminClock{c.date, c.date, true}
		w := waiting{names: map[string]string{}, skews: map[string]time.Duration{"admin": 0}, admin: "admin", lag: minute, beats: map[string]time.Time{}, missing: []string{"r"}, up: map[string]time.Time{}, late: map[string]bool{}, since: map[string]time.Time{"r": began}}
		if c.skew != 0 {
			w.skews["r"] = c.skew
		}
		for _, l := range c.lists {
			list := site.RelaysSeen{Time: began.Add(l.at + c.date), Relays: []site.RelaySeen{{Name: "r", Connected: &yes, Heartbeat: began.Add(l.beat)}}}
			w.check(&list, clock, began.Add(l.at))
		}
		if proven := len(w.missing) == 0; proven != c.proven {
			t.Errorf("%s: proven %v", c.reason, proven)
		}
	}
}

// How long a relay with a wrong clock was down is not measured by how long its proof took: that is the most.
func TestTheProofsOwnWaitIsNoOutage(t *testing.T) {
	began, yes := time.Date(2026, 11, 26, 2, 0, 0, 0, time.UTC), true
	for reason, c := range map[string]struct {
		skew time.Duration
		beat []time.Duration // of lists every 20 s
		late bool
	}{
		"its clock is right":                    {0, []time.Duration{-time.Second, 19 * time.Second}, false},
		"its clock is ahead, which is not sure": {4 * time.Minute, []time.Duration{-time.Second, 19 * time.Second, 39 * time.Second, 59 * time.Second, 79 * time.Second}, true},
	} {
		w := waiting{names: map[string]string{}, skews: map[string]time.Duration{"admin": 0, "r": c.skew}, admin: "admin", lag: time.Minute, beats: map[string]time.Time{}, missing: []string{"r"},
			up: map[string]time.Time{}, late: map[string]bool{}, since: map[string]time.Time{"r": began}}
		for i, beat := range c.beat {
			at := began.Add(time.Duration(i+1) * 20 * time.Second)
			w.before = at.Add(-time.Second) // it is looked at every second
			w.check(&site.RelaysSeen{Time: at, Relays: []site.RelaySeen{{Name: "r", Connected: &yes, Heartbeat: began.Add(beat)}}}, adminClock{known: true}, at)
		}
		if len(w.missing) > 0 || w.late["r"] != c.late {
			t.Errorf("%s: missing %v, at most %v", reason, w.missing, w.late)
		}
	}
}

// What a clock that nobody knows has proven so far is waited for again.
func TestWhatAnUnknownClockHasProven(t *testing.T) {
	began, yes := time.Date(2026, 11, 26, 2, 0, 0, 0, time.UTC), true
	w := waiting{lag: time.Minute, beats: map[string]time.Time{}, missing: []string{"a", "b"}, up: map[string]time.Time{}, late: map[string]bool{}, since: map[string]time.Time{"a": began, "b": began}}
	for _, at := range []time.Duration{16 * time.Second, 30 * time.Second} {
		list := site.RelaysSeen{Time: began.Add(at), Relays: []site.RelaySeen{{Name: "a", Connected: &yes, Heartbeat: began.Add(15 * time.Second)}}}
		if at == 30*time.Second {
			list.Relays = append(list.Relays, site.RelaySeen{Name: "b", Connected: &yes, Heartbeat: began.Add(49 * time.Second)})
		}
		w.check(&list, adminClock{known: true}, began.Add(at))
	}
	if len(w.missing) != 2 || len(w.up) != 0 {
		t.Errorf("missing %v, up %v", w.missing, w.up)
	}
}

// Who was connected for a moment only does not work; who is connected again worked since the first time.
func TestWhoFallsAgain(t *testing.T) {
	began, yes, no := time.Date(2026, 11, 26, 2, 0, 0, 0, time.UTC), true, false
	w := waiting{lag: time.Minute, beats: map[string]time.Time{}, missing: []string{"a", "b"}, up: map[string]time.Time{}, late: map[string]bool{}, since: map[string]time.Time{"a": began, "b": began}}
	look := func(at time.Duration, a, b *bool) {
		list := site.RelaysSeen{Time: began.Add(at)}
		for name, connected := range map[string]*bool{"a": a, "b": b} {
			if connected != nil {
				list.Relays = append(list.Relays, site.RelaySeen{Name: name, Connected: connected, Heartbeat: began.Add(at - time.Second)})
			}
		}
		w.check(&list, adminClock{known: true}, began.Add(at))
	}
	look(15*time.Second, &yes, &no)
	first := w.up["a"]
	for i, a := range []*bool{&no, nil} {
		look(time.Duration(30+10*i)*time.Second, a, &yes)
		if want := []string{"a"}; !slices.Equal(w.missing, want) || !strings.Contains(w.clauses(), " a") || !strings.Contains(w.clauses(), ", though it was connected at 02:00:15 UTC") {
			t.Errorf("missing %v%s, want %v", w.missing, w.clauses(), want)
		}
		look(time.Duration(35+10*i)*time.Second, &yes, &yes)
		if len(w.missing) > 0 || first.IsZero() || !w.up["a"].Equal(first) {
			t.Errorf("missing %v, up %v", w.missing, w.up)
		}
	}
}
