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
