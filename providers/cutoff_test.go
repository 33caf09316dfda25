package providers_test

import (
	"maps"
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

// A relay that an earlier run left behind can be reached again, and the run is refused for another one: it is cut off still.
func TestWhoIsCutOffIsNamedWhereTheRestIsRefused(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "relaykey")
		w.doc.Policy.Unreachable.Tolerate = []string{w.relay(1).Name}
		w.relay(1).Unplug(true)
		w.run()
		w.relay(1).Unplug(false)
		w.do("argument", "relay-03")
		time.Sleep(time.Hour)
		p, o := w.run()
		if len(p.Blocked()) == 0 {
			t.Fatalf("%v", o)
		}
		saysCutOff(t, p.AllDown(), w.relay(1).Name)
		w.do("plain", "relay-03")
		if _, o := w.run(); o.Err != nil || len(o.Down) > 0 {
			t.Errorf("%v", o)
		}
	})
}

// A relay that is left behind is cut off from Admin's stop until a later run finishes it, whenever it went away.
func TestWhoIsLeftBehindIsCutOff(t *testing.T) {
	for name, leave := range map[string]func(w *world){
		"before the run":         func(w *world) { w.relay(2).Unplug(true) },
		"when Admin has started": func(w *world) { when(w.lab.Admin, "service.start", machine.After, func() { w.relay(2).Unplug(true) }) },
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w, stopped := newWorld(t, 3, "relaykey"), name != "before the run" // or perhaps: nobody heard
				w.doc.Policy.Unreachable.Count = 1
				leave(w)
				cutOff := func(o reconciler.Outcome) (x state.Outage) {
					for _, e := range o.Secrets {
						for _, x = range e.Outages {
							if x.What == "relays cut off" {
								return x
							}
						}
					}
					return state.Outage{}
				}
				_, o := w.run()
				if x := cutOff(o); x.Since.IsZero() || len(o.Left) != 1 {
					t.Errorf("it is cut off, and the run says %+v: %v", x, o)
				}
				if !stopped {
					saysCutOff(t, o.Down, w.relay(2).Name)
				}
				time.Sleep(time.Hour)
				p, o := w.run() // with nothing to do
				if !stopped {
					saysCutOff(t, p.AllDown(), w.relay(2).Name)
				}
				if r := render.OutcomeOf(p, "", 0, o); r.OK || !r.Changed() || len(r.Down) != 1 || strings.Contains(r.Verdict(), "CUT OFF: "+w.relay(2).Name) == stopped {
					t.Errorf("ok %v: %s", r.OK, r.Verdict())
				}
				w.relay(2).Unplug(false)
				_, o = w.run()
				if len(o.Down) > 0 {
					t.Errorf("%+v", o.Down)
				}
				if x := cutOff(o); x.Measured < 3600 || !x.Earlier || !x.Since.IsZero() {
					t.Errorf("it was cut off for an hour, and the next run says %+v: %v", x, o)
				}
			})
		})
	}
}

// saysCutOff demands that these are named as cut off, and nobody else.
func saysCutOff(t *testing.T, down []reconciler.Down, names ...string) {
	t.Helper()
	var got []string
	for _, d := range down {
		if got = append(got, d.What); !d.CutOff || d.Unsure || d.Since.IsZero() {
			t.Errorf("%+v", d)
		}
	}
	if slices.Sort(got); !slices.Equal(got, names) {
		t.Errorf("%q are cut off, not %q", got, names)
	}
}

// The lock is taken away when Admin has the new key, and no relay's turn has come: all services run, and every relay is cut off.
func TestCutOffWhenTheLockIsTaken(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey")
		when(w.lab.Admin, "service.start", machine.After, w.rob)
		p, o := w.run()
		all := w.history().Rotations("relaykey")
		if last := all[len(all)-1]; !strings.Contains(last.Detail, "this is by this run's own records: another run may have taken over since") {
			t.Errorf("the ledger tells it as a fact: %q", last.Detail)
		}
		for i, d := range o.Down { // Admin lists them as connected still, by an entry that is old, or does not any more
			says(t, d.Why, "by this run's own records: another run may have taken over since")
			o.Down[i].Unsure = false
		}
		saysCutOff(t, o.Down, w.relay(1).Name, w.relay(2).Name)
		r := render.OutcomeOf(p, "r", time.Minute, o)
		for _, format := range []render.Format{render.Text, render.Markdown, render.JSON} {
			var b strings.Builder
			if err := render.Write(&b, render.Style{Format: format}, r); err != nil || !strings.Contains(strings.ToUpper(b.String()), "CUT OFF") && !strings.Contains(b.String(), "cutOff") {
				t.Errorf("%s: %v\n%s", format, err, b.String())
			}
		}
		t.Log(r.Verdict())
		w.run()
		if _, o := w.run(); len(o.Down)+len(o.Secrets) > 0 {
			t.Errorf("%v", o)
		}
	})
}

// Whatever stops Admin cuts the relays off for as long at least, and says so, in the plan too. What looks at them says it exactly.
func TestRelaysAreCutOffWhileAdminIsDown(t *testing.T) {
	vendor()
	for _, kinds := range [][]string{{"sqllogin/alternating"}, {"serviceaccount/now"}, {"sqllogin/alternating", "relaykey"}} {
		for _, relays := range []int{0, 2} {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, relays, kinds...)
				p, o := w.run()
				var admin, cut []state.Outage
				for _, e := range o.Secrets {
					for _, x := range e.Outages {
						switch x.What {
						case "Admin":
							admin = append(admin, x)
						case "relays cut off":
							cut = append(cut, x)
						}
					}
				}
				if relays == 0 {
					if len(cut) > 0 {
						t.Errorf("%q: nobody is cut off: %+v", kinds, cut)
					}
					return
				}
				if len(cut) != 1 || len(admin) == 0 || cut[0].Predicted == 0 || !cut[0].Since.IsZero() || cut[0].AtLeast != (len(kinds) == 1) || cut[0].AtLeast && cut[0].Measured != admin[0].Measured {
					t.Errorf("%q: Admin %+v, cut off %+v", kinds, admin, cut)
				}
				var b strings.Builder
				_ = render.Write(&b, render.Style{}, render.OutcomeOf(p, "r", time.Minute, o))
				if strings.Count(b.String(), "relays cut off") != 1 || strings.Contains(b.String(), "at least") != (len(kinds) == 1) {
					t.Errorf("%q: %s", kinds, b.String())
				}
			})
		}
	}
}

// Who was called cut off is named by each later apply that can do nothing about it, until it is seen to work: also where Admin's list has
// become empty or stands still, and where a person has mended the file, which the process has not read.
func TestWhoIsCutOffIsNamedUntilItWorks(t *testing.T) {
	refused := func(t *testing.T, w *world, when string, names ...string) {
		t.Helper()
		p, o := w.run()
		if len(p.Blocked()) == 0 {
			t.Errorf("%s: not refused: %v", when, o)
		}
		var got []string
		for _, d := range p.AllDown() {
			if d.CutOff && !d.Since.IsZero() {
				got = append(got, d.What)
			}
		}
		if slices.Sort(got); !slices.Equal(got, names) {
			t.Errorf("%s: %q are cut off, not %q: %+v", when, got, names, p.Changes[0])
		}
		if r := render.OutcomeOf(p, "", 0, o); r.OK || !r.Changed() {
			t.Errorf("%s: ok %v: %s", when, r.OK, r.Verdict())
		}
	}
	t.Run("the list becomes empty, and the file is mended", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 3, "relaykey")
			when(w.lab.Admin, "service.stop", machine.After, func() { w.do("file", "relay-02") })
			when(w.relay(1), "service.start", machine.After, func() { w.do("relays-empty", "im-admin") })
			if _, o := w.run(); !slices.ContainsFunc(o.Down, func(d reconciler.Down) bool { return d.CutOff && d.What == w.relay(2).Name }) {
				t.Fatalf("%v", o)
			}
			time.Sleep(time.Hour)
			refused(t, w, "with half a file", w.relay(2).Name)
			w.do("mend", "relay-02")
			time.Sleep(time.Hour)
			refused(t, w, "with a file that is whole", w.relay(2).Name)
			w.do("sound", "im-admin")
			time.Sleep(time.Minute)
			w.quietly()
		})
	})
	t.Run("Admin is removed, and installed by hand: its list is old", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 2, "relaykey")
			when(w.lab.Admin, "service.stop", machine.After, func() { w.do("remove", "im-admin") })
			if _, o := w.run(); len(o.Down) == 0 {
				t.Fatalf("%v", o)
			}
			w.do("install", "im-admin")
			w.quietly()
		})
	})
}

// Who was left behind is told still when the document names the secret no more; and adopt, which changes nothing live, makes nobody
// forget it, nor what a killed run has left.
func TestWhoIsLeftBehindIsNotForgotten(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3)
		w.doc.Policy.Unreachable.Tolerate = []string{w.relay(1).Name}
		w.relay(1).Unplug(true)
		w.run()
		w.relay(1).Unplug(false)
		time.Sleep(time.Hour)
		secrets := w.doc.Secrets
		w.doc.Secrets = maps.Clone(secrets)
		delete(w.doc.Secrets, "relayKey")
		p, _ := w.run()
		saysCutOff(t, p.AllDown(), w.relay(1).Name)
		w.doc.Secrets = secrets
		w.converged()
	})
}

func TestAdoptForgetsNothing(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey")
		w.killed(w.lab.Admin, "service.start", machine.After)
		w.lab.Admin.Points(nil)
		time.Sleep(10 * time.Minute)
		before := w.history().Begun("relaykey")
		_, err := w.adopt()
		says(t, err, "did not finish", "would be forgotten")
		hinted(t, err)
		if now := w.history().Begun("relaykey"); len(before) != 1 || !slices.Equal(before, now) {
			t.Errorf("%v, and then %v", before, now)
		}
		if _, o := w.run(); o.Err != nil {
			t.Errorf("%v", o)
		}
		if err := w.keyWorks(w.kept("relaykey", lab.NewKey), w.old); err != nil {
			t.Error(err)
		}
	})
}

// A relay that Admin did not have before the run, though it runs with Admin's key, is cut off by something else: neither the fleet's
// outage nor what is down at the end is this run's doing.
func TestWhoWasNotConnectedBeforeIsNotCutOffByTheRun(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "relaykey")
		w.do("cut", w.relay(3).Name)
		time.Sleep(time.Hour)
		starts := 0
		w.lab.Admin.Points(func(p machine.Point) (a machine.Action) {
			if p.Op == "service.start" && p.When == machine.Before {
				w.do([]string{"ready-503", "sound"}[min(starts, 1)], "im-admin")
				starts++
			}
			return a
		})
		_, o := w.run()
		if len(o.With(state.Back)) != 1 {
			t.Fatalf("%v", o)
		}
		for _, e := range o.Secrets {
			for _, x := range e.Outages {
				if x.What == "relays cut off" && !x.Since.IsZero() {
					t.Errorf("%+v", x)
				}
			}
		}
	})
}
