package state_test

import (
	"slices"
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
	by := start("7", "1")
	by.Facts = append(by.Facts, state.Fact{Host: "d", Field: state.HeldUntilBy("key:build", swap), Value: "the pin"})
	other := func(o state.Outcome, step string, hosts []string) state.Entry {
		return state.Entry{Time: at, Run: "1", Secret: "key:build", Version: "1", Step: step, Hosts: hosts, Outcome: o}
	}
	keeper := start("7", "1")
	keeper.Facts = append(keeper.Facts, state.Fact{Host: "d", Field: state.Keeper, Value: "the store"})
	copied := start("7", "1") // d has a backup from its swap on, until tidy
	copied.Facts = append(copied.Facts, state.Fact{Host: "d", Field: state.MadeBy(swap), Value: "the backup"}, state.Fact{Host: "d", Field: state.HeldUntil("retire/tidy"), Value: "the backup"})
	tidy := step(state.Done, "d")
	tidy.Step = "retire/tidy"
	looked := func(but string, hosts ...string) state.Entry { // a later start, of a run that still has to do with these
		e := state.Entry{Time: at, Run: "2", Secret: "key", Before: "6", Version: "7", Outcome: state.Started,
			Facts: []state.Fact{{Field: state.Compromised, Value: "posted"}, {Field: state.LookedBut, Value: but}}}
		for _, host := range hosts {
			e.Facts = append(e.Facts, state.Fact{Host: host, Field: state.HeldUntil(swap), Value: "the file"})
		}
		return e
	}
	after := func(o state.Outcome, step string, hosts ...string) state.Entry { // of a later version
		return state.Entry{Time: at, Run: "3", Secret: "key", Version: "8", Step: step, Hosts: hosts, Outcome: o}
	}
	seen := state.Entry{Time: at, Run: "4", Step: state.LookedFor("key"), Outcome: state.Done, Facts: []state.Fact{{Field: state.LookedBut, Value: "b"}}}
	kept := after(state.Started, "")
	kept.Facts = []state.Fact{{Field: state.Keeps, Value: "6"}}
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
		{"left behind, and come to with a later version", []state.Entry{start("7", "1"), step(state.Done, "a"), end(state.Proven), after(state.Started, ""), after(state.Started, swap, "a", "b", "c"), after(state.Done, swap, "b"), after(state.Failed, swap, "c"), after(state.Proven, "")},
			map[string]state.Outcome{"a": state.Done, "b": state.Done, "c": state.Started}, "", 1},
		{"a later version that went back", []state.Entry{start("7", "1"), step(state.Done, "a"), end(state.Proven), after(state.Started, ""), after(state.Done, swap, "b"), after(state.Back, "")},
			map[string]state.Outcome{"a": state.Done, "b": state.Started, "c": state.Started}, "", 1},
		{"a later version that keeps it", []state.Entry{start("7", "1"), step(state.Done, "a"), end(state.Proven), kept, after(state.Done, swap, "b"), after(state.Proven, "")},
			map[string]state.Outcome{"a": state.Done, "b": state.Started, "c": state.Started}, "posted", 1},
		{"nothing is left, but one is away", []state.Entry{start("7", "1"), step(state.Done, "a"), end(state.Proven), seen},
			map[string]state.Outcome{"a": state.Done, "b": state.Started, "c": state.Gone}, "", 1},
		{"put back, and then done", []state.Entry{start("7", "1"), step(state.Done, "a"), end(state.Back), start("7", "2"), step(state.Done, "a", "b", "c"), end(state.Proven)},
			map[string]state.Outcome{"a": state.Done, "b": state.Done, "c": state.Done}, "", 2},
		{"one was left behind, and finished later", []state.Entry{start("7", "1"), step(state.Done, "a", "b"), end(state.Proven), end(state.Started), step(state.Done, "c"), end(state.Proven)},
			map[string]state.Outcome{"a": state.Done, "b": state.Done, "c": state.Done}, "", 2},
		{"another version came later", []state.Entry{start("7", "1"), step(state.Done, "a", "b", "c"), end(state.Proven), {Secret: "key", Version: "8", Outcome: state.Started}},
			map[string]state.Outcome{"a": state.Done, "b": state.Done, "c": state.Done}, "", 1},
		{"no step comes to one", []state.Entry{keeper, step(state.Done, "a", "b", "c"), end(state.Proven)}, map[string]state.Outcome{"a": state.Done, "d": state.Untouched}, "", 1},
		{"the run was killed before it could say what it had done", []state.Entry{start("7", "1"), step(state.Started, "a", "b", "c"), looked("c", "b"), step(state.Done, "b"), end(state.Proven)},
			map[string]state.Outcome{"a": state.Gone, "b": state.Done, "c": state.Started}, "", 2},
		{"another secret's rotation takes it out", []state.Entry{by, step(state.Done, "a", "b", "c"), end(state.Proven), other(state.Started, "", nil), other(state.Done, swap, []string{"e"}), other(state.Done, swap, []string{"d"})},
			map[string]state.Outcome{"a": state.Done, "d": state.Done}, "", 1},
		{"and puts it back", []state.Entry{by, step(state.Done, "a"), other(state.Done, swap, []string{"d"}), other(state.Back, "", nil)},
			map[string]state.Outcome{"a": state.Done, "b": state.Started, "d": state.Back}, "posted", 1},
		{"a step of another secret that is called the same", []state.Entry{start("7", "1"), other(state.Done, swap, []string{"a"})}, map[string]state.Outcome{"a": state.Started}, "posted", 1},
		{"a copy that was never made", []state.Entry{copied, step(state.Done, "a", "b", "c"), end(state.Back)}, map[string]state.Outcome{"a": state.Back, "d": ""}, "posted", 1},
		{"nor seen by a later run", []state.Entry{copied, step(state.Done, "a"), looked("", "b")}, map[string]state.Outcome{"a": state.Done, "d": ""}, "posted", 2},
		{"a copy that may have been made", []state.Entry{copied, step(state.Started, "d")}, map[string]state.Outcome{"d": state.Started}, "posted", 1},
		{"a copy that was removed", []state.Entry{copied, step(state.Done, "d"), tidy, end(state.Proven)}, map[string]state.Outcome{"d": state.Done}, "", 1},
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

// An emergency lasts until a version is proven: one that was cut off and finished with another version replaced what leaked, not what it had
// begun to give out; and one after something else was proven is another one, be it to the same version.
func TestEvidenceOfSeveral(t *testing.T) {
	at := time.Date(2026, 11, 26, 2, 0, 0, 0, time.UTC)
	start := func(run, before, version string, hosts ...string) state.Entry {
		e := state.Entry{Time: at, Run: run, Secret: "key", Before: before, Version: version, Outcome: state.Started, Facts: []state.Fact{{Field: state.Compromised, Value: "leak of " + before}}}
		for _, host := range hosts {
			e.Facts = append(e.Facts, state.Fact{Host: host, Field: state.HeldUntil("switch/swap"), Value: "the file"})
		}
		return e
	}
	of := func(run, version, step string, o state.Outcome, hosts ...string) state.Entry {
		return state.Entry{Time: at, Run: run, Secret: "key", Version: version, Step: step, Hosts: hosts, Outcome: o}
	}
	back := of("back", "7", "", state.Started)
	for _, c := range []struct {
		reason          string
		entries         []state.Entry
		earlier         []string
		before, version string
		runs            int
		became          map[string]state.Outcome
	}{
		{"finished with another version", []state.Entry{start("1", "8", "9", "a", "b"), of("1", "9", "switch/swap", state.Done, "a"), start("2", "9", "10", "a", "b"),
			of("2", "10", "switch/swap", state.Done, "a", "b"), of("2", "10", "", state.Proven)}, nil, "8", "10", 2, map[string]state.Outcome{"a": state.Done, "b": state.Done}},
		{"taken back, and again with the same version", []state.Entry{start("1", "7", "8", "a"), of("1", "8", "switch/swap", state.Done, "a"), back, of("back", "7", "", state.Proven),
			start("2", "7", "8", "a"), of("2", "8", "switch/swap", state.Unknown, "a")}, []string{"1"}, "7", "8", 1, map[string]state.Outcome{"a": state.Unknown}},
		{"one after the other", []state.Entry{start("1", "9", "10", "a", "b"), of("1", "10", "switch/swap", state.Done, "a"), of("1", "10", "", state.Proven),
			start("2", "10", "11", "a"), of("2", "11", "switch/swap", state.Done, "a", "b"), of("2", "11", "", state.Proven)}, []string{"1"}, "10", "11", 1, map[string]state.Outcome{"a": state.Done}},
	} {
		e, ok := state.EvidenceOf(c.entries, "key")
		if !ok || e.Before != c.before || e.Version != c.version || e.Why != "leak of "+c.before || len(e.Rotations) != c.runs || !slices.Equal(e.Earlier, c.earlier) {
			t.Errorf("%s: %+v", c.reason, e)
		}
		for _, p := range e.Places {
			for _, h := range p.Hosts {
				if p.Became != c.became[h] {
					t.Errorf("%s: on %s it is %s, want %s", c.reason, h, p.Became, c.became[h])
				}
			}
		}
		if c.reason == "one after the other" { // what the first left behind, the second took out
			if all := state.EvidencesOf(c.entries, "key"); len(all) != 2 || all[0].Open() != nil {
				t.Errorf("%s: %+v", c.reason, all)
			}
		}
	}
}

// A version that a run has had is not given to an emergency again.
func TestUnused(t *testing.T) {
	h := state.NewHistory([]state.Entry{{Secret: "key", Version: "8", Outcome: state.Started}, {Secret: "key", Version: "9", Outcome: state.Proven}, {Secret: "other", Version: "10", Outcome: state.Proven}})
	if n := h.Unused("key", 7); n != 10 {
		t.Errorf("%d", n)
	}
}

// What others know they know for good: only a version without it ends the compromise, and one that has it again is told.
func TestLeaked(t *testing.T) {
	told := func(version, before string, ousted ...string) state.Entry {
		e := state.Entry{Secret: "key", Before: before, Version: version, Outcome: state.Started, Facts: []state.Fact{{Field: state.Compromised, Value: "posted"}}}
		for _, part := range ousted {
			e.Facts = append(e.Facts, state.Fact{Field: state.Ousted, Value: part})
		}
		return e
	}
	of := func(version string, o state.Outcome, facts ...state.Fact) state.Entry {
		return state.Entry{Secret: "key", Version: version, Outcome: o, Facts: facts}
	}
	keeps := state.Fact{Field: state.Keeps, Value: "B499"}
	for _, c := range []struct {
		reason      string
		entries     []state.Entry
		compromised string
	}{
		{"the same one is proven", []state.Entry{told("8", "7"), of("7", state.Started), of("7", state.Proven)}, "posted"},
		{"it comes back when the new one was there", []state.Entry{told("8", "7"), of("8", state.Unknown), of("7", state.Started), of("7", state.Proven)}, "posted"},
		{"it comes back after the end", []state.Entry{told("8", "7"), of("8", state.Proven), of("7", state.Started), of("7", state.Proven)}, "posted"},
		{"it began to come back", []state.Entry{told("8", "7"), of("8", state.Proven), of("7", state.Started)}, "posted"},
		{"it began to, and was taken back", []state.Entry{told("8", "7"), of("8", state.Proven), of("7", state.Started), of("7", state.Back)}, ""},
		{"and goes for good", []state.Entry{told("8", "7"), of("7", state.Started), of("7", state.Proven), told("8", "7"), of("8", state.Proven)}, ""},
		{"it was in use beside the one before, when a run was cut off", []state.Entry{of("10", state.Started), of("10", state.Proven), of("11", state.Started), told("12", "11"), of("12", state.Proven), of("10", state.Started), of("10", state.Proven)}, "posted"},
		{"it was begun, and taken back", []state.Entry{of("10", state.Started), of("10", state.Proven), of("11", state.Started), of("11", state.Back), told("12", "10"), of("12", state.Proven), of("11", state.Started), of("11", state.Proven)}, ""},
		{"the rest of it stays, and another version finishes that", []state.Entry{told("B499", "B499+E438", "E438"), told("B499+C00D", "B499"), of("B499+C00D", state.Proven), of("B499", state.Started), of("B499", state.Proven)}, ""},
		{"another one replaces it", []state.Entry{told("8", "7"), of("9", state.Started), of("9", state.Proven)}, ""},
		{"a version that has a part of it in common", []state.Entry{told("E438", "B499+E438", "B499"), of("B499+77AA", state.Started, keeps), of("B499+77AA", state.Proven)}, "posted"},
		{"a version that has the rest of it in common", []state.Entry{told("E438", "B499+E438", "B499"), of("77AA+E438", state.Started), of("77AA+E438", state.Proven)}, ""},
	} {
		if why := state.NewHistory(c.entries).Compromised("key"); why != c.compromised {
			t.Errorf("%s: others know it: %q, want %q", c.reason, why, c.compromised)
		}
	}
	for _, c := range []struct {
		reason  string
		entries []state.Entry
		again   int
	}{
		{"it did not come back", []state.Entry{told("8", "7"), of("8", state.Proven)}, 0},
		{"it came back", []state.Entry{told("8", "7"), of("8", state.Proven), of("7", state.Started), of("7", state.Proven)}, 3},
		{"a part of it did", []state.Entry{told("E438", "B499+E438", "B499"), of("B499+77AA", state.Started, keeps)}, 2},
		{"it was taken back", []state.Entry{told("8", "7"), of("8", state.Proven), of("7", state.Started), of("7", state.Back)}, 0},
		{"it went again", []state.Entry{told("8", "7"), of("8", state.Proven), of("7", state.Started), of("7", state.Proven), of("9", state.Started), of("9", state.Proven)}, 0},
	} {
		e, _ := state.EvidenceOf(c.entries, "key")
		if got := e.Again; (got == nil) != (c.again == 0) || got != nil && got.Entry != c.again {
			t.Errorf("%s: %+v", c.reason, got)
		}
	}
	h := state.NewHistory([]state.Entry{told("8", "7"), of("8", state.Proven)})
	parts := state.NewHistory([]state.Entry{told("E438", "B499+E438", "B499")})
	for _, c := range []struct {
		h       state.History
		version string
		parts   []string
		what    string
	}{{h, "7", nil, "7"}, {h, "8", nil, ""}, {h, "", nil, ""}, {parts, "E438", []string{"E438"}, ""}, {parts, "77AA+B499", []string{"77AA", "B499"}, "B499"}} {
		if what, why := c.h.Leaked("key", c.version, c.parts); what != c.what || (why != "") != (what != "") {
			t.Errorf("%s: %q, %q", c.version, what, why)
		}
	}
}
