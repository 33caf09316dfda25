package state_test

import (
	"testing"
	"time"

	"meshrotate/state"
)

// What became of each place is the ledger's last word on the step that takes the old value out of it.
func TestEvidence(t *testing.T) {
	at := time.Date(2026, 11, 26, 2, 0, 0, 0, time.UTC)
	const swap = "switch/swap a"
	start := func(version, run string) state.Entry {
		e := state.Entry{Time: at, Run: run, Secret: "key", Before: "6", Version: version, Outcome: state.Started, Facts: []state.Fact{{Field: state.Compromised, Value: "posted"}}}
		for _, host := range []string{"a", "b", "c"} {
			e.Facts = append(e.Facts, state.Fact{Host: host, Field: state.HeldUntil(swap), Value: "the file"})
		}
		return e
	}
	step := func(o state.Outcome, hosts ...string) state.Entry {
		return state.Entry{Time: at, Run: "1", Secret: "key", Version: "7", Step: swap, Hosts: hosts, Outcome: o}
	}
	end := func(o state.Outcome) state.Entry {
		return state.Entry{Time: at, Run: "1", Secret: "key", Version: "7", Outcome: o}
	}
	for _, c := range []struct {
		reason      string
		entries     []state.Entry
		became      map[string]state.Outcome // by host
		compromised string                   // still, or again
		runs        int
	}{
		{"nothing was come to", []state.Entry{start("7", "1")}, map[string]state.Outcome{"a": state.Started, "b": state.Started, "c": state.Started}, "posted", 1},
		{"done, failed, and not known", []state.Entry{start("7", "1"), step(state.Started, "a", "b", "c"), step(state.Done, "a"), step(state.Failed, "b"), step(state.Unknown, "c")},
			map[string]state.Outcome{"a": state.Done, "b": state.Failed, "c": state.Unknown}, "posted", 1},
		{"put back", []state.Entry{start("7", "1"), step(state.Done, "a", "b"), end(state.Back)}, map[string]state.Outcome{"a": state.Back, "b": state.Back, "c": state.Started}, "posted", 1},
		{"put back, and then done", []state.Entry{start("7", "1"), step(state.Done, "a"), end(state.Back), start("7", "2"), step(state.Done, "a", "b", "c"), end(state.Proven)},
			map[string]state.Outcome{"a": state.Done, "b": state.Done, "c": state.Done}, "", 2},
		{"one was left behind, and finished later", []state.Entry{start("7", "1"), step(state.Done, "a", "b"), end(state.Proven), end(state.Started), step(state.Done, "c"), end(state.Proven)},
			map[string]state.Outcome{"a": state.Done, "b": state.Done, "c": state.Done}, "", 2},
		{"another version came later", []state.Entry{start("7", "1"), step(state.Done, "a", "b", "c"), end(state.Proven), {Secret: "key", Version: "8", Outcome: state.Started}},
			map[string]state.Outcome{"a": state.Done, "b": state.Done, "c": state.Done}, "", 1},
		{"it leaks again", []state.Entry{start("6", "0"), {Secret: "key", Version: "6", Outcome: state.Proven}, start("7", "1"), step(state.Done, "a")},
			map[string]state.Outcome{"a": state.Done, "b": state.Started, "c": state.Started}, "posted", 1},
	} {
		e, ok := state.EvidenceOf(c.entries, "key")
		got := map[string]state.Outcome{}
		for _, p := range e.Places {
			for _, h := range p.Hosts {
				got[h] = p.Became
			}
		}
		for h, want := range c.became {
			if got[h] != want {
				t.Errorf("%s: on %s it is %q, want %q", c.reason, h, got[h], want)
			}
		}
		if !ok || e.Version != "7" || e.Before != "6" || e.Why != "posted" || len(e.Rotations) != c.runs || e.Ledger.Entry != len(c.entries) {
			t.Errorf("%s: %+v", c.reason, e)
		}
		if why := state.NewHistory(c.entries).Compromised("key"); why != c.compromised {
			t.Errorf("%s: others know it: %q, want %q", c.reason, why, c.compromised)
		}
	}
	if _, ok := state.EvidenceOf([]state.Entry{end(state.Started), end(state.Proven)}, "key"); ok {
		t.Error("nobody said that it was compromised")
	}
}
