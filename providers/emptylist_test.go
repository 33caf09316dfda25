package providers_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler/render"
	"meshrotate/state"
)

// Once Admin has the new key it lists no relay at all, though it listed them before. Nobody has said that one is not connected, so
// nothing is taken back that works, and nothing is called proven. A list in which a relay stands as not connected says so.
func TestAListThatSaysNothing(t *testing.T) {
	vendor()
	for _, c := range []struct {
		mishap string
		lasts  time.Duration // 0: to the end of the run
		ending state.Outcome
	}{
		{"relays-empty", 0, state.Unknown},
		{"relays-empty", 20 * time.Second, state.Proven},
		{"relays-204", 0, state.Unknown},
		{"relays-cut", 0, state.Unknown},
		{"relays-503", 0, state.Unknown},
		{"relays-trickle", 0, state.Unknown},
		{"relays-trickle", 20 * time.Second, state.Proven},
		{"relays-null", 0, state.Unknown},
		{"relays-odd", 0, state.Unknown},
		{"relays-mute", 0, state.Unknown},
		{"relays-null", 20 * time.Second, state.Proven},
		{"unlisted", 0, state.Proven}, // of one of them: that is left behind
	} {
		t.Run(c.mishap+" "+c.lasts.String(), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 3)
				when(w.lab.Admin, "service.start", machine.After, func() {
					_, err := w.lab.Break(c.mishap, "relay-01")
					if err != nil {
						t.Error(err)
					}
					if c.lasts > 0 {
						time.AfterFunc(c.lasts, func() { _, _ = w.lab.Break("sound", "relay-01") })
					}
				})
				_, o := w.run()
				if e := o.Secrets[len(o.Secrets)-1]; e.Ending != c.ending {
					t.Errorf("%v", o)
				}
				if c.ending == state.Unknown && (w.keyWorks(w.kept("relaykey", lab.NewKey), w.old) != nil || o.Err == nil || len(o.Down) > 0) {
					t.Errorf("%v: %v", w.keyWorks(w.kept("relaykey", lab.NewKey), w.old), o)
				}
				_, _ = w.lab.Break("sound", "relay-01")
				w.lab.Admin.Points(nil)
				w.converged()
			})
		})
	}
}

// Admin's list stands still in the middle of a run: each relay is connected, and was not heard of since, whether it works or not. A good
// rotation is not undone for that, and not called proven. Where the list goes on meanwhile, it is.
func TestAListThatStandsStill(t *testing.T) {
	vendor()
	for _, c := range []struct {
		relays int
		lasts  time.Duration // 0: to the end of the run
		ending state.Outcome
	}{{3, 0, state.Unknown}, {1, 0, state.Unknown}, {3, 40 * time.Second, state.Proven}} {
		t.Run(fmt.Sprintf("%d relays, %s", c.relays, c.lasts), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, c.relays)
				before := w.starts()
				when(w.lab.Admin, "service.stop", machine.Before, func() {
					if _, err := w.lab.Break("relays-stuck", "im-admin"); err != nil {
						t.Error(err)
					}
					if c.lasts > 0 {
						time.AfterFunc(c.lasts, func() { _, _ = w.lab.Break("sound", "im-admin") })
					}
				})
				_, o := w.run()
				if e := o.Secrets[len(o.Secrets)-1]; e.Ending != c.ending {
					t.Errorf("%+v", o)
				}
				if c.ending == state.Unknown {
					says(t, o.Err, "has not changed for any relay since the restart")
					hinted(t, o.Err)
				}
				if err := w.keyWorks(w.kept("relaykey", lab.NewKey), w.old); err != nil {
					t.Errorf("a good rotation was undone: %v", err)
				}
				for i, at := range w.starts() {
					if i != 1 && at.Equal(before[i]) { // the hosts are Admin, Engine, and the relays
						t.Errorf("service %d was not restarted", i)
					}
				}
				_, _ = w.lab.Break("sound", "im-admin")
				w.lab.Admin.Points(nil)
				w.converged()
			})
		})
	}
}

// Everything is proven, and then Admin lists no relay at all: nobody is said to be down for that.
func TestAListThatSaysNothingAtTheEnd(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3)
		when(w.relay(1), "file.discard", machine.Before, func() { _, _ = w.lab.Break("relays-empty", "relay-01") })
		p, o := w.run()
		if r := render.OutcomeOf(p, "run", 0, o); len(r.Down) > 0 || len(o.With(state.Proven)) != len(o.Secrets) || !strings.Contains(fmt.Sprint(r.Remarks), "is not known") {
			t.Errorf("%+v", r)
		}
	})
}

// Admin told of every connector when the rotation was planned, and tells of none after the push: nothing is set back for that.
func TestSyncsThatSayNothing(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 0, "connector")
		when(w.lab.EngineHost, "secrets.set", machine.After, func() { _, _ = w.lab.Break("syncs-empty", "im-admin") })
		_, o := w.run()
		for _, e := range o.Secrets {
			if e.Ending == state.Back || e.Ending == state.Proven {
				t.Errorf("%v", o)
			}
		}
		_, _ = w.lab.Break("sound", "im-admin")
		w.connectsAfter()
	})
}

// What stands beside the connectors after the push, and did not before, is none of them.
func TestSyncsBesideFailures(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 0, "connector")
		w.do("syncs-failures", "im-admin")
		w.connectsAfterARun()
		if f, is := finding(w.planned(), "admin-api"); is { // they are there from the first look on
			t.Errorf("%+v", f)
		}
	})
}

// Which of two lists of connectors is meant the document says, by a key that it has.
func TestSyncsInSeveralLists(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 0, "connector")
		w.do("syncs-retired", "im-admin")
		w.refused("connector-syncs", "holds several")
		f, _ := finding(w.planned(), "connector-syncs")
		if !strings.Contains(f.Hint, "as secrets.connectors.syncs.list") || strings.Contains(f.Hint, "product.api") {
			t.Errorf("%s", f.Hint)
		}
		w.connectorSpec().Syncs.List = "connectors"
		w.connectsAfterARun()
	})
}

func (w *world) connectsAfterARun() {
	w.t.Helper()
	_, o := w.run()
	if o.Err != nil || len(o.With(state.Proven)) != len(o.Secrets) || len(o.Secrets) == 0 {
		w.t.Errorf("%v", o)
	}
	if err := w.connects(lab.NewConnector); err != nil {
		w.t.Error(err)
	}
}
