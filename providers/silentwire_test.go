package providers_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// The connection to a host dies in the switch, and nobody says so: what was sent is done, and no answer comes. The services are not
// restarted for it a second time, and what nobody saw the end of is told as what it was at the most.
func TestAConnectionDiesInSilence(t *testing.T) {
	vendor()
	for _, kind := range []string{"relaykey", "sqllogin/alternating"} {
		for _, host := range []string{"im-admin", "im-engine", "relay-01"} {
			t.Run(kind+" "+host, func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) { diesInSilence(t, newWorld(t, 3, kind), host) })
			})
		}
	}
}

func diesInSilence(t *testing.T, w *world, host string) {
	h := w.lab.Host(host)
	service := map[string]string{"im-admin": lab.AdminService, "im-engine": lab.EngineService, "relay-01": lab.RelayService}[host]
	files := 0
	for _, k := range []string{"relaykey", "sqllogin"} {
		if slices.ContainsFunc(w.rotations(), func(r reconciler.Rotation) bool { return r.Ref().Name == k }) {
			files += map[string]int{"relaykey": 4, "sqllogin": 2}[k]
		}
	}
	var mu sync.Mutex
	pids := map[uint32]bool{}
	staged, here := 0, false
	last, batches, dead := 0, 0, 0 // numbers of connections
	for _, name := range []string{"im-admin", "im-engine", "relay-01", "relay-02", "relay-03"} {
		w.lab.Host(name).Points(func(p machine.Point) (a machine.Action) {
			mu.Lock()
			defer mu.Unlock()
			if p.Op == "file.stage" && p.When == machine.After && !w.marks(p) {
				staged++
				if name == host {
					here, batches = true, last // and not the marker's
				}
			}
			if name == host {
				pids[h.Machine.Service(service).PID] = true
			}
			return a
		})
	}
	h.Wire(func(e wsman.Event) (f wsman.Fault) {
		mu.Lock()
		defer mu.Unlock()
		if e.Action == wsman.Send {
			last = e.Connection
		}
		switch {
		case e.Action == wsman.Send && staged == files && dead == 0 && e.Connection == batches: // the next that is sent is of the switch
			dead = e.Connection
		case dead != 0 && e.Connection == dead:
			f.Kind = wsman.HangAfter
		}
		return f
	})
	began := time.Now()
	_, o := w.run()
	if o.Err != nil || len(o.Left) > 0 || len(o.Down) > 0 || len(o.With(state.Proven)) != len(o.Secrets) {
		t.Errorf("%v", o)
	}
	if !here {
		return // nothing of it is on this host
	}
	delete(pids, 0)
	if len(pids) > 2 {
		t.Errorf("its processes were %v", pids)
	}
	if took := time.Since(began); host != "relay-01" && took > 45*time.Second {
		t.Errorf("it took %s", took)
	}
	told := false
	for _, e := range o.Secrets {
		for _, x := range e.Outages {
			told = told || x.AtMost && (x.What == h.Name || x.What == map[string]string{"im-admin": "Admin", "im-engine": "Engine"}[host])
			if x.Measured < 5 && x.AtMost {
				t.Errorf("%+v", x)
			}
		}
	}
	if !told {
		t.Errorf("nothing is told as what it was at the most: %+v", o.Secrets)
	}
	if err := w.up(); err != nil {
		t.Error(err)
	}
	if _, o := w.run(); len(o.Secrets) > 0 {
		t.Errorf("something was left to do: %v", o)
	}
}

// The Admin API is away when a relay connects, or when Admin is ready: nobody saw when that was.
func TestTheAPIIsAwayWhenSomethingComesUp(t *testing.T) {
	vendor()
	for action, whose := range map[string][]string{"GET /api/relays": {"relays", "relay-01.lab.example"}, "GET /health/ready": {"Admin"}, "": nil} {
		t.Run(action, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, "relaykey")
				var away atomic.Bool
				w.lab.WireAPI(func(e wsman.Event) (f wsman.Fault) {
					if away.Load() && string(e.Action) == action {
						f.Kind = wsman.Hang
					}
					return f
				})
				when(w.lab.Admin, "service.start", machine.Before, func() {
					away.Store(true)
					time.AfterFunc(30*time.Second, func() { away.Store(false) })
				})
				_, o := w.run()
				if len(o.With(state.Proven)) != 1 {
					t.Fatalf("%v", o)
				}
				for _, name := range []string{"relays", "relay-01.lab.example", "Admin"} {
					if all := outagesOf(o, name); len(all) != 1 || all[0].AtMost != slices.Contains(whose, name) {
						t.Errorf("%s: %+v", name, all)
					}
				}
			})
		})
	}
}
