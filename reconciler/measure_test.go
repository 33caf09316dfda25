package reconciler_test

import (
	"slices"
	"testing"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// An outage runs from a stop to the moment that showed it up again, whoever tells it first. What never came back is told with
// the time since when.
func TestHowLongItWasDown(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(1000+s), 0) }
	times := func(what string, s ...int) []map[string]time.Time {
		var all []map[string]time.Time
		for _, x := range s {
			all = append(all, map[string]time.Time{what: at(x)})
		}
		return all
	}
	for _, c := range []struct {
		reason   string
		down, up []map[string]time.Time
		members  []string
		want     []state.Outage
	}{
		{"one", times("r1", 1), times("r1", 4), []string{"r1"}, []state.Outage{{What: "relays", Predicted: 9, Measured: 3}, {What: "r1", Measured: 3}}},
		{"stopped twice, the earlier one counts", times("r1", 2, 1), times("r1", 4), []string{"r1"}, []state.Outage{{What: "relays", Predicted: 9, Measured: 3}, {What: "r1", Measured: 3}}},
		{"stopped again later", times("r1", 1, 2), times("r1", 4), []string{"r1"}, []state.Outage{{What: "relays", Predicted: 9, Measured: 3}, {What: "r1", Measured: 3}}},
		{"back twice, the later one counts", times("r1", 1), times("r1", 4, 6), []string{"r1"}, []state.Outage{{What: "relays", Predicted: 9, Measured: 5}, {What: "r1", Measured: 5}}},
		{"told late", times("r1", 1), times("r1", 6, 4), []string{"r1"}, []state.Outage{{What: "relays", Predicted: 9, Measured: 5}, {What: "r1", Measured: 5}}},
		{"never back", times("r1", 1), nil, []string{"r1"}, []state.Outage{{What: "relays", Predicted: 9, Since: at(1)}, {What: "r1", Since: at(1)}}},
		{"never stopped", nil, times("r1", 4), []string{"r1"}, nil},
		{"back before it was stopped: that was another stop", times("r1", 5), times("r1", 4), []string{"r1"}, []state.Outage{{What: "relays", Predicted: 9, Since: at(5)}, {What: "r1", Since: at(5)}}},
		{"a fleet, the first of which is the last back", append(times("r1", 1), times("r2", 3)...), append(times("r1", 9), times("r2", 5)...), []string{"r1", "r2"},
			[]state.Outage{{What: "relays", Predicted: 9, Measured: 8}, {What: "r1", Measured: 8}, {What: "r2", Measured: 2}}},
		{"a fleet, one of which stayed up and one down", append(times("r1", 2), times("r3", 1)...), append(times("r1", 9), times("r2", 99)...), []string{"r3", "r2", "r1"},
			[]state.Outage{{What: "relays", Predicted: 9, Measured: 7, Since: at(1)}, {What: "r3", Since: at(1)}, {What: "r1", Measured: 7}}},
		{"others are none of its own", append(times("r1", 2), times("x", 0)...), append(times("r1", 9), times("x", 50)...), []string{"r1"}, []state.Outage{{What: "relays", Predicted: 9, Measured: 7}, {What: "r1", Measured: 7}}},
	} {
		r := rotation{name: "a", with: func(ch *reconciler.Change) {
			ch.Outages = []state.Outage{{What: "relays", Predicted: 9, Members: c.members}}
		}}
		next := func(key string) { // one step after the other, on one host
			s := step(reconciler.Switch, "h", key)
			r.steps = append(r.steps, s)
		}
		answers := map[string]reconciler.Report{}
		for i, d := range c.down {
			key := "down " + string(rune('a'+i))
			next(key)
			answers[key] = reconciler.Report{Outcome: state.Done, Down: d, Evidence: "x"}
		}
		for i, u := range c.up {
			key := "up " + string(rune('a'+i))
			next(key)
			answers[key] = reconciler.Report{Outcome: state.Done, Up: u, Evidence: "x"}
		}
		b := newBench(t, r)
		b.answer = answers
		if got := b.run(t.Context()).Secrets[0].Outages; !slices.EqualFunc(got, c.want, func(x, y state.Outage) bool {
			return x.What == y.What && x.Predicted == y.Predicted && x.Measured == y.Measured && x.Since.Equal(y.Since)
		}) {
			t.Errorf("%s: %+v", c.reason, got)
		}
	}
}

// On the way back whoever runs is not touched when what it waits for failed, though something else is down; and a target
// that failed itself is left alone, for its file is not known.
func TestWhoIsTouchedOnTheWayBack(t *testing.T) {
	b := newBench(t, canary(2))
	b.clock("admin", "relay-000", "relay-001")
	b.answer["prove key"], b.answer["back start admin"] = failure("refused"), failure("1067")
	if o := b.run(t.Context()); b.has("back stop relay-000") || len(o.Down) != 1 || o.Down[0].What != "admin" {
		t.Errorf("Admin is down, and relays that run were touched: %q %v", b.did, o)
	}
	b = newBench(t, usual("a"))
	b.clock("admin", "relay")
	b.answer["prove a"] = failure("refused")
	b.answer["back stop relay"] = reconciler.Report{Outcome: state.Failed, Err: failure("hangs").Err, Down: map[string]time.Time{"relay": time.Unix(9, 0)}}
	if o := b.run(t.Context()); b.has("back start relay") || b.has("back stop admin") || !slices.Equal(ended(o), []string{"a unknown"}) || len(o.Down) != 1 {
		t.Errorf("%v; %q", o, b.did)
	}
	b = newBench(t, spared("a")) // left behind, and away still: it is asked once
	b.answer["start relay"], b.answer["prove a"], b.answer["back stop relay"] = failure("1067"), failure("refused"), away
	if o := b.run(t.Context()); b.has("back start relay") || !slices.Equal(left(o), []string{"host relay (1067): a"}) || !slices.Equal(ended(o), []string{"a back"}) || !b.has("back restore a") {
		t.Errorf("%v; %q", o, b.did)
	}
}

// What failed of a secret that cannot go back is tried once more, so that no service stays down.
func TestGoingOnTriesWhatFailed(t *testing.T) {
	b := newBench(t, login("sql"))
	b.clock("admin")
	b.answer["swap settings"] = failure("held open")
	b.before["swap settings"] = func() {
		if b.has("swap settings") {
			delete(b.answer, "swap settings")
		}
	}
	o := b.run(t.Context())
	if b.times("swap settings") != 2 || b.times("start admin") != 1 || !slices.Equal(ended(o), []string{"sql ahead"}) || len(o.Down) > 0 {
		t.Errorf("%v; %q", o, b.did)
	}
}
