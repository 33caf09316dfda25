package providers_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
	"meshrotate/reconciler"
	"meshrotate/specs"
	"meshrotate/state"
)

// WinRM goes away for some seconds, as group policy and updates let it. The run waits and goes on: nothing is taken back,
// nobody is left behind, and every service is up.
func TestWinRMIsAwayForAWhile(t *testing.T) {
	vendor()
	for _, host := range []string{"im-admin", "im-engine", "relay-01"} {
		for _, op := range []string{"file.read", "file.stage", "service.stop", "file.swap", "service.start"} {
			for _, moment := range []machine.When{machine.Before, machine.After} {
				for _, away := range []time.Duration{2 * time.Second, 4 * time.Second, 20 * time.Second} {
					t.Run(fmt.Sprintf("%s %s %s %s", host, moment, op, away), func(t *testing.T) {
						t.Parallel()
						virtual(t, func(t *testing.T) { awayAt(t, newWorld(t, 2), host, op, moment, away) })
					})
				}
			}
		}
	}
}

func awayAt(t *testing.T, w *world, host, op string, moment machine.When, away time.Duration) {
	h := w.lab.Host(host)
	looked := op != "file.read" // the first read is the look's, which waits for a shorter time: nothing is down
	leave := func() {
		h.Unplug(true)
		time.AfterFunc(away, func() { h.Unplug(false) })
	}
	done := false
	h.Points(func(p machine.Point) machine.Action {
		if p.Op == "file.stage" && !w.marks(p) {
			looked = true
		}
		if looked && !done && p.Op == op && p.When == moment && !w.marks(p) {
			done = true
			leave()
		}
		return machine.Action{}
	})
	_, o := w.run()
	if o.Err != nil || len(o.Left) > 0 || len(o.Down) > 0 || len(o.With(state.Proven)) != 2 {
		t.Errorf("%v", o)
	}
	if !done {
		t.Error("it was never away")
	}
	w.await("every service runs", func() bool { return w.up() == nil })
	if err := w.keyWorks(w.kept("relaykey", lab.NewKey), w.old); err != nil {
		t.Error(err)
	}
	w.converged()
}

// Admin's host is away in Verify for longer than it is asked again, and comes back when a way back would be under way. Who was not
// reached has refuted nothing: nothing is taken back, and the next run proves it.
func TestWhoIsNotReachedRefutesNothing(t *testing.T) {
	vendor()
	for _, away := range []time.Duration{90 * time.Second, 5 * time.Minute} {
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 2)
			var started atomic.Int32
			for i := range 2 {
				w.relay(i + 1).Points(func(p machine.Point) machine.Action {
					if p.Op == "service.start" && p.When == machine.After && started.Add(1) == 2 {
						w.lab.Admin.Unplug(true)
						time.AfterFunc(away, func() { w.lab.Admin.Unplug(false) })
					}
					return machine.Action{}
				})
			}
			_, o := w.run()
			if started.Load() != 2 || len(o.With(state.Back)) > 0 || len(o.With(state.Proven)) == len(o.Secrets) || len(o.Down) > 0 {
				t.Errorf("away for %s: %v", away, o)
			}
			if err := w.together(); err != nil {
				t.Error(err)
			}
			time.Sleep(10 * time.Minute)
			w.converged()
		})
	}
}

// Admin's host lets nobody in any more, from any request of the proofs on: that says nothing about the rotation. What works is not
// taken back, least of all where nobody comes to take it back.
func TestWhoRefusesInVerifyRefutesNothing(t *testing.T) {
	vendor()
	for from := range int32(6) {
		t.Run(fmt.Sprint(from), func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, "license", "relaykey", "sqllogin/single")
				var started, sent atomic.Int32
				var over atomic.Bool
				for i := range 2 {
					w.relay(i + 1).Points(func(p machine.Point) machine.Action {
						if p.Op == "service.start" && p.When == machine.After && started.Add(1) == 2 {
							time.AfterFunc(15*time.Minute, func() { over.Store(true) })
						}
						return machine.Action{}
					})
				}
				w.lab.Admin.Wire(func(e wsman.Event) wsman.Fault {
					switch {
					case started.Load() < 2 || over.Load():
					case e.Action == wsman.Send && sent.Add(1) > from, e.Action == wsman.Handshake:
						return wsman.Fault{Kind: wsman.Status, Status: 401}
					}
					return wsman.Fault{}
				})
				_, o := w.run()
				if len(o.With(state.Back)) > 0 || len(o.Down) > 0 {
					t.Errorf("after %d requests: %v", sent.Load(), o)
				}
				if err := w.together(); err != nil {
					t.Error(err)
				}
				time.Sleep(20 * time.Minute)
				w.run()
				w.converged()
			})
		})
	}
}

// The lock is taken away while a relay is away in the switch, and waited for: when it is back, nothing is sent there any more.
func TestNothingIsSentAgainWithoutTheLock(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey")
		var taken atomic.Bool
		var effects atomic.Int32
		h := w.relay(2)
		w.lab.Admin.Points(func(p machine.Point) machine.Action {
			if p.Op == "service.start" && p.When == machine.After {
				h.Unplug(true)
				time.AfterFunc(8*time.Second, func() {
					w.rob()
					taken.Store(true)
				})
				time.AfterFunc(20*time.Second, func() { h.Unplug(false) })
			}
			return machine.Action{}
		})
		h.Points(func(p machine.Point) machine.Action {
			if taken.Load() && (p.Op == "service.stop" || p.Op == "file.swap" || p.Op == "service.start") && p.When == machine.Before {
				effects.Add(1)
			}
			return machine.Action{}
		})
		if _, o := w.run(); effects.Load() > 0 || !taken.Load() {
			t.Errorf("%d effects: %v", effects.Load(), o)
		}
	})
}

// How long a lost host is asked again is the policy's.
func TestPatienceIsThePolicys(t *testing.T) {
	vendor()
	for patience, left := range map[time.Duration]int{10 * time.Second: 1, time.Minute: 0} {
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 2, "relaykey")
			w.doc.Policy.Patience = specs.Duration{Text: patience.String(), Seconds: patience.Seconds()}
			h := w.relay(1)
			var once sync.Once
			h.Points(func(p machine.Point) machine.Action {
				if p.Op == "service.start" {
					once.Do(func() {
						h.Unplug(true)
						time.AfterFunc(40*time.Second, func() { h.Unplug(false) })
					})
				}
				return machine.Action{}
			})
			if _, o := w.run(); len(o.Left) != left {
				t.Errorf("%s: %v", patience, o)
			}
		})
	}
}

// A relay that started and died cannot connect: nobody waits minutes for it, and what is said of it is why it does not run.
func TestARelayDiesAfterItsStart(t *testing.T) {
	vendor()
	for _, after := range []time.Duration{0, time.Second, 3 * time.Second, 5 * time.Second} {
		virtual(t, func(t *testing.T) { relayDies(t, after) })
	}
}

func relayDies(t *testing.T, after time.Duration) {
	w := newWorldAt(t, lab.Config{Relays: 2, Memory: true, Time: lab.Timing{RelayConnect: 8 * time.Second}})
	when(w.relay(1), "service.start", machine.After, func() {
		time.AfterFunc(after, func() { w.relay(1).Machine.Kill(lab.RelayService) })
	})
	began := time.Now()
	_, o := w.run()
	if o.Err != nil || len(o.Left) != 1 || len(o.Down) != 1 || o.Down[0].Target != o.Left[0].Target {
		t.Fatalf("%v", o)
	}
	says(t, o.Down[0].Why, "relay-01", "stopped", "exit code")
	if after < 2*time.Second {
		says(t, o.Left[0].Why, "relay-01", "stopped", "exit code")
	}
	hinted(t, o.Left[0].Why)
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it was waited for: %s: %v", took, o)
	}
	if d := o.Down[0]; d.Service != lab.RelayService || d.Since.IsZero() {
		t.Errorf("%+v", d)
	}
	since := o.Down[0].Since
	noted := func(o state.Outage) bool {
		return o.Host == w.relay(1).Name && o.Service == lab.RelayService && o.Since.Equal(since.UTC().Round(0))
	}
	entries, err := w.state.Ledger.Entries(t.Context())
	if err != nil || !slices.ContainsFunc(entries, func(e state.Entry) bool { return slices.ContainsFunc(e.Outages, noted) }) {
		t.Errorf("the ledger does not say what is down: %v %+v", err, entries[len(entries)-1])
	}
	for _, e := range o.With(state.Proven) {
		for _, out := range e.Outages {
			if out.What == w.relay(1).Name && out.Since.IsZero() {
				t.Errorf("its outage is said to be over: %+v", out)
			}
		}
	}
	time.Sleep(4 * time.Minute)
	next := w.process()
	found := false
	for _, c := range next.look().Plan.Changes {
		found = found || slices.ContainsFunc(c.Findings, func(f reconciler.Finding) bool {
			return f.Code == "still-down" && slices.Contains(f.Hosts, w.relay(1).Name)
		})
	}
	next.close()
	if !found {
		t.Error("the next plan does not say since when it is down")
	}
	_, o = w.run()
	counted := false
	for _, e := range o.With(state.Proven) {
		for _, out := range e.Outages {
			counted = counted || out.What == "relays" && out.Measured > 240 && out.Since.IsZero()
		}
	}
	if !counted {
		t.Errorf("its outage is not counted from the first run on: %v %+v", o, o.Secrets)
	}
	w.converged()
}

// What a dead run had sent is still at work on a host, between the stop and the swap. The next run, whenever it begins, ends as
// if it had been alone.
func TestARunAfterADeadOne(t *testing.T) {
	vendor()
	for after := time.Duration(0); after < 3*time.Second; after += 100 * time.Millisecond {
		t.Run(after.String(), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Relays: 2, Memory: true, Time: lab.Timing{AdminStop: time.Second, PowerShell: 60 * time.Millisecond}})
				var dead atomic.Bool
				s := w.process()
				// The disk of Admin's host is slow, once: its script is between the stop and the swap when its run dies.
				w.lab.Admin.Points(func(p machine.Point) (a machine.Action) {
					if p.Op == "file.swap" && p.When == machine.Before && !w.marks(p) && dead.CompareAndSwap(false, true) {
						a.Delay = 2 * time.Second
						w.kill()
					}
					return a
				})
				s.State.Ledger = mortal{w.state.Ledger, &dead}
				s.apply(nil)
				s.close()
				time.Sleep(after)
				if h, held, err := w.state.Lock.Current(t.Context()); err == nil && held {
					_ = w.state.Lock.Break(t.Context(), h.Fence)
				}
				if _, o := w.run(); o.Err != nil || len(o.With(state.Proven)) != 2 {
					t.Errorf("%v", o)
				}
				w.converged()
			})
		})
	}
}

// Whatever may be down at the end of a run is named: a stop whose answer was lost, and one that a lost try did.
func TestAStopWithoutAnAnswer(t *testing.T) {
	vendor()
	for _, c := range []struct {
		name, reason string
		weather      func(h *lab.Host) func(machine.Point) machine.Action
	}{
		{"its host is gone for good", "it may have come that far", func(h *lab.Host) func(machine.Point) machine.Action {
			return func(p machine.Point) (a machine.Action) {
				if p.Op == "service.stop" && p.When == machine.After {
					h.Unplug(true)
					a.End = machine.EndCrash
				}
				return a
			}
		}},
		{"the next try finds it stopped", "and then something else fails", func(*lab.Host) func(machine.Point) machine.Action {
			return machine.Faults(machine.Fault{Op: "service.stop", When: machine.After, Times: 1, Action: machine.Action{End: machine.EndCrash}},
				machine.Fault{Op: "file.swap", When: machine.Before, Action: machine.Action{Fail: machine.ErrDiskFull}})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			t.Log(c.reason)
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2)
				h := w.relay(1)
				h.Points(c.weather(h))
				if _, o := w.run(); len(o.Down) != 1 || o.Down[0].Target.Name != h.Name || o.Down[0].Since.IsZero() {
					t.Errorf("%s is %s: %v", h.Name, h.Machine.Service(lab.RelayService).State, o)
				}
				h.Points(nil)
				h.Unplug(false)
				w.converged()
			})
		})
	}
}

// Somebody starts a service after its stop while the batch is sent for the second time: it is noticed before the relays follow
// Admin, and it is restarted.
func TestSomebodyStartsItWhileItIsAskedAgain(t *testing.T) {
	for host, login := range map[string]string{"im-admin": "", "relay-01": "", "im-engine": "alternating"} { // a login is in Engine's file
		t.Run(host, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Relays: 2, Login: login, Memory: true})
				h := w.lab.Host(host)
				service := map[string]string{"im-admin": lab.AdminService, "relay-01": lab.RelayService, "im-engine": lab.EngineService}[host]
				lost, theirs := false, false
				h.Points(func(p machine.Point) (a machine.Action) {
					switch {
					case p.Op == "service.stop" && p.When == machine.After && !lost:
						lost, a.End = true, machine.EndCrash
					case p.Op == "file.swap" && p.When == machine.Before && lost && !theirs && !w.marks(p) && strings.Contains(p.Object, "appsettings"):
						theirs, a.Delay = true, 2*time.Second
						go func() { _ = h.Machine.Start(service) }()
					}
					return a
				})
				_, o := w.run()
				if o.Err != nil || len(o.Left) > 0 || len(o.Down) > 0 || len(o.With(state.Proven)) != len(o.Secrets) || len(o.Secrets) < 2 {
					t.Errorf("%v", o)
				}
				if !theirs || len(o.Remarks) != 1 || !strings.Contains(o.Remarks[0].Text, "somebody had started") {
					t.Errorf("%+v", o.Remarks)
				}
				w.converged()
			})
		})
	}
}

// A lock is lost for all targets at once, and that is said once.
func TestALockIsLostOnce(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 5)
		var once sync.Once
		var switching atomic.Bool
		when(w.lab.Admin, "service.stop", machine.After, func() { switching.Store(true) })
		w.lab.WireAPI(func(e wsman.Event) (f wsman.Fault) {
			if e.Action == "GET /health/ready" && switching.Load() { // then comes every relay
				once.Do(w.rob)
			}
			return f
		})
		_, o := w.run()
		says(t, o.Err, "the lock")
		if n := strings.Count(o.Err.Error(), "was lost"); n != 1 || !o.Halted {
			t.Errorf("%d times: %v", n, o)
		}
		w.converged()
	})
}

// Somebody stops Admin while its API is waited for, by the switch and by the proof: that is noticed after some seconds, and said.
func TestAdminStopsWhileItIsWaitedFor(t *testing.T) {
	for name, act := range map[string]func(w *world){
		"before it is ready": func(w *world) {
			when(w.lab.Admin, "service.start", machine.After, func() { w.lab.Admin.Machine.Kill(lab.AdminService) })
		},
		"while the relays are proven": func(w *world) {
			when(w.relay(1), "service.start", machine.After, func() { w.lab.Admin.Machine.Kill(lab.AdminService) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Relays: 2, Memory: true, Time: lab.Timing{RelayConnect: 8 * time.Second}})
				act(w)
				began := time.Now()
				_, o := w.run()
				if o.Err == nil {
					t.Fatalf("%v", o)
				}
				says(t, o.Err, "im-admin", "IdentityMeshAdmin", "stopped (exit code")
				hinted(t, o.Err)
				if took := time.Since(began); took > 90*time.Second {
					t.Errorf("it was waited for: %s: %v", took, o)
				}
				w.converged()
			})
		})
	}
}
