package state_test

import (
	"slices"
	"testing"

	"meshrotate/state"
)

func TestBegun(t *testing.T) {
	entry := func(version string, o state.Outcome) state.Entry {
		return state.Entry{Secret: "k", Version: version, Run: "r" + version, Outcome: o}
	}
	for _, c := range []struct {
		reason  string
		entries []state.Entry
		begun   []string
	}{
		{"nothing", nil, nil},
		{"cut off", []state.Entry{entry("1", state.Started)}, []string{"1"}},
		{"proven", []state.Entry{entry("1", state.Started), entry("1", state.Proven)}, nil},
		{"back", []state.Entry{entry("1", state.Started), entry("1", state.Back)}, nil},
		{"ahead is not at an end", []state.Entry{entry("1", state.Started), entry("1", state.Ahead)}, []string{"1"}},
		{"two, the latest first", []state.Entry{entry("1", state.Started), entry("2", state.Started)}, []string{"2", "1"}},
		{"what was proven later is the end of all before it", []state.Entry{entry("1", state.Started), entry("2", state.Started), entry("2", state.Proven)}, nil},
		{"and not of what comes after", []state.Entry{entry("1", state.Started), entry("2", state.Proven), entry("3", state.Unknown)}, []string{"3"}},
	} {
		if got := state.NewHistory(c.entries).Begun("k"); !slices.Equal(got, c.begun) {
			t.Errorf("%s: %q, want %q", c.reason, got, c.begun)
		}
	}
}

// What a run may have given out stays so when another one came back to it: that one put back what itself had done.
func TestMayBeLive(t *testing.T) {
	of := func(version, step string, o state.Outcome) state.Entry {
		return state.Entry{Secret: "key", Version: version, Step: step, Outcome: o}
	}
	proven := []state.Entry{of("6", "", state.Started), of("6", "", state.Proven), of("7", "", state.Started)}
	for _, c := range []struct {
		reason  string
		entries []state.Entry
		live    bool
	}{
		{"cut off before its first step", nil, false},
		{"cut off when it prepared", []state.Entry{of("7", "prepare/stage", state.Started)}, false},
		{"cut off in the switch", []state.Entry{of("7", "switch/swap", state.Started)}, true},
		{"taken back", []state.Entry{of("7", "switch/swap", state.Done), of("7", "", state.Back)}, false},
		{"ahead, and the next run came back to that", []state.Entry{of("7", "switch/swap", state.Done), of("7", "", state.Ahead), of("7", "", state.Started), of("7", "", state.Back)}, true},
		{"another version was begun after it", []state.Entry{of("7", "switch/swap", state.Done), of("8", "", state.Started)}, true},
		{"proven", []state.Entry{of("7", "", state.Proven)}, true},
	} {
		if got := state.NewHistory(slices.Concat(proven, c.entries)).MayBeLive("key", "7"); got != c.live {
			t.Errorf("%s: %v", c.reason, got)
		}
	}
}

// A version that replaces what others know is one that no run has given out, but for the emergency's own.
func TestFresh(t *testing.T) {
	of := func(version, step string, o state.Outcome, facts ...state.Fact) state.Entry {
		return state.Entry{Secret: "key", Version: version, Step: step, Outcome: o, Facts: facts}
	}
	told := state.Fact{Field: state.Compromised, Value: "posted"}
	for _, c := range []struct {
		reason  string
		entries []state.Entry
		fresh   bool
	}{
		{"no run has had it", nil, true},
		{"one was cut off when it prepared", []state.Entry{of("7", "", state.Started), of("7", "prepare/stage", state.Done)}, true},
		{"it was live, and replaced", []state.Entry{of("7", "", state.Proven), of("8", "", state.Proven)}, false},
		{"it was taken back", []state.Entry{of("7", "", state.Started), of("7", "", state.Back)}, false},
		{"an emergency gives it out", []state.Entry{of("7", "", state.Started, told), of("7", "switch/swap", state.Done), of("7", "", state.Ahead)}, true},
		{"an emergency is over", []state.Entry{of("7", "", state.Started, told), of("7", "", state.Proven)}, false},
	} {
		if got := state.NewHistory(c.entries).Fresh("key", "7"); got != c.fresh {
			t.Errorf("%s: %v", c.reason, got)
		}
	}
}
