package reconciler_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// Two outages with time between them are not one, and what was only started is not known to be up.
func TestOutagesByIntervals(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(1000+s), 0) }
	relays := func(c *reconciler.Change) {
		c.Outages = []state.Outage{{What: "relays", Predicted: 9, Members: []string{"r1", "r2"}}}
	}
	measured := func(o reconciler.Outcome) map[string]state.Outage {
		all := map[string]state.Outage{}
		for _, x := range o.Secrets[0].Outages {
			all[x.What] = x
		}
		return all
	}
	r := canary(1)
	r.with = relays
	b := newBench(t, r)
	down := func(s int) reconciler.Report {
		return reconciler.Report{Outcome: state.Done, Down: map[string]time.Time{"r1": at(s)}}
	}
	up := func(s int) reconciler.Report {
		return reconciler.Report{Outcome: state.Done, Started: map[string]time.Time{"r1": at(s)}, Up: map[string]time.Time{"r1": at(s)}}
	}
	b.answer["stop relay-000"], b.answer["start relay-000"] = down(1), up(4)
	b.answer["prove key"] = failure("refused")
	b.answer["back stop relay-000"], b.answer["back start relay-000"] = down(100), up(102)
	if got := measured(b.run(t.Context()))["relays"]; got.Measured != 5 || !got.Since.IsZero() {
		t.Errorf("put back: %+v, not 3 s and 2 s", got)
	}

	b = newBench(t, r)
	b.answer["stop relay-000"] = down(1)
	b.answer["start relay-000"] = reconciler.Report{Outcome: state.Done, Started: map[string]time.Time{"r1": at(4)}}
	o := b.run(t.Context())
	if got := measured(o)["relays"]; !got.Since.Equal(at(1)) || len(o.Down) > 0 {
		t.Errorf("started, and not seen to work: %+v, down %v", got, o.Down)
	}

	b = newBench(t, r)
	b.answer["stop relay-000"], b.answer["start relay-000"] = down(1), failure("1067")
	o = b.run(t.Context())
	if got := measured(o)["relays"]; !got.Since.Equal(at(1)) || len(o.Down) != 1 || o.Down[0].What != "r1" || !o.Down[0].Since.Equal(at(1)) {
		t.Errorf("stopped for good: %+v, down %v", got, o.Down)
	}

	// It was seen to work before the failure: two outages.
	b = newBench(t, r)
	b.answer["stop relay-000"] = down(1)
	b.answer["start relay-000"] = reconciler.Report{Outcome: state.Done, Started: map[string]time.Time{"r1": at(4)}}
	b.worked = reconciler.Report{Outcome: state.Done, Up: map[string]time.Time{"r1": at(6)}}
	b.answer["prove key"] = failure("refused")
	b.answer["back stop relay-000"], b.answer["back start relay-000"] = down(100), up(102)
	if got := measured(b.run(t.Context()))["relays"]; got.Measured != 7 || !got.Since.IsZero() {
		t.Errorf("seen to work, and put back: %+v, not 5 s and 2 s", got)
	}

	// It stops after its proof: named, and in the ledger.
	b = newBench(t, r)
	b.answer["stop relay-000"], b.answer["start relay-000"] = down(1), up(4)
	b.fallen = reconciler.Report{Outcome: state.Unknown, Down: map[string]time.Time{"r1": at(50)}, Fallen: errors.New("not connected")}
	o = b.run(t.Context())
	if got := measured(o)["r1"]; got.Measured != 3 || !got.Since.Equal(at(50)) || len(o.Down) != 1 || o.Down[0].Why == nil || !o.Down[0].Unsure || len(o.With(state.Proven)) != 1 {
		t.Errorf("stopped after its proof: %+v, %v", got, o)
	}
	if w, ok := state.NewHistory(b.entries).LastWord("key", "r1"); !ok || !w.Since.Equal(at(50)) {
		t.Errorf("the ledger has it down since %v", w.Since)
	}

	// Its proof did not wait for it; the end of the run finds it at work: the ledger has what the report has.
	b = newBench(t, r)
	b.answer["stop relay-000"] = down(1)
	b.answer["start relay-000"] = reconciler.Report{Outcome: state.Done, Started: map[string]time.Time{"r1": at(4)}}
	b.running = reconciler.Report{Outcome: state.Done, Started: map[string]time.Time{"r1": at(4)}, Up: map[string]time.Time{"r1": at(6)}, Bounds: map[string]bool{"r1": true}}
	o = b.run(t.Context())
	log := state.NewHistory(b.entries).Rotations("key")
	if want := o.Secrets[0].Outages; want[0].Measured != 5 || !reflect.DeepEqual(log[0].Outages, want) || !strings.HasSuffix(log[0].Detail, "; after its proof it was seen to run: relays, r1") {
		t.Errorf("seen to work at the end: the report has %+v, the ledger %+v", want, log[0])
	}

	// An earlier run stopped it, and was killed.
	r.with = func(c *reconciler.Change) {
		relays(c)
		c.Down = []reconciler.Down{{What: "r1", Target: reconciler.Target{Kind: reconciler.HostTarget, Name: "relay-000"}, Since: at(-300)}}
	}
	b = newBench(t, r)
	b.answer["start relay-000"] = up(4)
	if got := measured(b.run(t.Context()))["relays"]; got.Measured != 304 || !got.Since.IsZero() || !got.Earlier {
		t.Errorf("down since an earlier run: %+v", got)
	}

	// It came back before this run, which restarts it: two stops, two outages, and the last word is this run's.
	r.with = func(c *reconciler.Change) {
		relays(c)
		c.Returned = []reconciler.Returned{{What: "r1", Since: at(-300), UpBy: at(-60)}}
	}
	b = newBench(t, r)
	b.answer["stop relay-000"], b.answer["start relay-000"] = down(1), up(4)
	want := []state.Outage{{What: "r1", Measured: 240, UpBy: at(-60), Earlier: true}, {What: "relays", Predicted: 9, Measured: 3}, {What: "r1", Measured: 3}}
	if got := b.run(t.Context()).Secrets[0].Outages; !reflect.DeepEqual(got, want) {
		t.Errorf("came back, and was restarted: %+v", got)
	}
	if got := state.NewHistory(b.entries).Outages("key"); len(got) != 2 || got[1].Measured != 3 {
		t.Errorf("measured to their end: %+v", got)
	}
}

// Two records know of something that came back: of the same stop they say the same; a stop that was over before the other's began is
// another one.
func TestTwoStopsThatCameBack(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(1000+s), 0) }
	for _, c := range []struct {
		name string
		a, b reconciler.Returned
		want []time.Time
	}{
		{"one stop", reconciler.Returned{Since: at(-300), UpBy: at(-10)}, reconciler.Returned{Since: at(-200), UpBy: at(-10)}, []time.Time{at(-300), at(-300)}},
		{"two stops", reconciler.Returned{Since: at(-300), UpBy: at(-250)}, reconciler.Returned{Since: at(-200), UpBy: at(-10)}, []time.Time{at(-300), at(-200)}},
	} {
		a, b := usual("a"), usual("b")
		a.with = func(change *reconciler.Change) { c.a.What = "r1"; change.Returned = []reconciler.Returned{c.a} }
		b.with = func(change *reconciler.Change) { c.b.What = "r1"; change.Returned = []reconciler.Returned{c.b} }
		for i, change := range newBench(t, a, b).plan.Changes {
			if got := change.Returned[0].Since; !got.Equal(c.want[i]) {
				t.Errorf("%s: %s says since %v", c.name, change.Secret.Name, got)
			}
		}
	}
}

// A relay that runs cannot work while Admin is down, and while it has another key than Admin: from Admin's stop to the moment at
// which the relay is seen to work.
func TestWhoIsCutOff(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(1000+s), 0) }
	r := usual("a")
	since := time.Time{}
	r.with = func(c *reconciler.Change) {
		c.Outages = []state.Outage{{What: "relays cut off", Predicted: 9, Members: []string{"r1", "r2"}, With: "Admin", Since: since},
			{What: "relays", Predicted: 5, Members: []string{"r1", "r2"}}}
	}
	b := newBench(t, r)
	report := func(down, up map[string]time.Time) reconciler.Report {
		return reconciler.Report{Outcome: state.Done, Evidence: "seen", Down: down, Started: up}
	}
	b.answer["stop relay"] = report(map[string]time.Time{"r1": at(0)}, nil)
	b.answer["stop admin"] = report(map[string]time.Time{"Admin": at(2)}, nil)
	b.answer["start admin"] = report(nil, map[string]time.Time{"Admin": at(4)})
	b.answer["start relay"] = report(nil, map[string]time.Time{"r1": at(6)})
	b.answer["prove a"] = reconciler.Report{Outcome: state.Done, Evidence: "seen", Up: map[string]time.Time{"r1": at(7), "r2": at(9)}}
	measured := func() map[string]state.Outage {
		all := map[string]state.Outage{}
		for _, x := range b.run(t.Context()).Secrets[0].Outages {
			all[x.What] = x
		}
		return all
	}
	got := measured()
	if o := got["relays cut off"]; o.Measured != 7 || !o.Since.IsZero() || o.Predicted != 9 || len(got) != 3 || got["r1"].Measured != 7 {
		t.Errorf("from Admin's stop to the last relay: %+v", got)
	}

	delete(b.answer, "prove a")
	b = newBench(t, r)
	b.answer["stop admin"] = report(map[string]time.Time{"Admin": at(2)}, nil)
	if o := measured()["relays cut off"]; !o.Since.Equal(at(2)) {
		t.Errorf("nobody saw them work: %+v", o)
	}

	since = at(-100)
	b = newBench(t, r)
	b.answer["prove a"] = reconciler.Report{Outcome: state.Done, Evidence: "seen", Up: map[string]time.Time{"r1": at(7), "r2": at(9)}}
	if o := measured()["relays cut off"]; o.Measured != 109 || !o.Earlier {
		t.Errorf("since an earlier run: %+v", o)
	}
}

// What an earlier run stopped is told by every plan, in one finding for a fleet.
func TestStillDownIsAFinding(t *testing.T) {
	r := usual("a")
	r.with = func(c *reconciler.Change) {
		c.Findings = []reconciler.Finding{{Severity: reconciler.Warning, Code: "other", Text: "something else, which is told after it: a long list is cut"}}
		c.Down = []reconciler.Down{{What: "Admin", Target: onHost("admin"), Since: time.Unix(900, 0)},
			{What: "r2", Target: onHost("r2"), Since: time.Unix(960, 0)}, {What: "r1", Target: onHost("r1"), Since: time.Unix(930, 0)},
			{What: "Engine", Target: onHost("engine"), Since: time.Unix(960, 0), Gone: true, Cause: "there is no such service"}}
	}
	var got []string
	for _, f := range newBench(t, r).plan.Changes[0].Findings {
		if f.Code == "still-down" && strings.Contains(f.Hint, "install it again") != (f.Hosts[0] == "engine") {
			t.Errorf("%+v", f)
		}
		got = append(got, fmt.Sprint(f.Severity, " ", f.Code, " ", f.Hosts, " ", f.Text))
	}
	want := []string{"warning still-down [admin] Admin is down since 1970-01-01 00:15:00 UTC: an earlier run stopped it, or was to start it",
		"warning still-down [engine] Engine is down since 1970-01-01 00:16:00 UTC: there is no such service",
		"warning still-down [r2 r1] down since 1970-01-01 00:15:30 UTC, or later: an earlier run stopped it, or was to start it",
		"warning other [] something else, which is told after it: a long list is cut"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// A plan that is refused starts nothing, and does not say that it would.
func TestARefusedPlanStartsNothing(t *testing.T) {
	for _, severity := range []reconciler.Severity{reconciler.Warning, reconciler.Error} {
		r := usual("a")
		r.with = func(c *reconciler.Change) {
			c.Down = []reconciler.Down{{What: "Admin", Target: onHost("admin"), Since: time.Unix(900, 0)}}
			c.Findings = []reconciler.Finding{{Severity: severity, Code: "other", Text: "something"}}
			if severity == reconciler.Error {
				c.Status, c.Rounds = reconciler.Refused, nil
			}
		}
		f := newBench(t, r).plan.Changes[0].Findings[0]
		if starts := !strings.Contains(f.Hint, "refused now: mend"); starts != (severity == reconciler.Warning) {
			t.Errorf("%v: %+v", severity, f)
		}
	}
}

// What an earlier run had started again may have worked before it was found down: for how long it was down is not known.
func TestWhatWasStartedAgainMayHaveWorked(t *testing.T) {
	for _, started := range []bool{false, true} {
		r := usual("a")
		r.with = func(c *reconciler.Change) {
			c.Outages = []state.Outage{{What: "Admin", Predicted: 5, Members: []string{"Admin"}}}
			c.Down = []reconciler.Down{{What: "Admin", Target: onHost("admin"), Since: time.Unix(900, 0), Started: started}}
		}
		b := newBench(t, r)
		b.answer["prove a"] = reconciler.Report{Outcome: state.Done, Evidence: "seen", Up: map[string]time.Time{"Admin": time.Unix(1000, 0)}}
		for _, o := range b.run(t.Context()).Secrets[0].Outages {
			if o.Measured != 100 || !o.Earlier || o.AtMost != started {
				t.Errorf("started again %v: %+v", started, o)
			}
		}
	}
}
