package providers_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"meshrotate/providers"
	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/reconciler/session"
)

// stillDown is the finding about a host that an earlier run left down.
func stillDown(p *reconciler.Plan, host string) (found reconciler.Finding) {
	for _, c := range p.Changes {
		for _, f := range c.Findings {
			if f.Code == "still-down" && slices.Contains(f.Hosts, host) {
				found = f
			}
		}
	}
	return found
}

// A run dies with a service stopped, and then nobody can look at its host: the ledger knows enough to name it, of every kind
// of secret.
func TestDownAndOutOfReach(t *testing.T) {
	vendor()
	admin := func(w *world) *lab.Host { return w.lab.Admin }
	engine := func(w *world) *lab.Host { return w.lab.EngineHost }
	relay := func(w *world) *lab.Host { return w.relay(1) }
	for _, c := range []struct {
		kind, what string
		host       func(w *world) *lab.Host
	}{
		{"relaykey", "relay", relay},
		{"relaykey", "Admin", admin},
		{"license", "Engine", engine},
		{"sqllogin", "Admin", admin},
		{"sqllogin", "Engine", engine},
		{"serviceaccount", "Admin", admin},
		{"serviceaccount", "Engine", engine},
	} {
		t.Run(c.kind+" "+c.what, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, c.kind)
				h := c.host(w)
				began := time.Now()
				w.killed(h, "service.stop", machine.After)
				died := time.Now()
				h.Unplug(true)
				time.Sleep(10 * time.Minute)
				byRecord, _ := session.DownByRecord(t.Context(), providers.Kinds(), w.doc, w.state, time.Now())
				if !slices.ContainsFunc(byRecord, func(d reconciler.Down) bool { return d.Target.Name == h.Name && d.What != "" && d.Unsure }) {
					t.Errorf("the ledger alone says %+v", byRecord)
				}
				s := w.process()
				v := s.look()
				s.close()
				f := stillDown(v.Plan, h.Name)
				if !strings.Contains(f.Text, "may be DOWN since") || !strings.Contains(f.Text, "cannot be looked at") {
					t.Errorf("%+v", v.Plan.Changes)
				}
				for _, change := range v.Plan.Changes {
					for _, d := range change.Down {
						if d.Target.Name == h.Name && (!d.Unsure || d.Since.Before(began) || d.Since.After(died)) {
							t.Errorf("%+v", d)
						}
					}
				}
				if !render.StatusOf(v.Plan, v.History, 0, "").Drifted {
					t.Error("no drift")
				}
				h.Unplug(false)
				w.run()
				if err := w.up(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A relay is left behind down, and stays out of reach: every run that goes on without it names it, until somebody sees it again.
func TestDownAndLeftBehind(t *testing.T) {
	vendor()
	for _, c := range []struct {
		name  string
		first func(w *world, h *lab.Host)
	}{
		{"the run said so", func(w *world, h *lab.Host) {
			h.Points(func(p machine.Point) (a machine.Action) {
				if p.Op == "service.stop" && p.When == machine.After {
					h.Unplug(true)
					a.End = machine.EndCrash
				}
				return a
			})
			if _, o := w.run(); len(o.Down) != 1 {
				w.t.Fatalf("%v", o)
			}
			h.Points(nil)
		}},
		{"the run was killed", func(w *world, h *lab.Host) {
			w.killed(h, "service.stop", machine.After)
			h.Unplug(true)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 3, "relaykey")
				h := w.relay(2)
				c.first(w, h)
				w.doc.Policy.Unreachable.Count = 1
				time.Sleep(5 * time.Minute)
				for range 2 {
					p, o := w.run()
					if stillDown(p, h.Name).Text == "" {
						t.Errorf("the plan does not name it: %+v", p.Changes)
					}
					r := render.OutcomeOf(p, "", 0, o)
					if len(r.Down) != 1 || r.Down[0].Host != h.Name || !r.Down[0].Unsure || r.OK {
						t.Errorf("%+v", r)
					}
					time.Sleep(time.Hour)
				}
				h.Unplug(false)
				w.run()
				if err := w.up(); err != nil {
					t.Error(err)
				}
				p, o := w.run()
				if r := render.OutcomeOf(p, "", 0, o); len(r.Down) > 0 || !r.OK {
					t.Errorf("%+v", r)
				}
			})
		})
	}
}

// A relay whose batch was delivered and whose answer was lost runs, and Admin says so: it is not called down, nor old.
func TestWhatIsKnownOfOneLeftBehind(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "relaykey")
		h := w.relay(1)
		h.Points(func(p machine.Point) (a machine.Action) {
			if p.Op == "service.start" && p.When == machine.After {
				h.Unplug(true)
				a.End = machine.EndCrash
			}
			return a
		})
		_, o := w.run()
		h.Points(nil)
		w.doc.Policy.Unreachable.Count = 1
		time.Sleep(5 * time.Minute)
		s := w.process()
		v := s.look()
		s.close()
		if f := stillDown(v.Plan, h.Name); f.Text != "" {
			t.Errorf("Admin hears of it: %+v", f)
		}
		st := render.StatusOf(v.Plan, v.History, 0, "")
		if one := st.Secrets[0]; len(one.Left) != 1 || len(one.LeftUnsure) != 1 {
			t.Errorf("%+v after %v", one, o)
		}
	})
}

// What somebody stops in the switch, after its start, is told alike by the run and by the next plan: since when, and that nobody
// knows who stopped it.
func TestStoppedBySomebody(t *testing.T) {
	vendor()
	for _, c := range []struct {
		name, cause string
		stop        func(m *machine.Machine, service string)
	}{
		{"stopped", "somebody stopped it, or it ended by itself", func(m *machine.Machine, service string) { _ = m.Stop(service) }},
		{"ended", "it ended by itself", func(m *machine.Machine, service string) { m.Kill(service) }},
	} {
		for _, who := range []string{"Admin", "relay"} {
			t.Run(who+" "+c.name, func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := newWorld(t, 3, "relaykey")
					h := w.relay(1)
					when(h, "service.start", machine.After, func() {
						time.AfterFunc(1200*time.Millisecond, func() { c.stop(h.Machine, lab.RelayService) })
					})
					if who == "Admin" { // a failed proof would bring it back
						h.Points(nil)
						h = w.lab.Admin
						var once sync.Once
						h.Points(func(p machine.Point) machine.Action {
							if p.Op == "file.discard" && p.When == machine.Before && !w.marks(p) {
								once.Do(func() { c.stop(h.Machine, lab.AdminService); time.Sleep(5 * time.Second) })
							}
							return machine.Action{}
						})
					}
					p, o := w.run()
					r := render.OutcomeOf(p, "run", 0, o)
					if len(r.Down) != 1 {
						t.Fatalf("%v", o)
					}
					d := r.Down[0]
					if !strings.Contains(d.Hint, c.cause) {
						t.Errorf("hint: %s (%s)", d.Hint, d.Why)
					}
					s := w.process()
					v := s.look()
					s.close()
					f := stillDown(v.Plan, h.Name)
					if !strings.Contains(f.Text, d.Since.Format("2006-01-02 15:04:05 UTC")) || !strings.Contains(f.Text, c.cause) || strings.Contains(f.Text, "an earlier run stopped it") {
						t.Errorf("%s: %s", d.Since, f.Text)
					}
				})
			})
		}
	}
}

// After a run that was cut off behind its last swap, status tells the version that is live, and not the one before.
func TestLiveAfterACutOffRun(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 1, "relaykey")
		w.killed(w.relay(1), "service.start", machine.Before)
		s := w.process()
		v := s.look()
		s.close()
		c := v.Plan.Changes[0]
		if got := render.StatusOf(v.Plan, v.History, 0, "").Secrets[0].Live; got != lab.NewKey || c.Before != lab.OldKey {
			t.Errorf("live %q, before %q", got, c.Before)
		}
		if _, o := w.run(); o.Err != nil {
			t.Error(o)
		}
	})
}
