package reconciler_test

import (
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

	// An earlier run stopped it, and was killed.
	r.with = func(c *reconciler.Change) {
		relays(c)
		c.Down = []reconciler.Down{{What: "r1", Target: reconciler.Target{Kind: reconciler.HostTarget, Name: "relay-000"}, Since: at(-300)}}
	}
	b = newBench(t, r)
	b.answer["start relay-000"] = up(4)
	if got := measured(b.run(t.Context()))["relays"]; got.Measured != 304 || !got.Since.IsZero() {
		t.Errorf("down since an earlier run: %+v", got)
	}
}
