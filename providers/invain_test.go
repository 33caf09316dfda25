package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/state"
)

// stillCutOff demands that a plan names these relays as perhaps cut off, and that a run which has nothing else to do starts nothing, and
// does not end well.
func (w *world) stillCutOff(sure bool, names ...string) {
	w.t.Helper()
	before := w.starts()
	p, o := w.run()
	var got []string
	for _, d := range p.Untouched() {
		if got = append(got, d.What); !d.CutOff || d.Unsure == sure || d.Since.IsZero() {
			w.t.Errorf("%+v", d)
		}
	}
	if slices.Sort(got); !slices.Equal(got, names) {
		w.t.Errorf("%q are cut off, not %q: %+v", got, names, p.Changes)
	}
	f, said := finding(p, "still-down")
	if !said || !strings.Contains(f.Text, "anew twice") || strings.HasPrefix(f.Text, "may be") == sure || f.Hint == "" {
		w.t.Errorf("%+v", f)
	}
	if !slices.EqualFunc(before, w.starts(), time.Time.Equal) {
		w.t.Errorf("a relay is started a third time for it: %+v", p.Changes)
	}
	if r := render.OutcomeOf(p, "r", time.Minute, o); r.OK || !r.Changed() || strings.Contains(r.Verdict(), "may be CUT OFF") == sure {
		w.t.Errorf("ok %v: %s", r.OK, r.Verdict())
	}
}

// Relays that work, and that Admin's list does not show, are started anew once after the switch, and not at each run for ever. Nobody says
// that they are cut off, nor that they are not.
func TestRelaysThatAListHidesAreNotStartedForEver(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorldAt(t, lab.Config{Memory: true, Relays: 3, Relaying: "page-hidden"}, "relaykey")
		time.Sleep(15 * time.Minute)
		for _, reason := range []string{"the spec asks for", "2 relays were not seen connected"} {
			p, o := w.run()
			if len(o.Left) != 2 || !strings.Contains(p.Changes[0].Reason, reason) {
				t.Fatalf("%v: %s", o, p.Changes[0].Reason)
			}
			for _, d := range o.Down {
				if !d.CutOff || !d.Unsure || !strings.Contains(reconciler.HintOf(d.Why), "product.api.paging") {
					t.Errorf("nobody knows whether it is cut off: %+v", d)
				}
			}
			if r := render.OutcomeOf(p, "r", time.Minute, o); strings.Contains(r.Next, "mend") || !strings.Contains(r.Next, "product.api.paging") {
				t.Errorf("%s", r.Next)
			}
			time.Sleep(time.Minute) // old connections are told of for ten
		}
		for range 2 {
			w.stillCutOff(false, w.relay(2).Name, w.relay(3).Name)
			time.Sleep(10 * time.Second)
		}
		if f, _ := finding(w.planned(), "still-down"); !strings.Contains(f.Hint, "product.api.paging") {
			t.Errorf("%+v", f)
		}
		w.do("stop", "relay-02")
		time.Sleep(time.Minute)
		w.run()
		if err := w.up(); err != nil {
			t.Errorf("one that is stopped is started: %v", err)
		}
		time.Sleep(time.Hour) // Admin tells of no old connection any more
		w.quietly()
		if p := w.planned(); len(p.Untouched()) > 0 {
			t.Errorf("all are seen connected: %+v", p.Untouched())
		}
	})
}

// Of a list that says itself that it is one page, nobody is told to be cut off for certain either.
func TestNobodyIsCutOffForCertainBesideAPage(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorldAt(t, lab.Config{Memory: true, Relays: 3, Relaying: "page-size"}, "relaykey")
		time.Sleep(15 * time.Minute)
		w.run()
		time.Sleep(time.Minute)
		p, o := w.run()
		f, _ := finding(p, "relay-list-cut")
		if down := p.Untouched(); len(p.Blocked()) == 0 || len(down) != 2 || !down[0].Unsure || !down[1].Unsure || !strings.Contains(f.Text, "entries") {
			t.Errorf("%v: %+v, %+v", o, down, f)
		}
	})
}

// A relay that a run has cut off, and of which old connections are listed as of all others, is never called done.
func TestACutOffRelayBesideOldConnectionsStaysOnRecord(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorldAt(t, lab.Config{Memory: true, Relays: 3, Relaying: "ghost"}, "license", "relaykey")
		w.do("cut", "relay-01")
		time.Sleep(15 * time.Minute)
		name := w.relay(1).Name
		for range 2 {
			if _, o := w.run(); len(o.Left) != 1 || len(o.Down) != 1 || o.Down[0].What != name || !o.Down[0].Sooner { // it was before the first run
				t.Fatalf("%v: %+v", o, o.Down)
			}
			time.Sleep(time.Hour)
		}
		w.stillCutOff(false, name)
		w.do("stop", "relay-02") // with something to do
		time.Sleep(time.Minute)
		p, o := w.run()
		if r := render.OutcomeOf(p, "r", time.Minute, o); r.OK || len(o.Down) != 1 || o.Down[0].What != name || len(o.Left) != 1 {
			t.Errorf("%v: %s", o, r.Verdict())
		}
		w.restarted(w.relay(1)) // a person has: it says nothing
		time.Sleep(time.Hour)
		w.stillCutOff(false, name)
		w.do("uncut", "relay-01")
		time.Sleep(time.Minute)
		w.quietly()
		if p := w.planned(); len(p.Untouched()) > 0 {
			t.Errorf("%+v", p.Untouched())
		}
	})
}

// One more start heals a relay that hangs.
func TestOneMoreStartHealsARelayThatHangs(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "relaykey")
		time.Sleep(15 * time.Minute)
		w.do("cut", "relay-01")
		if _, o := w.run(); len(o.Left) != 1 {
			t.Fatalf("%v", o)
		}
		time.Sleep(time.Hour)
		when(w.relay(1), "service.start", machine.After, func() { w.do("uncut", "relay-01") })
		if _, o := w.run(); o.Err != nil || len(o.Left)+len(o.Down) > 0 || len(o.With(state.Proven)) != 1 {
			t.Errorf("%v", o)
		}
		w.quietly()
	})
}
