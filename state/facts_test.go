package state_test

import (
	"testing"

	"meshrotate/state"
)

func TestFacts(t *testing.T) {
	// word is an entry that tells "machine" of engine01 unless value is "".
	word := func(o state.Outcome, step, value string) state.Entry {
		e := state.Entry{Secret: "k", Version: "7", Outcome: o, Step: step}
		if value != "" {
			e.Facts = []state.Fact{{Host: "engine01", Field: "machine", Value: value}}
		}
		return e
	}
	for _, c := range []struct {
		reason  string
		entries []state.Entry
		want    string
	}{
		{"nothing was told", []state.Entry{word(state.Started, "", "")}, ""},
		{"known before the effect", []state.Entry{word(state.Started, "", "a")}, "a"},
		{"by a step too", []state.Entry{word(state.Started, "stop", "a")}, "a"},
		{"a step's end does not end it", []state.Entry{word(state.Started, "stop", "a"), word(state.Done, "stop", "")}, "a"},
		{"until it is proven", []state.Entry{word(state.Started, "", "a"), word(state.Proven, "", "")}, ""},
		{"until it is back", []state.Entry{word(state.Started, "stop", "a"), word(state.Back, "", "")}, ""},
		{"a failure does not end it: the next run may need it", []state.Entry{word(state.Started, "", "a"), word(state.Failed, "", "")}, "a"},
		{"back to a run that was cut off: what that one foresaw may still be so", []state.Entry{word(state.Started, "", "a"), word(state.Started, "", ""), word(state.Back, "", "")}, "a"},
		{"a proof of a step is not that of the rotation", []state.Entry{word(state.Started, "", "a"), word(state.Proven, "stop", "")}, "a"},
		{"ahead and unknown do not end it: the next run goes on from there", []state.Entry{word(state.Started, "", "a"), word(state.Ahead, "", ""), word(state.Started, "", ""), word(state.Unknown, "", "")}, "a"},
		{"told with an outcome, it stays", []state.Entry{word(state.Done, "push", "a"), word(state.Proven, "", ""), word(state.Started, "", ""), word(state.Back, "", "")}, "a"},
		{"told with the ending itself, it stays", []state.Entry{word(state.Started, "", "a"), word(state.Proven, "", "b"), word(state.Proven, "", "")}, "b"},
		{"the latest counts", []state.Entry{word(state.Done, "push", "a"), word(state.Done, "push", "b")}, "b"},
		{"told again at a start, the older one is gone for good: it may no longer be so", []state.Entry{word(state.Done, "push", "a"), word(state.Started, "", "b"), word(state.Back, "", "")}, ""},
	} {
		h := state.NewHistory(c.entries)
		if v, ok := h.Fact("k", "engine01", "machine"); v != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q, %v; want %q", c.reason, v, ok, c.want)
		}
		for _, other := range [][3]string{{"other", "engine01", "machine"}, {"k", "", "machine"}, {"k", "engine01", "name"}} {
			if v, ok := h.Fact(other[0], other[1], other[2]); ok {
				t.Errorf("%s: %v knows %q", c.reason, other, v)
			}
		}
	}
	many := state.NewHistory([]state.Entry{
		{Secret: "k", Version: "7", Outcome: state.Done, Facts: []state.Fact{{Host: "a", Field: "f", Value: "1"}}},
		{Secret: "k", Version: "7", Outcome: state.Done, Facts: []state.Fact{{Host: "b", Field: "f", Value: "2"}}},
	})
	if v, _ := many.Fact("k", "a", "f"); v != "1" {
		t.Errorf("what another entry told of another host replaced it: %q", v)
	}
}

// On a host that was left behind nothing is at an end, and a way back to something that is pending ends nothing either.
func TestFactsOfWhoWasLeftBehind(t *testing.T) {
	whole := func(version string, o state.Outcome, left ...string) state.Entry {
		return state.Entry{Secret: "k", Version: version, Outcome: o, Left: left}
	}
	of := func(run string, e state.Entry) state.Entry {
		e.Run = run
		return e
	}
	down := func(version, host string) state.Entry {
		e := whole(version, state.Proven)
		e.Outages = []state.Outage{{What: host, Host: host, Service: "s", Since: t0}}
		return e
	}
	told := state.Entry{Secret: "k", Version: "7", Outcome: state.Started, Step: "stop", Hosts: []string{"a", "b"},
		Facts: []state.Fact{{Host: "a", Field: "f", Value: "x"}, {Host: "b", Field: "f", Value: "y"}}}
	for _, c := range []struct {
		reason  string
		entries []state.Entry
		a, b    bool
	}{
		{"proven", []state.Entry{whole("7", state.Started), told, whole("7", state.Proven)}, false, false},
		{"proven, without b", []state.Entry{whole("7", state.Started), told, whole("7", state.Proven, "b")}, false, true},
		{"and then with it", []state.Entry{whole("7", state.Started), told, whole("7", state.Proven, "b"), whole("7", state.Started), whole("7", state.Proven)}, false, false},
		{"proven, without b, and another version went back", []state.Entry{whole("7", state.Started), told, whole("7", state.Proven, "b"), of("r2", whole("8", state.Started)), of("r2", whole("8", state.Back))}, false, true},
		{"and what that one told itself is at an end", []state.Entry{whole("7", state.Started), told, whole("7", state.Proven, "b"), of("r2", whole("8", state.Started)), of("r2", told), of("r2", whole("8", state.Back))}, false, false},
		{"cut off, and another version was proven without b, which is down still", []state.Entry{whole("7", state.Started), told, whole("8", state.Started), down("8", "b")}, false, true},
		{"and then it was up", []state.Entry{whole("7", state.Started), told, whole("8", state.Started), down("8", "b"), whole("9", state.Started), whole("9", state.Proven)}, false, false},
		{"cut off, and another version went back", []state.Entry{whole("7", state.Started), told, whole("8", state.Started), whole("8", state.Back)}, true, true},
	} {
		h := state.NewHistory(c.entries)
		if _, a := h.Fact("k", "a", "f"); a != c.a {
			t.Errorf("%s: of a %v", c.reason, a)
		}
		if _, b := h.Fact("k", "b", "f"); b != c.b {
			t.Errorf("%s: of b %v", c.reason, b)
		}
	}
}
