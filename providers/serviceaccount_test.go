package providers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/rotations/serviceaccount"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/state"
)

// A password that is wrong, or of an account that may not log on, is found while everything runs, with one try on one host. A wrong
// one is not tried again soon; of an account that is locked out nothing was learnt about its password.
func TestAPasswordIsTriedOnceBeforeAnythingStops(t *testing.T) {
	for _, c := range []struct {
		name, says string
		spoil      func(d *machine.Directory)
		wrong      int
	}{
		{"wrong", "1326", func(d *machine.Directory) { d.Set(lab.Account, "another one") }, 1},
		{"locked, and the domain says nothing of it", "1909", func(d *machine.Directory) { d.Silent = true; d.Lock(lab.Account, true) }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			accountWorld(t, func(t *testing.T, w *world) {
				d := w.lab.Directory()
				_, next := w.lab.AccountPasswords()
				c.spoil(d)
				admin, engine := counting(w.lab.Admin), counting(w.lab.EngineHost)
				_, o := w.run()
				if o.Err == nil || !strings.Contains(o.Err.Error(), c.says) || reconciler.HintOf(o.Err) == "" || len(o.With(state.Back)) != 1 || len(o.Down) > 0 {
					t.Errorf("%v: %v", o.Err, o)
				}
				if admin.tries.Load() != 1 || engine.tries.Load() != 0 {
					t.Errorf("%d tries on Admin's host, %d on Engine's", admin.tries.Load(), engine.tries.Load())
				}
				p, _ := w.run()
				if c.wrong > 0 {
					found(t, p, "logon-refused")
				}
				if _, wrong, _, _ := d.Look(lab.Account); wrong != c.wrong || admin.tries.Load() != int32(2-c.wrong) {
					t.Errorf("%d wrong passwords, %d tries", wrong, admin.tries.Load())
				}
				if n := admin.stops.Load() + engine.stops.Load() + admin.sets.Load() + engine.sets.Load(); n != 0 {
					t.Errorf("%d services were touched", n)
				}
				d.Set(lab.Account, next)
				d.Lock(lab.Account, false)
				time.Sleep(time.Duration(c.wrong) * 31 * time.Minute)
				w.settles()
			})
		})
	}
}

// A right that is missing is in the plan; one that goes away later is found by the logon, before a service stops.
func TestTheRightToLogOnAsAService(t *testing.T) {
	t.Run("missing", func(t *testing.T) {
		accountWorld(t, func(t *testing.T, w *world) {
			w.lab.EngineHost.Machine.Allow(lab.Account, false)
			p, _ := w.run()
			found(t, p, "logon-right-missing", w.lab.EngineHost.Name)
			if len(p.Steps()) > 0 || w.kept(lab.AccountSecret, lab.NewAccount) != "" {
				t.Errorf("it was begun all the same: %d steps", len(p.Steps()))
			}
			w.lab.EngineHost.Machine.Allow(lab.Account, true)
			w.settles()
		})
	})
	t.Run("taken away", func(t *testing.T) {
		accountWorld(t, func(t *testing.T, w *world) {
			engine := before(w.lab.EngineHost, "logon.try", func() { w.lab.EngineHost.Machine.Allow(lab.Account, false) })
			admin := counting(w.lab.Admin)
			_, o := w.run()
			if o.Err == nil || !strings.Contains(o.Err.Error(), "1385") || len(o.With(state.Back)) != 1 || engine.stops.Load()+admin.stops.Load() != 0 {
				t.Errorf("%v: %v", o.Err, o)
			}
			w.lab.EngineHost.Machine.Allow(lab.Account, true)
			w.settles()
		})
	})
}

// Whatever happens after the logon: the first service that is refused ends the run, ahead and named, and no other is touched.
// The next run finishes.
func TestALogonThatIsRefusedAtTheStart(t *testing.T) {
	t.Run("Admin", func(t *testing.T) {
		accountWorld(t, func(t *testing.T, w *world) {
			before(w.lab.Admin, "service.start", func() { w.lab.Directory().Lock(lab.Account, true) })
			engine := counting(w.lab.EngineHost)
			_, o := w.run()
			if o.Err == nil || !strings.Contains(o.Err.Error(), "1069") || len(o.With(state.Ahead)) != 1 || len(o.Down) != 1 || o.Down[0].What != "Admin" {
				t.Errorf("%v: %v", o.Err, o)
			}
			if engine.stops.Load() != 0 || w.lab.EngineHost.Machine.Service(lab.EngineService).State != "running" {
				t.Error("Engine was stopped for an account that is refused")
			}
			w.lab.Directory().Lock(lab.Account, false)
			w.settles()
		})
	})
	t.Run("Engine", func(t *testing.T) {
		accountWorld(t, func(t *testing.T, w *world) {
			before(w.lab.EngineHost, "service.start", func() { w.lab.Directory().Lock(lab.Account, true) })
			_, o := w.run()
			if o.Err == nil || len(o.With(state.Ahead)) != 1 || len(o.Down) != 1 || o.Down[0].What != "Engine" {
				t.Errorf("%v: %v", o.Err, o)
			}
			w.lab.Directory().Lock(lab.Account, false)
			w.settles()
		})
	})
}

// A host that does not take the logon keeps its service as it is: it runs on.
func TestALogonThatIsNotTaken(t *testing.T) {
	for _, number := range []machine.Errno{machine.ErrAccessDenied, machine.ErrNoAccount, machine.ErrMarkedForDelete, 87} {
		t.Run(number.Error(), func(t *testing.T) {
			accountWorld(t, func(t *testing.T, w *world) {
				engine := counting(w.lab.EngineHost, machine.Fault{Op: "service.logon", When: machine.Before, Times: 2, Action: machine.Action{Fail: number}})
				_, o := w.run()
				if o.Err == nil || reconciler.HintOf(o.Err) == "" || len(o.With(state.Ahead)) != 1 || len(o.Down) != 0 || engine.stops.Load() != 0 {
					t.Errorf("%v: %v; Engine was stopped %d times", o.Err, o, engine.stops.Load())
				}
				w.settles()
			})
		})
	}
}

// One that takes it when it is asked again is not left behind for it.
func TestALogonThatIsTakenAtLast(t *testing.T) {
	accountWorld(t, func(t *testing.T, w *world) {
		engine := counting(w.lab.EngineHost, machine.Fault{Op: "service.logon", When: machine.Before, Times: 1, Action: machine.Action{Fail: machine.ErrAccessDenied}})
		_, o := w.run()
		if o.Err != nil || len(o.With(state.Proven)) != 1 || len(o.Down) != 0 || engine.stops.Load() > 1 {
			t.Errorf("%v: %v; Engine was stopped %d times", o.Err, o, engine.stops.Load())
		}
		w.settles()
	})
}

// Stored now, restarted by somebody later: nothing is stopped, the plan says what is waited for, and the restart is proven.
func TestRestartLater(t *testing.T) {
	accountWorld(t, func(t *testing.T, w *world) {
		admin, engine := counting(w.lab.Admin), counting(w.lab.EngineHost)
		p, o := w.run()
		if o.Err != nil || len(o.With(state.Proven)) != 1 || admin.stops.Load()+engine.stops.Load() != 0 {
			t.Fatal(o)
		}
		var said strings.Builder
		if err := render.Write(&said, render.Style{}, render.OutcomeOf(p, "r", time.Second, o)); err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(strings.Fields(said.String()), " "); !strings.Contains(text, "STORED, which is proven; in force from the next start of Admin and Engine on") || !strings.Contains(text, "1 of them not in force yet") {
			t.Error(said.String())
		}
		plan := func() *reconciler.Plan {
			s := w.process()
			defer s.close()
			return s.look().Plan
		}
		look := func() reconciler.Change { return plan().Changes[0] }
		if c := look(); c.Status != reconciler.AsDeclared || c.Reason != "stored; takes effect at the next start of Admin and Engine" {
			t.Errorf("%s: %s", c.Status, c.Reason)
		}
		for i, h := range []*lab.Host{w.lab.Admin, w.lab.EngineHost} {
			service := []string{lab.AdminService, lab.EngineService}[i]
			if err := h.Machine.Stop(service); err != nil {
				t.Fatal(err)
			}
			h.Machine.Await(service, "stopped", time.Minute)
			if err := h.Machine.Start(service); err != nil {
				t.Fatal(err)
			}
			h.Machine.Await(service, "running", time.Minute)
		}
		if _, password, _ := w.lab.Admin.Machine.LoggedOn(lab.AdminService); password != w.kept(lab.AccountSecret, lab.NewAccount) {
			t.Error("Admin runs with another password")
		}
		if c := look(); c.Reason != "Admin and Engine run as "+lab.Account {
			t.Error(c.Reason)
		}
	}, "serviceaccount/later")
}

// Stored now, restarted by the first run within a window.
func TestRestartInAWindow(t *testing.T) {
	accountWorld(t, func(t *testing.T, w *world) {
		spec := (*w.doc.Secrets["serviceAccounts"].(*serviceaccount.Spec))
		opens := time.Now().UTC().Add(3 * time.Hour)
		spec[0].Restart, spec[0].RestartIn = "window", []string{fmt.Sprintf("daily %s-%s UTC", opens.Format("15:04"), opens.Add(time.Hour).Format("15:04"))}
		admin, engine := counting(w.lab.Admin), counting(w.lab.EngineHost)
		p, o := w.run()
		if o.Err != nil || len(o.With(state.Proven)) != 1 || admin.stops.Load()+engine.stops.Load() != 0 {
			t.Fatal(p.Changes, o)
		}
		if p, _ := w.run(); !p.Empty() || !strings.Contains(p.Changes[0].Reason, "in the window that opens on "+opens.Format("Mon 2006-01-02 15:04")) {
			t.Errorf("before: %s", p.Changes[0].Reason)
		}
		time.Sleep(3*time.Hour + time.Minute)
		if _, o := w.run(); o.Err != nil || len(o.With(state.Proven)) != 1 || admin.stops.Load() != 1 || engine.stops.Load() != 1 {
			t.Errorf("within: %v; %d and %d stops", o, admin.stops.Load(), engine.stops.Load())
		}
		w.settles()
	}, "serviceaccount")
}

// Whoever restarts a service in the same run restarts it with the new password: the old one is dead.
func TestRestartLaterBySomebodyElse(t *testing.T) {
	accountWorld(t, func(t *testing.T, w *world) {
		admin, engine := counting(w.lab.Admin), counting(w.lab.EngineHost)
		first, o := w.run()
		if o.Err != nil || len(o.With(state.Proven)) != 2 || admin.stops.Load() != 0 || engine.stops.Load() != 1 {
			t.Fatalf("%v; Admin was stopped %d times, Engine %d times", o, admin.stops.Load(), engine.stops.Load())
		}
		if later := first.Changes[1].Later; later != "the next start of Admin" {
			t.Errorf("in force from %s on", later)
		}
		if _, password, _ := w.lab.EngineHost.Machine.LoggedOn(lab.EngineService); password != w.kept(lab.AccountSecret, lab.NewAccount) {
			t.Error("Engine runs with another password")
		}
		s := w.process()
		defer s.close()
		p := s.look().Plan
		if c := p.Changes[1]; !p.Empty() || c.Reason != "stored; takes effect at the next start of Admin" {
			t.Errorf("%d steps; %s", len(p.Steps()), c.Reason)
		}
	}, "license", "serviceaccount/later")
}

// What a run has stopped it starts, restart: later or not, and the plan says so. What somebody else has stopped it leaves to them, and
// says that, too.
func TestRestartLaterOfWhatIsStopped(t *testing.T) {
	look := func(w *world) *reconciler.Plan {
		s := w.process()
		defer s.close()
		return s.look().Plan
	}
	t.Run("by a run", func(t *testing.T) {
		accountWorld(t, func(t *testing.T, w *world) {
			before(w.lab.EngineHost, "service.start", func() { w.lab.Directory().Lock(lab.Account, true) })
			if _, o := w.run(); len(o.Down) != 1 {
				t.Fatal(o)
			}
			spec := (*w.doc.Secrets["serviceAccounts"].(*serviceaccount.Spec))
			spec[0].Restart = "later"
			w.lab.Directory().Lock(lab.Account, false)
			p := look(w)
			if f := stillDown(p, w.lab.EngineHost.Name); f.Hint != "apply starts it" || !starts(p, lab.EngineService) || starts(p, lab.AdminService) {
				t.Errorf("%+v, %+v", f, p.Steps())
			}
			w.settles()
		})
	})
	t.Run("by somebody else", func(t *testing.T) {
		accountWorld(t, func(t *testing.T, w *world) {
			w.run()
			if err := w.lab.EngineHost.Machine.Stop(lab.EngineService); err != nil {
				t.Fatal(err)
			}
			w.lab.EngineHost.Machine.Await(lab.EngineService, "stopped", time.Minute)
			p := look(w)
			if c := p.Changes[0]; c.Status != reconciler.AsDeclared || c.Reason != "stored; takes effect at the next start of Admin and Engine; Engine is not running, and restart: later leaves the start to others" {
				t.Errorf("%s: %s", c.Status, c.Reason)
			}
			p, o := w.run()
			r := render.OutcomeOf(p, "", 0, o)
			if !p.Empty() || r.OK || len(r.Down) != 1 || !strings.Contains(r.Down[0].Hint, "no run starts it") {
				t.Errorf("%+v", r)
			}
			if err := w.lab.EngineHost.Machine.Start(lab.EngineService); err != nil {
				t.Fatal(err)
			}
			w.lab.EngineHost.Machine.Await(lab.EngineService, "running", time.Minute)
			w.settles()
		}, "serviceaccount/later")
	})
}

// starts says that a plan starts a service.
func starts(p *reconciler.Plan, service string) bool {
	return slices.ContainsFunc(p.Steps(), func(s reconciler.Step) bool { op, ok := s.Op.(site.StartService); return ok && op.Service == service })
}

// With everything due at once each service stops once.
func TestTheAccountAmongAllSecrets(t *testing.T) {
	for _, mode := range []string{"alternating", "single"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, "license", "relaykey", "sqllogin/"+mode, "serviceaccount")
				admin, engine := counting(w.lab.Admin), counting(w.lab.EngineHost)
				p, o := w.run()
				if o.Err != nil || len(o.With(state.Proven)) != 4 || p.Count(reconciler.Rotate) != 4 {
					t.Fatal(o)
				}
				if admin.stops.Load() != 1 || engine.stops.Load() != 1 || admin.tries.Load() != 1 || engine.tries.Load() != 1 {
					t.Errorf("Admin was stopped %d times, Engine %d times", admin.stops.Load(), engine.stops.Load())
				}
				w.converged()
				if err := w.logsOn(true); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
