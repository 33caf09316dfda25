package state_test

import (
	"fmt"
	"testing"
	"time"

	"meshrotate/state"
)

// What a run without an end has stopped, by the stops and starts that it has recorded.
func TestTurned(t *testing.T) {
	at := time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC)
	whole := func(o state.Outcome, run string) state.Entry {
		return state.Entry{Run: run, Secret: "key", Version: "7", Outcome: o}
	}
	stop := func(o state.Outcome, after int, hosts ...string) state.Entry {
		return state.Entry{Secret: "key", Version: "7", Step: "switch/stop x", Stops: "x", Outcome: o, Hosts: hosts, Time: at.Add(time.Duration(after) * time.Second)}
	}
	start := func(o state.Outcome, after int, hosts ...string) state.Entry {
		e := stop(o, after, hosts...)
		e.Step, e.Stops, e.Starts = "switch/start x", "", "x"
		return e
	}
	began := whole(state.Started, "r1")
	for _, c := range []struct {
		reason  string
		entries []state.Entry
		turned  string
	}{
		{"nothing was stopped", []state.Entry{began}, "[]"},
		{"its stop was begun", []state.Entry{began, stop(state.Started, 1, "a", "b")}, "[a,b 1 false false]"},
		{"and done on one", []state.Entry{began, stop(state.Started, 1, "a", "b"), stop(state.Done, 2, "a")}, "[a 1 true false b 1 false false]"},
		{"and failed on one", []state.Entry{began, stop(state.Started, 1, "a", "b"), stop(state.Failed, 2, "a")}, "[b 1 false false]"},
		{"it was to be started", []state.Entry{began, stop(state.Started, 1, "a"), start(state.Started, 1, "a"), start(state.Unknown, 2, "a")}, "[a 1 false false]"},
		{"it was started", []state.Entry{began, stop(state.Started, 1, "a"), stop(state.Done, 2, "a"), start(state.Done, 2, "a")}, "[a 1 true true]"},
		{"and stopped again on the way back", []state.Entry{began, stop(state.Done, 1, "a"), start(state.Done, 2, "a"), stop(state.Started, 3, "a")}, "[a 1 true false]"},
		{"what only was started was not down", []state.Entry{began, start(state.Done, 2, "a")}, "[]"},
		{"the run has told its end", []state.Entry{began, stop(state.Started, 1, "a"), whole(state.Unknown, "r1")}, "[]"},
		{"a later run has taken over", []state.Entry{began, stop(state.Started, 1, "a"), whole(state.Started, "r2")}, "[a 1 false false]"},
	} {
		var got []any
		for _, r := range state.NewHistory(c.entries).Rotations("key")[:1] {
			for _, of := range r.Turned {
				hosts := of.Hosts[0]
				for _, h := range of.Hosts[1:] {
					hosts += "," + h
				}
				got = append(got, hosts, int(of.At.Sub(at).Seconds()), of.Stopped, of.Started)
			}
		}
		if s := fmt.Sprint(got); s != c.turned {
			t.Errorf("%s: %s, not %s", c.reason, s, c.turned)
		}
	}
}

// What a run for another version stopped that was cut off is not forgotten because a later one was started for its own; an end tells it.
func TestUntold(t *testing.T) {
	at := time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC)
	entry := func(version, step string, o state.Outcome, hosts ...string) state.Entry {
		at = at.Add(time.Second)
		e := state.Entry{Secret: "key", Version: version, Step: step, Outcome: o, Hosts: hosts, Time: at}
		if step != "" {
			e.Stops = "x"
		}
		return e
	}
	entries := []state.Entry{entry("7", "", state.Started), entry("7", "stop", state.Started, "a"), entry("7", "stop", state.Done, "a"),
		entry("8", "", state.Started), entry("8", "stop", state.Started, "a"), entry("9", "", state.Started)}
	h := state.NewHistory(entries)
	if began, last, ok := h.Untold("key", "stop", "a"); !ok || !began.Equal(entries[1].Time) || last != state.Started {
		t.Errorf("%v %s %v", began, last, ok)
	}
	if down := h.DownElsewhere(func(string, string) bool { return false }); len(down) != 1 || down[0].Host != "a" {
		t.Errorf("%+v", down)
	}
	h = state.NewHistory(append(entries, entry("9", "", state.Back)))
	if began, _, ok := h.Untold("key", "stop", "a"); ok {
		t.Errorf("told, and since %v", began)
	}
}
