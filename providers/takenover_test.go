package providers_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/rotations/relaykey"
	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/reconciler/session"
	"meshrotate/state"
)

// suspended is a run that stands still at an event, as a process does that is suspended. Meanwhile its lock is removed, and others work.
func (w *world) suspended(t *testing.T, at func(reconciler.Event) bool, meanwhile func()) *session.Applied {
	t.Helper()
	s := w.process()
	defer s.close()
	var once atomic.Bool
	s.Tell = func(e reconciler.Event) {
		if !at(e) || !once.CompareAndSwap(false, true) {
			return
		}
		w.rob()
		meanwhile()
	}
	done, err := s.Apply(t.Context(), session.Unblocked)
	if done == nil || !once.Load() {
		t.Fatal(err)
	}
	return done
}

// rob takes the lock of the run that has it away, and gives it to another, which does nothing and ends.
func (w *world) rob() {
	h, held, err := w.state.Lock.Current(context.Background())
	if err == nil && held {
		err = w.state.Lock.Break(context.Background(), h.Fence)
	}
	var l state.Lease
	if err == nil {
		l, err = w.state.Lock.Acquire(context.Background(), state.Holder{Run: "another"})
	}
	if err == nil {
		err = l.Release(context.Background())
	}
	if err != nil || !held {
		w.t.Error("nobody was robbed: ", err)
	}
}

// pages are a report's lines in each format that people read.
func pages(t *testing.T, r render.Report) (all []string) {
	t.Helper()
	for _, format := range []render.Format{render.Text, render.Markdown} {
		var b strings.Builder
		if err := render.Write(&b, render.Style{Format: format}, r); err != nil {
			t.Error(err)
		}
		all = append(all, strings.Join(strings.Fields(b.String()), " "))
	}
	return all
}

// quietly demands that the next runs end well, and that nothing is down or left to do after them.
func (w *world) quietly() {
	w.t.Helper()
	for range 2 {
		if _, o := w.run(); o.Err != nil || len(o.Down)+len(o.Left) > 0 {
			w.t.Errorf("%v", o)
		}
	}
	if p := w.planned(); !p.Empty() || len(p.AllDown()) > 0 {
		w.t.Errorf("%+v", p.Changes)
	}
}

// A run is suspended in the switch, another takes over and finishes, and then the first goes on: what it knew is no fact any more.
func TestARunThatWasTakenOverTellsItsOwnRecords(t *testing.T) {
	vendor()
	for _, at := range []string{"im-admin", "relay-01"} {
		t.Run(at, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 3, "relaykey")
				d := w.suspended(t, func(e reconciler.Event) bool {
					return e.Kind == reconciler.TargetDone && e.Phase == "switch" && strings.HasPrefix(e.Target, at)
				}, func() {
					time.Sleep(time.Minute)
					if d, err := w.as("bob@two", nil); err != nil || d.Outcome.Err != nil {
						t.Errorf("%v %v", err, d)
					}
					time.Sleep(3 * time.Minute)
				})
				o := d.Outcome
				if o.ByRecord == "" || !o.Halted {
					t.Errorf("it does not say that it was taken over: %v", o)
				}
				if len(o.Down) > 0 {
					t.Errorf("all work, and it can see that: %+v", o.Down)
				}
				for _, l := range o.Left {
					says(t, l.Why, "by this run's own records")
				}
				for _, x := range o.Secrets[0].Outages {
					if !x.AtMost {
						t.Errorf("told as exact: %+v", x)
					}
				}
				for _, text := range pages(t, render.OutcomeOf(d.Plan, d.Run, d.Took, o)) {
					if !strings.Contains(text, "another run may have taken over since: what is told here") || strings.Contains(text, "is down stays down") {
						t.Error(text)
					}
				}
				for _, text := range pages(t, render.HistoryOf("lab", w.history().Rotations(""))) {
					if strings.Count(text, "a later run had taken over before") != 1 || strings.Contains(text, "not seen up since") {
						t.Error(text)
					}
				}
				w.quietly()
			})
		})
	}
}

// While the other one is at work it is said that it has taken over; what the first one left down, and sees to be down, it says since
// when by its own records.
func TestARunThatIsTakenOverNow(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey")
		var other *process
		d := w.suspended(t, func(e reconciler.Event) bool {
			return e.Kind == reconciler.TargetDone && e.Phase == "switch" && strings.HasPrefix(e.Target, "im-admin")
		}, func() {
			other = w.process()
			hold := make(chan struct{})
			t.Cleanup(other.close)
			began := make(chan struct{})
			var once atomic.Bool
			other.Tell = func(e reconciler.Event) {
				if e.Kind == reconciler.PhaseBegan && e.Phase == "prepare" && once.CompareAndSwap(false, true) {
					close(began)
					<-hold
				}
			}
			over := make(chan struct{})
			go func() {
				defer close(over)
				_, _ = other.Apply(t.Context(), session.Unblocked)
			}()
			<-began
			t.Cleanup(func() { close(hold); <-over })
		})
		if d.Outcome.ByRecord != "another run has taken over since" {
			t.Errorf("%q: %v", d.Outcome.ByRecord, d.Outcome)
		}
	})
}

// Admin is started and is not ready, on the way back neither: it is named, with why and what brings it back, by the next run too, until
// it is ready.
func TestAnAdminThatIsNotReadyIsInWhatIsDown(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey")
		began := time.Now()
		var stopped time.Time
		when(w.lab.Admin, "service.stop", machine.After, func() {
			w.lab.Ail(true)
			stopped = time.Now()
		})
		named := func(r render.Outcome) {
			t.Helper()
			if len(r.Down) != 1 || !r.Changed() || r.OK {
				t.Fatalf("%+v", r)
			}
			if d := r.Down[0]; !d.Unwell || d.Unsure || d.What != "Admin" || d.Service == "" || d.Host != w.lab.Admin.Name || d.Since.Before(began) || d.Since.After(stopped) ||
				!strings.Contains(d.Why, "not ready") || !strings.Contains(d.Hint, "log") {
				t.Errorf("%+v", d)
			}
			for _, text := range pages(t, r) {
				if !strings.Contains(text, "NOT READY") {
					t.Error(text)
				}
			}
		}
		p, o := w.run()
		named(render.OutcomeOf(p, "r", 0, o))
		for _, x := range o.Secrets[0].Outages {
			if x.What == "relays cut off" && (!x.AtMost || !x.Since.IsZero()) {
				t.Errorf("nobody looked when they worked again: %+v", x)
			}
		}
		time.Sleep(time.Minute)
		s := w.process()
		v := s.look()
		s.close()
		named(render.OutcomeOf(v.Plan, "", 0, reconciler.Outcome{}))
		if f := stillDown(v.Plan, w.lab.Admin.Name); !strings.Contains(f.Text, "Admin is not ready since") || strings.Contains(f.Hint, "starts it") {
			t.Errorf("%+v", f)
		}
		w.lab.Ail(false)
		w.quietly()
	})
}

// Admin is ready after its start, and before the run ends it is not: it is named, and its outage goes on, by the next run too.
func TestAnAdminThatWasReadyAndIsNotAnyMore(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 0, "sqllogin/single")
		var ailed time.Time
		when(w.lab.EngineHost, "service.start", machine.After, func() { // Admin is ready before that
			w.lab.Ail(true)
			ailed = time.Now()
		})
		named := func(r render.Outcome) {
			t.Helper()
			if len(r.Down) != 1 {
				t.Fatalf("%+v", r)
			}
			if d := r.Down[0]; !d.Unwell || d.Unsure || !d.Sooner || d.What != "Admin" || d.Since.Before(ailed) || d.Since.After(ailed.Add(5*time.Second)) || !strings.Contains(d.Why, "not ready") {
				t.Errorf("%v: %+v", ailed, d)
			}
		}
		p, o := w.run()
		named(render.OutcomeOf(p, "r", 0, o))
		if x := o.Secrets[0].Outages[0]; x.What != "Admin" || x.Measured <= 0 || x.Measured > 5 || x.Since.Before(ailed) {
			t.Errorf("two outages, of which the first is over: %+v", x)
		}
		time.Sleep(time.Minute)
		s := w.process()
		v := s.look()
		s.close()
		named(render.OutcomeOf(v.Plan, "", 0, reconciler.Outcome{}))
		w.lab.Ail(false)
		w.run()
		w.quietly()
	})
}

// What gets ready when nobody waits for it any more is not called down.
func TestAnAdminThatGetsReadyLateIsNotDown(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 1, "relaykey")
		w.doc.Product.API.ReadyTimeout.Seconds = 1
		w.lab.Admin.Points(func(p machine.Point) machine.Action {
			if p.When == machine.After && (p.Op == "service.stop" || p.Op == "file.discard" && !w.marks(p)) {
				w.lab.Ail(p.Op == "service.stop")
			}
			return machine.Action{}
		})
		_, o := w.run()
		if len(o.Down) > 0 || len(o.With(state.Unknown)) != 1 {
			t.Errorf("%v", o)
		}
		for _, x := range o.Secrets[0].Outages {
			if !x.AtMost || !x.Since.IsZero() {
				t.Errorf("%+v", x)
			}
		}
	})
}

// The ledger has what a killed run had stopped, and history says so while it has told no end.
func TestHistoryOfAKilledRun(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey")
		w.killed(w.relay(1), "service.stop", machine.After)
		told := func(words ...string) {
			t.Helper()
			for _, text := range pages(t, render.HistoryOf("lab", w.history().Rotations(""))) {
				for _, word := range words {
					if !strings.Contains(text, word) {
						t.Errorf("%q is not in: %s", word, text)
					}
				}
			}
		}
		told("IdentityMeshAdmin on im-admin.lab.example", "IdentityMeshRelayAgent on relay-", "not seen up since")
		w.quietly()
		told("not seen up by this run")
	})
}

// Two versions follow each other, with a killed run each: what is down is down since the first one's stop, wherever the second died.
func TestDownSinceTheFirstOfTwoKilledRuns(t *testing.T) {
	for _, second := range []string{"file.stage", "service.start"} {
		t.Run(second, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, "relaykey")
				w.killed(w.lab.Admin, "service.start", machine.Before)
				stopped := time.Now()
				time.Sleep(5 * time.Minute)
				w.doc.Secrets["relayKey"].(*relaykey.Spec).Version = "8"
				w.killed(w.lab.Admin, second, machine.Before)
				time.Sleep(5 * time.Minute)
				s := w.process()
				v := s.look()
				s.close()
				all := v.Plan.AllDown()
				if len(all) != 1 || all[0].What != "Admin" || all[0].Found || all[0].Since.After(stopped) {
					t.Errorf("it was stopped before %v: %+v", stopped, all)
				}
				_, o := w.run()
				if x := outagesOf(o, "Admin"); len(x) != 1 || !x[0].Earlier || x[0].Measured < 600 {
					t.Errorf("%+v: %v", x, o)
				}
				w.quietly()
			})
		})
	}
}

// Its lock is removed while it is suspended, and whoever had it then did nothing: who is cut off is seen to be, and is told as that.
func TestWhoIsCutOffByARunThatLostItsLockIsLookedAt(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey")
		d := w.suspended(t, func(e reconciler.Event) bool {
			return e.Kind == reconciler.TargetDone && e.Phase == "switch" && strings.HasPrefix(e.Target, "im-admin")
		}, func() { time.Sleep(4 * time.Minute) })
		saysCutOff(t, d.Outcome.Down, w.relay(1).Name, w.relay(2).Name)
		w.quietly()
	})
}

// One that is not ready and then ends is stopped, and that is said.
func TestAnAdminThatIsNotReadyAndEndsIsStopped(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 1, "relaykey")
		w.doc.Product.API.ReadyTimeout.Seconds = 1
		stops := 0
		w.lab.Admin.Points(func(p machine.Point) machine.Action {
			switch {
			case p.When == machine.After && p.Op == "service.stop":
				stops++
				w.lab.Ail(true)
			case p.When == machine.After && p.Op == "file.discard" && stops == 2 && !w.marks(p):
				w.lab.Admin.Machine.Kill(lab.AdminService)
			}
			return machine.Action{}
		})
		_, o := w.run()
		if len(o.Down) != 1 || o.Down[0].Unwell || o.Down[0].Unsure || !strings.Contains(o.Down[0].Why.Error(), "is stopped now") {
			t.Errorf("%+v: %v", o.Down, o)
		}
		w.lab.Admin.Points(nil)
		w.lab.Ail(false)
		w.quietly()
	})
}
