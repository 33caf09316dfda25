package state_test

import (
	"testing"

	"meshrotate/state"
)

// A copy that a run before the emergency made of what others know is a place of its own, unless somebody has taken it away since.
func TestEvidenceOfEarlierCopies(t *testing.T) {
	const swap, tidy = "switch/swap a", "retire/tidy"
	start := func(before, version string) state.Entry {
		return state.Entry{Secret: "key", Before: before, Version: version, Outcome: state.Started}
	}
	step := func(name string, o state.Outcome, hosts ...string) state.Entry {
		return state.Entry{Secret: "key", Version: "7", Step: name, Hosts: hosts, Outcome: o}
	}
	back := state.Entry{Secret: "key", Version: "7", Outcome: state.Back}
	emergency := start("6", "8")
	emergency.Facts = []state.Fact{{Field: state.Compromised, Value: "posted"}, {Field: state.LookedBut, Value: "a"},
		{Host: "a", Field: state.MadeBy(swap), Value: "the backup"}, {Host: "a", Field: state.HeldUntil(tidy), Value: "the backup"}}
	for _, c := range []struct {
		reason  string
		earlier []state.Entry
		named   bool
	}{
		{"no run was there", nil, false},
		{"a run was killed after it was made", []state.Entry{start("6", "7"), step(swap, state.Started, "a", "b"), step(swap, state.Done, "a")}, true},
		{"a run was killed while it was made", []state.Entry{start("6", "7"), step(swap, state.Started, "a")}, true},
		{"it could not be made", []state.Entry{start("6", "7"), step(swap, state.Started, "a"), step(swap, state.Failed, "a")}, false},
		{"it was taken away", []state.Entry{start("6", "7"), step(swap, state.Done, "a"), step(tidy, state.Done, "a")}, false},
		{"all was put back", []state.Entry{start("6", "7"), step(swap, state.Done, "a"), back}, false},
		{"it holds what was there before that", []state.Entry{start("5", "7"), step(swap, state.Done, "a")}, false},
		{"it is on another host", []state.Entry{start("6", "7"), step(swap, state.Done, "b")}, false},
	} {
		v, ok := state.EvidenceOf(append(c.earlier, emergency), "key")
		if named := len(v.Places) == 1 && v.Places[0].Place == "the backup" && v.Places[0].Became == state.Started; !ok || named != c.named {
			t.Errorf("%s: %+v", c.reason, v.Places)
		}
	}
}
