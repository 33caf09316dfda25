package state_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/state"
)

var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// ledger writes entries as "version outcome [step[@host]]", an hour apart, all about one secret.
func ledger(lines ...string) state.History {
	var all []state.Entry
	for i, line := range lines {
		f := append(strings.Fields(line), "")
		step, host, _ := strings.Cut(f[2], "@")
		all = append(all, state.Entry{Time: t0.Add(time.Duration(i) * time.Hour), Run: fmt.Sprint("r", i), Secret: "k",
			Version: f[0], Outcome: state.Outcome(f[1]), Step: step, Host: host})
	}
	return state.NewHistory(all)
}

func TestWholeRotations(t *testing.T) {
	for _, c := range []struct {
		reason  string
		lines   []string
		last    string // version of LastDone
		pending string // versions of which 6, 7, 8 are pending
		proven  string
	}{
		{"nothing is known of an empty ledger", nil, "", "", ""},
		{"a start proves nothing", []string{"7 started"}, "", "7", ""},
		{"proven", []string{"7 started", "7 done"}, "7", "", "7"},
		{"a step is not the rotation", []string{"7 started", "7 done stop@a"}, "", "7", ""},
		{"failed is an outcome", []string{"7 started", "7 failed"}, "", "", ""},
		{"unknown is none", []string{"7 started", "7 unknown"}, "", "7", ""},
		{"the last rotation stays the last one proven while the next is under way", []string{"7 started", "7 done", "8 started"}, "7", "8", ""},
		{"a failure leaves the secret in doubt", []string{"7 started", "7 done", "8 started", "8 failed"}, "7", "", ""},
		{"a resumed rotation", []string{"7 started", "7 started", "7 done"}, "7", "", "7"},
		{"undone without knowing what was before", []string{"7 started", "7 failed", "7 undone"}, "", "", ""},
		{"undone after all", []string{"6 started", "6 done", "7 started", "7 done", "7 undone"}, "6", "", ""},
		{"an undo takes back one rotation of a version, not an earlier one", []string{"7 started", "7 done", "7 started", "7 failed", "7 undone"}, "7", "", ""},
		{"back and forth", []string{"7 started", "7 done", "6 started", "6 done", "7 started"}, "6", "7", ""},
		{"two cut off", []string{"6 started", "7 started"}, "", "6 7", ""},
		{"a step's failure does not end the rotation", []string{"7 started", "7 failed stop@a"}, "", "7", ""},
		{"recorded without a start", []string{"7 done"}, "7", "", "7"},
	} {
		h := ledger(c.lines...)
		last, ok := h.LastDone("k")
		if last.Version != c.last || ok != (c.last != "") {
			t.Errorf("%s: LastDone %q, %v; want %q", c.reason, last.Version, ok, c.last)
		}
		var pending []string
		for _, v := range []string{"6", "7", "8"} {
			if e, ok := h.Pending("k", v); ok && e.Version == v && e.Outcome == state.Started {
				pending = append(pending, v)
			}
		}
		if got := strings.Join(pending, " "); got != c.pending {
			t.Errorf("%s: pending %q, want %q", c.reason, got, c.pending)
		}
		if v, ok := h.Proven("k"); v != c.proven || ok != (c.proven != "") {
			t.Errorf("%s: Proven %q, %v; want %q", c.reason, v, ok, c.proven)
		}
	}
}

func TestProvenAfterAnUndo(t *testing.T) {
	entry := func(version string, o state.Outcome, before string) state.Entry {
		return state.Entry{Secret: "k", Version: version, Outcome: o, Before: before}
	}
	for _, c := range []struct {
		reason  string
		entries []state.Entry
		want    string
	}{
		{"the undo says it", []state.Entry{entry("7", state.Started, ""), entry("7", state.Undone, "6")}, "6"},
		{"the start says it", []state.Entry{entry("7", state.Started, "6"), entry("7", state.Failed, ""), entry("7", state.Undone, "")}, "6"},
		{"the first of two starts says it", []state.Entry{entry("7", state.Started, "6"), entry("7", state.Started, ""), entry("7", state.Undone, "")}, "6"},
		{"a start before another proof is too old", []state.Entry{entry("7", state.Started, "6"), entry("5", state.Done, ""), entry("7", state.Started, ""), entry("7", state.Undone, "")}, ""},
	} {
		if v, ok := state.NewHistory(c.entries).Proven("k"); v != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q, %v; want %q", c.reason, v, ok, c.want)
		}
	}
}

func TestStepDone(t *testing.T) {
	for _, c := range []struct {
		reason string
		lines  []string
		want   bool
	}{
		{"nothing", nil, false},
		{"done", []string{"7 started", "7 done set@a"}, true},
		{"done before a crash still counts in the next run", []string{"7 started", "7 done set@a", "7 started"}, true},
		{"done before a failure elsewhere", []string{"7 started", "7 done set@a", "7 failed set@b", "7 failed"}, true},
		{"finished rotations keep their steps: a host that was left behind is told from the others", []string{"7 started", "7 done set@a", "7 done"}, true},
		{"another host", []string{"7 started", "7 done set@b"}, false},
		{"another step", []string{"7 started", "7 done stop@a"}, false},
		{"another version", []string{"6 started", "6 done set@a"}, false},
		{"started is not done", []string{"7 started", "7 started set@a"}, false},
		{"tried again since", []string{"7 started", "7 done set@a", "7 started set@a"}, false},
		{"taken back by itself", []string{"7 started", "7 done set@a", "7 undone set@a"}, false},
		{"taken back with the rotation", []string{"7 started", "7 done set@a", "7 undone"}, false},
		{"overwritten by another version, maybe", []string{"7 started", "7 done set@a", "7 done", "8 started", "8 failed"}, false},
		{"overwritten, and back again", []string{"7 started", "7 done set@a", "7 done", "8 started", "8 done", "7 started"}, false},
	} {
		e, ok := ledger(c.lines...).StepDone("k", "7", "set", "a")
		if ok != c.want || ok && (e.Host != "a" || e.Step != "set") {
			t.Errorf("%s: %+v, %v", c.reason, e, ok)
		}
	}
}

func TestDue(t *testing.T) {
	day := 24 * time.Hour
	for _, c := range []struct {
		reason string
		lines  []string
		every  time.Duration
		want   time.Time
	}{
		{"never rotated: not known", nil, day, time.Time{}},
		{"no cadence", []string{"7 done"}, 0, time.Time{}},
		{"counted from the proof", []string{"7 started", "7 done"}, day, t0.Add(time.Hour + day)},
		{"a failed one does not count", []string{"7 done", "8 started", "8 failed"}, day, t0.Add(day)},
	} {
		if due, ok := ledger(c.lines...).Due("k", c.every); !due.Equal(c.want) || ok == c.want.IsZero() {
			t.Errorf("%s: %v, %v; want %v", c.reason, due, ok, c.want)
		}
	}
	if _, ok := state.NewHistory([]state.Entry{{Secret: "k", Version: "7", Outcome: state.Done}}).Due("k", day); ok {
		t.Error("a rotation without a time is due at a time")
	}
}

func TestOutages(t *testing.T) {
	h := state.NewHistory([]state.Entry{
		{Secret: "k", Version: "6", Outcome: state.Done, Outages: []state.Outage{{What: "relays", Measured: 30}}},
		{Secret: "k", Version: "7", Outcome: state.Done, Outages: []state.Outage{{What: "relays", Measured: 20}}},
		{Secret: "k", Version: "8", Outcome: state.Started},
		{Secret: "other", Version: "1", Outcome: state.Done, Outages: []state.Outage{{What: "relays", Measured: 1}}},
	})
	want := []state.Outage{{What: "relays", Measured: 20}}
	got := h.Outages("k")
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v", got)
	}
	got[0].Measured = 99
	if !reflect.DeepEqual(h.Outages("k"), want) || h.Outages("nobody") != nil {
		t.Fatal("a caller changed the history, or there are outages of nobody")
	}
}

func TestChangeLog(t *testing.T) {
	at := func(h int) time.Time { return t0.Add(time.Duration(h) * time.Hour) }
	out := []state.Outage{{What: "relays", Predicted: 21, Measured: 20}}
	h := state.NewHistory([]state.Entry{
		{Time: at(0), Run: "r0", Outcome: state.Started}, // about the run
		{Time: at(1), Run: "r1", Secret: "k", Version: "7", Before: "6", By: "a@b", Commit: "c1", Outcome: state.Started},
		{Time: at(2), Run: "r1", Secret: "license", Version: "2026", Outcome: state.Started},
		{Time: at(3), Run: "r2", Secret: "k", Version: "7", Outcome: state.Started},
		{Time: at(4), Run: "r2", Secret: "k", Version: "7", Step: "stop", Outcome: state.Failed, Detail: "a step"},
		{Time: at(5), Run: "r2", Secret: "k", Version: "7", Outcome: state.Failed, Detail: "no heartbeat"},
		{Time: at(6), Run: "r2", Secret: "k", Version: "7", Before: "6", Outcome: state.Undone, Detail: "14 files are as they were"},
		{Time: at(7), Run: "r3", Secret: "k", Version: "8", Outcome: state.Started},
		{Time: at(8), Run: "r3", Secret: "k", Version: "8", Outcome: state.Done, Detail: "13 relays", Outages: out, Left: []string{"dmz"}},
		{Time: at(9), Run: "r4", Secret: "k", Version: "9", Outcome: state.Done},
		{Time: at(10), Run: "r5", Secret: "k", Version: "10", Plan: "9c1f", Outcome: state.Started},
	})
	want := []state.Rotation{
		{Secret: "k", Version: "7", Before: "6", Run: "r1", By: "a@b", Commit: "c1", Started: at(1), Outcome: state.Unknown},
		{Secret: "k", Version: "7", Before: "6", Run: "r2", Started: at(3), Ended: at(6), Outcome: state.Undone, Detail: "no heartbeat; 14 files are as they were"},
		{Secret: "k", Version: "8", Run: "r3", Started: at(7), Ended: at(8), Outcome: state.Done, Detail: "13 relays", Outages: out, Left: []string{"dmz"}},
		{Secret: "k", Version: "9", Run: "r4", Ended: at(9), Outcome: state.Done},
		{Secret: "k", Version: "10", Run: "r5", Plan: "9c1f", Started: at(10), Outcome: state.Started},
	}
	if got := h.Rotations("k"); !reflect.DeepEqual(got, want) {
		t.Errorf("got:\n%+v\nwant:\n%+v", got, want)
	}
	all := h.Rotations("")
	if len(all) != len(want)+1 || all[1].Secret != "license" {
		t.Errorf("of all secrets: %+v", all)
	}
	if len(state.History{}.Rotations("")) != 0 || len(h.Rotations("nobody")) != 0 {
		t.Error("rotations of nobody")
	}
}

func TestZeroHistoryKnowsNothing(t *testing.T) {
	var h state.History
	_, a := h.LastDone("k")
	_, b := h.Pending("k", "7")
	_, c := h.Proven("k")
	_, d := h.StepDone("k", "7", "s", "h")
	_, e := h.Due("k", time.Hour)
	if slices.Contains([]bool{a, b, c, d, e}, true) {
		t.Fatal("the history of nothing knows something")
	}
}
