package state_test

import (
	"reflect"
	"testing"
	"time"

	"meshrotate/state"
)

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
		{Time: at(6), Run: "r2", Secret: "k", Version: "7", Before: "6", Outcome: state.Back, Detail: "14 files are as they were"},
		{Time: at(7), Run: "r3", Secret: "k", Version: "8", Outcome: state.Started},
		{Time: at(8), Run: "r3", Secret: "k", Version: "8", Outcome: state.Proven, Detail: "13 relays", Outages: out, Left: []string{"dmz"}},
		{Time: at(9), Run: "r4", Secret: "k", Version: "9", Outcome: state.Proven},
		{Time: at(10), Run: "r5", Secret: "k", Version: "10", Plan: "9c1f", Outcome: state.Started},
	})
	want := []state.Rotation{
		{Secret: "k", Version: "7", Before: "6", Run: "r1", By: "a@b", Commit: "c1", Started: at(1), Outcome: state.Unknown},
		{Secret: "k", Version: "7", Before: "6", Run: "r2", Started: at(3), Ended: at(6), Outcome: state.Back, Detail: "no heartbeat; 14 files are as they were"},
		{Secret: "k", Version: "8", Run: "r3", Started: at(7), Ended: at(8), Outcome: state.Proven, Detail: "13 relays", Outages: out, Left: []string{"dmz"}},
		{Secret: "k", Version: "9", Run: "r4", Ended: at(9), Outcome: state.Proven},
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

// Later words add to a rotation, and take nothing from it.
func TestChangeLogKeepsWhatWasSaid(t *testing.T) {
	out := []state.Outage{{What: "relays", Measured: 20}}
	word := func(o state.Outcome, e state.Entry) state.Entry {
		e.Secret, e.Version, e.Outcome = "k", "7", o
		return e
	}
	h := state.NewHistory([]state.Entry{
		word(state.Started, state.Entry{Before: "6"}),
		word(state.Failed, state.Entry{Detail: "no heartbeat", Outages: out, Left: []string{"dmz"}}),
		word(state.Failed, state.Entry{Detail: "no heartbeat", Before: "5"}),
		word(state.Back, state.Entry{}),
	})
	want := []state.Rotation{{Secret: "k", Version: "7", Before: "6", Outcome: state.Back, Detail: "no heartbeat", Outages: out, Left: []string{"dmz"}}}
	if got := h.Rotations("k"); !reflect.DeepEqual(got, want) {
		t.Errorf("got:\n%+v\nwant:\n%+v", got, want)
	}
	h = state.NewHistory([]state.Entry{word(state.Proven, state.Entry{Outages: out, Left: []string{"dmz"}})})
	if got := h.Rotations("k"); !reflect.DeepEqual(got[0].Outages, out) || len(got[0].Left) != 1 {
		t.Errorf("recorded without a start: %+v", got)
	}
}

// A run that finishes a version on hosts that were left behind makes it no younger.
func TestSince(t *testing.T) {
	for _, c := range []struct {
		reason string
		lines  []string
		run    string // "" for none
	}{
		{"never proven", []string{"7 started"}, ""},
		{"proven", []string{"7 started", "7 proven"}, "r1"},
		{"finished later", []string{"7 proven", "7 started", "7 proven"}, "r0"},
		{"in three runs, one of which failed", []string{"7 proven", "7 started", "7 failed", "7 started", "7 proven"}, "r0"},
		{"another version was live between", []string{"7 proven", "8 started", "8 proven", "7 started", "7 proven"}, "r4"},
		{"another version's run proved nothing", []string{"7 proven", "8 started", "8 failed", "7 started", "7 proven"}, "r0"},
	} {
		if e, ok := ledger(c.lines...).Since("k"); e.Run != c.run || ok != (c.run != "") {
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
		{"no cadence", []string{"7 proven"}, 0, time.Time{}},
		{"counted from the proof", []string{"7 started", "7 proven"}, day, t0.Add(time.Hour + day)},
		{"a failed one does not count", []string{"7 proven", "8 started", "8 failed"}, day, t0.Add(day)},
	} {
		if due, ok := ledger(c.lines...).Due("k", c.every); !due.Equal(c.want) || ok == c.want.IsZero() {
			t.Errorf("%s: %v, %v; want %v", c.reason, due, ok, c.want)
		}
	}
	if _, ok := state.NewHistory([]state.Entry{{Secret: "k", Version: "7", Outcome: state.Proven}}).Due("k", day); ok {
		t.Error("a rotation without a time is due at a time")
	}
}
