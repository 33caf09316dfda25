package providers_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/connect"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// However long it takes until everything is prepared, the outage is what it is otherwise: every shell is there and runs before the
// first stop, so that nobody waits for one while a service is down. A host that is too slow to prepare ends the run before that.
func TestALongPrepareIsNoOutage(t *testing.T) {
	type measured struct{ relay, fleet, admin float64 }
	var usual measured
	for _, c := range []struct {
		reason   string
		parallel int
		slow     int           // how many relays stage slowly
		staging  time.Duration // and how slowly
		prepare  time.Duration // which takes at least so long
	}{
		{"as usual", 200, 0, 0, 0},
		{"one relay of a hundred stages for 25 s", 200, 1, 25 * time.Second, 25 * time.Second},
		{"the fleet prepares for eight minutes", 5, 100, 25 * time.Second, 8 * time.Minute},
		{"the fleet prepares for forty minutes", 1, 100, 25 * time.Second, 40 * time.Minute},
		{"one relay of a hundred stages for 190 s: nothing is stopped", 200, 1, 190 * time.Second, 0},
	} {
		t.Run(c.reason, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 100, "relaykey")
				w.doc.Policy.Parallel = c.parallel
				var began, late, stopped atomic.Int64 // moments, and PowerShell processes that were started after the first stop
				for i, h := range w.lab.Hosts() {
					h.Points(func(p machine.Point) (a machine.Action) {
						switch {
						case p.Op == "file.stage" && p.When == machine.Before:
							began.CompareAndSwap(0, time.Now().UnixNano())
							if i > 1 && i < 2+c.slow { // behind Admin and Engine
								a.Delay = c.staging
							}
						case p.Op == "service.stop" && p.When == machine.Before:
							stopped.CompareAndSwap(0, time.Now().UnixNano())
						case p.Op == "start" && stopped.Load() > 0:
							late.Add(1)
						}
						return a
					})
				}
				s := w.process()
				defer s.close()
				w.client.Idle = connect.Idle(w.doc)
				_, o := s.apply(nil)
				if c.slow > 0 && c.prepare == 0 {
					if len(o.With(state.Back)) != 1 || stopped.Load() > 0 || o.Err == nil || !strings.Contains(o.Err.Error(), w.relay(1).Name) {
						t.Errorf("%v", o)
					}
					if text := fmt.Sprint(o.Err); !strings.HasPrefix(text, "stage ") || !strings.Contains(text, "before any service is stopped") || !strings.Contains(text, "no answer within 30s") || reconciler.HintOf(o.Err) == "" {
						t.Errorf("it says %q, with the hint %q", text, reconciler.HintOf(o.Err))
					}
					return
				}
				if len(o.With(state.Proven)) != 1 || late.Load() > 0 || time.Duration(stopped.Load()-began.Load()) < c.prepare {
					t.Errorf("%v; %d processes were started when services were down, %s after the first staging", o, late.Load(), time.Duration(stopped.Load()-began.Load()))
				}
				var m measured
				for _, out := range o.Secrets[0].Outages {
					switch {
					case out.What == "Admin":
						m.admin = out.Measured
					case out.What == "relays":
						m.fleet = out.Measured
					case w.lab.Host(out.What) != nil:
						m.relay = max(m.relay, out.Measured)
					}
				}
				if usual == (measured{}) {
					usual = m
				}
				if m.relay <= 0 || m != usual {
					t.Errorf("the outage is %+v, and %+v as usual", m, usual)
				}
			})
		})
	}
}
