package providers_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// mortal is a ledger that nothing is written to once its process is dead.
type mortal struct {
	state.Ledger
	dead *atomic.Bool
}

func (m mortal) Append(ctx context.Context, entries ...state.Entry) error {
	if m.dead.Load() {
		return errors.New("the process was killed")
	}
	return m.Ledger.Append(ctx, entries...)
}

// killed is a run whose process dies at a point of a host, and with it what it ran there: nothing that it still does has
// an effect.
func (w *world) killed(h *lab.Host, op string, moment machine.When) reconciler.Outcome {
	w.t.Helper()
	return w.killedIn(w.process(), h, op, moment)
}

// killedIn is such a run of a process that may be limited.
func (w *world) killedIn(s *process, h *lab.Host, op string, moment machine.When) reconciler.Outcome {
	w.t.Helper()
	var dead atomic.Bool
	s.State.Ledger = mortal{w.state.Ledger, &dead}
	var once sync.Once
	h.Points(func(p machine.Point) (a machine.Action) {
		runs := op == "file.swap" && h.Machine.Service(serviceOf(h)).State == "running" // of a file that is replaced under it
		if p.Op == op && p.When == moment && !w.marks(p) && !runs {
			once.Do(func() {
				dead.Store(true)
				w.kill()
				a.End = machine.EndCrash
			})
		}
		return a
	})
	_, o := s.apply(nil)
	s.close()
	if !dead.Load() {
		w.t.Fatalf("%s %s on %s never came: %v", moment, op, h.Name, o)
	}
	return o
}

// depends installs a service that depends on the host's.
func (w *world) depends(h *lab.Host) {
	w.t.Helper()
	w.do("dependent", h.Name)
	w.await("the dependent runs", func() bool { return w.watched(h) == nil })
}

// watched: the dependent runs.
func (w *world) watched(h *lab.Host) error {
	if s := h.Machine.Service(lab.WatchService); s.State != "running" {
		return fmt.Errorf("%s on %s is %s", lab.WatchService, h.Name, s.State)
	}
	return nil
}

// serviceOf is the product's service on a host.
func serviceOf(h *lab.Host) string {
	for _, name := range []string{lab.AdminService, lab.EngineService, lab.RelayService} {
		if h.Machine.Service(name).Installed {
			return name
		}
	}
	return ""
}

// A run that died took down what depends on a service. The next starts it again: it stood nowhere but in the ledger, for
// a service that is stopped has no dependents that run.
func TestDependentsOfARunThatDied(t *testing.T) {
	vendor()
	for _, host := range []string{"im-admin", "im-engine", "relay-01"} {
		for _, op := range []string{"service.stop", "file.swap", "service.start"} {
			for _, moment := range []machine.When{machine.Before, machine.After} {
				t.Run(fmt.Sprintf("%s %s %s", host, moment, op), func(t *testing.T) {
					t.Parallel()
					virtual(t, func(t *testing.T) {
						w := newWorld(t, 2)
						h := w.lab.Host(host)
						w.depends(h)
						w.killed(h, op, moment)
						w.converged()
						if err := w.watched(h); err != nil {
							t.Error(err)
						}
					})
				})
			}
		}
	}
}

func TestDependents(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		run          func(t *testing.T, w *world, h *lab.Host)
	}{
		{"a run", "what a stop takes down comes back with the start", func(t *testing.T, w *world, h *lab.Host) {
			pid := h.Machine.Service(lab.WatchService).PID
			w.converged()
			if h.Machine.Service(lab.WatchService).PID == pid {
				t.Error("it was not restarted: the test shows nothing")
			}
		}},
		{"it is told that the dependent is down, while nothing can be done", "whoever started the service, as a hint says, did not start it", func(t *testing.T, w *world, h *lab.Host) {
			began := time.Now()
			w.killed(h, "service.stop", machine.After)
			died := time.Now()
			w.do("start", h.Name)
			w.do("argument", "relay-02")
			_, o := w.run()
			told := func(d reconciler.Down) bool {
				return d.Service == lab.WatchService && d.Target.Name == h.Name && !d.Unsure && !d.Since.Before(began) && !d.Since.After(died)
			}
			s := w.process()
			all := s.look().Plan.StillDown()
			s.close()
			if len(all) != 1 || !told(all[0]) {
				t.Errorf("%+v; the run: %v", all, o)
			}
			w.do("plain", "relay-02")
			w.converged()
			if err := w.watched(h); err != nil {
				t.Error(err)
			}
			s = w.process()
			if all := s.look().Plan.StillDown(); len(all) > 0 {
				t.Errorf("%+v", all)
			}
			s.close()
		}},
		{"somebody starts the service alone after a kill", "the service runs, and its dependent is still to be started", func(t *testing.T, w *world, h *lab.Host) {
			w.killed(h, "service.stop", machine.After)
			w.do("start", h.Name)
			w.await("it runs", func() bool { return h.Machine.Service(serviceOf(h)).State == "running" })
			if w.watched(h) == nil {
				t.Error("the dependent came by itself: the test shows nothing")
			}
			w.converged()
		}},
		{"the file was replaced, and somebody starts the service alone", "nothing else is left to do on this host", func(t *testing.T, w *world, h *lab.Host) {
			w.killed(h, "file.swap", machine.After)
			w.do("start", h.Name)
			w.await("it runs", func() bool { return h.Machine.Service(serviceOf(h)).State == "running" })
			w.converged()
		}},
		{"two runs die", "the second tells the third what the first had told it", func(_ *testing.T, w *world, h *lab.Host) {
			w.killed(h, "service.stop", machine.After)
			w.killed(h, "service.start", machine.Before)
			w.converged()
		}},
		{"a run dies with nothing but the dependent left to start", "and it is still known", func(_ *testing.T, w *world, h *lab.Host) {
			w.killed(h, "file.swap", machine.After)
			w.do("start", h.Name)
			w.await("it runs", func() bool { return h.Machine.Service(serviceOf(h)).State == "running" })
			w.killed(h, "service.start", machine.Before)
			w.converged()
		}},
	} {
		for _, host := range []string{"im-admin", "im-engine", "relay-01"} {
			t.Run(c.name+"/"+host, func(t *testing.T) {
				t.Parallel()
				t.Log(c.reason)
				virtual(t, func(t *testing.T) {
					w := newWorld(t, 2)
					h := w.lab.Host(host)
					w.depends(h)
					c.run(t, w, h)
					if err := w.watched(h); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// The way back starts again what the way forward stopped.
func TestDependentsOnTheWayBack(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.doc.Product.API.ReadyTimeout.Seconds = 1
		for _, h := range w.lab.Hosts() {
			w.depends(h)
		}
		when(w.lab.Admin, "service.stop", machine.After, func() { w.lab.Ail(true) })
		if _, o := w.run(); o.Err == nil || len(o.With(state.Proven)) > 0 {
			t.Errorf("%v", o)
		}
		w.lab.Ail(false)
		w.await("the old key works again", func() bool { return w.keyWorks(w.old, "") == nil })
		for _, h := range w.lab.Hosts() {
			if err := w.watched(h); err != nil {
				t.Error(err)
			}
		}
	})
}

// What somebody stopped before is not started: it is nobody's business here.
func TestDependentsThatDidNotRun(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2)
		w.depends(w.lab.Admin)
		if err := w.lab.Admin.Machine.Stop(lab.WatchService); err != nil {
			t.Fatal(err)
		}
		w.await("it is stopped", func() bool { return w.watched(w.lab.Admin) != nil })
		w.converged()
		if w.watched(w.lab.Admin) == nil {
			t.Errorf("%s was stopped, and is started", lab.WatchService)
		}
	})
}

// What was started after the look is stopped with the service, too, and nobody had planned for it.
func TestDependentsThatCameAfterTheLook(t *testing.T) {
	vendor()
	for _, host := range []string{"im-admin", "im-engine", "relay-01"} {
		for _, known := range []bool{false, true} {
			t.Run(fmt.Sprint(host, " stopped at the look: ", known), func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := newWorld(t, 2)
					h := w.lab.Host(host)
					if known { // it is installed, and does not run
						w.depends(h)
						if err := h.Machine.Stop(lab.WatchService); err != nil {
							t.Fatal(err)
						}
						w.await("it is stopped", func() bool { return w.watched(h) != nil })
					}
					when(h, "service.stop", machine.Before, func() {
						if !known {
							w.depends(h)
						} else if err := h.Machine.Start(lab.WatchService); err != nil {
							t.Error(err)
						}
						w.await("the dependent runs", func() bool { return w.watched(h) == nil })
					})
					_, o := w.run()
					if o.Err != nil || len(o.With(state.Proven)) != 2 {
						t.Errorf("%v", o)
					}
					if err := w.watched(h); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// A relay is left behind stopped by a run that ends, and is then started by hand: its dependent is down since that run's stop.
func TestADependentOfWhoWasLeftBehind(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "relaykey")
		h := w.relay(1)
		w.depends(h)
		began := time.Now()
		h.Points(func(p machine.Point) (a machine.Action) {
			if p.Op == "service.stop" && p.When == machine.After {
				h.Unplug(true)
				a.End = machine.EndCrash
			}
			return a
		})
		_, o := w.run()
		ended := time.Now()
		if len(o.Left) != 1 || len(o.Down) != 1 {
			t.Fatalf("%v", o)
		}
		h.Points(nil)
		h.Unplug(false)
		time.Sleep(time.Hour)
		w.do("start", h.Name)
		w.await("it runs", func() bool { return h.Machine.Service(lab.RelayService).State == "running" })
		s := w.process()
		all := s.look().Plan.StillDown()
		s.close()
		if len(all) != 1 || all[0].Service != lab.WatchService || all[0].Since.Before(began) || all[0].Since.After(ended) {
			t.Errorf("%+v", all)
		}
		w.settled()
	})
}
