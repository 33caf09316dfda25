package providers_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/state"
)

// What depends on a service takes longer to stop than is waited for: the service itself never stopped. All goes back, what was slow is
// named, and nobody waits for what a service would do that was never restarted.
func TestADependentThatStopsSlowly(t *testing.T) {
	vendor()
	for _, mode := range []string{"single", "alternating"} {
		t.Run(mode, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 1, "sqllogin/"+mode)
				h := w.lab.EngineHost
				w.depends(h)
				slow := func(d time.Duration) {
					_ = h.Machine.Change(lab.WatchService, func(s *machine.Service) { s.Timing.Stop = d })
				}
				slow(90 * time.Second)
				pid := h.Machine.Service(lab.EngineService).PID
				began := time.Now()
				_, o := w.run()
				if len(o.With(state.Back)) != 1 || len(o.Down) > 0 || o.Err == nil || !strings.Contains(o.Err.Error(), lab.WatchService) {
					t.Errorf("%v", o)
				}
				if now := h.Machine.Service(lab.EngineService).PID; now != pid {
					t.Error("Engine was stopped")
				}
				for _, e := range o.Secrets {
					for _, x := range e.Outages {
						if x.What == "Engine" {
							t.Errorf("an outage of what never stopped: %+v", x)
						}
					}
				}
				if took := time.Since(began); took > 4*time.Minute {
					t.Errorf("it took %s", took)
				}
				w.await("the dependent runs", func() bool { return w.watched(h) == nil })
				slow(time.Second)
				w.loggedIn(lab.NewLogin)
			})
		})
	}
}

// The services' account is locked in the switch: Windows starts none of them, on the way back either. That is what is told of each, and
// nobody is waited for who cannot come.
func TestStartsAreRefused(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey", "sqllogin/alternating", "serviceaccount/later")
		delete(w.doc.Secrets, "serviceAccounts")
		w.stopped(func() { w.do("lock", w.lab.Admin.Name) })
		began := time.Now()
		_, o := w.run()
		if len(o.Down) != 2 {
			t.Fatalf("%v", o)
		}
		for _, d := range o.Down {
			if d.Why == nil || !strings.Contains(fmt.Sprint(d.Why), "1069") || d.Started {
				t.Errorf("%s: %v", d.What, d.Why)
			}
		}
		if took := time.Since(began); took > 2*time.Minute {
			t.Errorf("it took %s", took)
		}
		if p, _ := w.run(); strings.Contains(fmt.Sprint(p.Changes[0].Findings, p.Changes[1].Findings), "started it again") {
			t.Errorf("%+v", p.Changes)
		}
	})
}
