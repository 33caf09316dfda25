package providers_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
	"meshrotate/state"
)

// A host answers a proof's question, and cannot say: a scanner holds the file, the service manager is busy. That refutes nothing, and
// is asked again; when it stays so, nothing is taken back that works.
func TestAnAnswerThatSaysNothing(t *testing.T) {
	vendor()
	for _, host := range []string{"im-admin", "im-engine", "relay-01"} {
		for _, op := range []string{"service.query", "file.read", "environment.read", "machine.identity"} {
			for _, c := range []struct {
				times int
				fail  machine.Errno
			}{{1, 32}, {1000, 32}, {1, 5}, {1, 112}, {1, 1053}} {
				times := c.times
				t.Run(fmt.Sprintf("%s %s %d times %d", host, op, times, c.fail), func(t *testing.T) {
					t.Parallel()
					virtual(t, func(t *testing.T) {
						w := newWorld(t, 2)
						h := w.lab.Host(host)
						started, left := false, times
						h.Points(func(p machine.Point) (a machine.Action) {
							started = started || p.Op == "service.start" && p.When == machine.After
							if started && p.Op == op && p.When == machine.Before && !w.marks(p) && left > 0 {
								left--
								a.Fail = c.fail
							}
							return a
						})
						_, o := w.run()
						if len(o.With(state.Back)) > 0 || times == 1 && (o.Err != nil || len(o.With(state.Proven)) != 2) {
							t.Errorf("%v", o)
						}
						if err := w.keyWorks(w.kept("relaykey", lab.NewKey), w.old); err != nil {
							t.Error(err)
						}
						h.Points(nil)
						w.converged()
					})
				})
			}
		}
	}
}

// Admin goes away between two questions of one proof, for longer than anybody waits: what else its service may read. That refutes
// nothing, so nothing is taken back.
func TestAFurtherFileThatIsNotReached(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 1)
		admin := w.lab.Admin
		if err := admin.Machine.FS.Create(strings.Replace(lab.AdminSettings, "appsettings.json", "appsettings.Production.json", 1), []byte("{}"), ""); err != nil {
			t.Fatal(err)
		}
		w.restarted(admin)
		var mu sync.Mutex
		var started, asked bool
		var until time.Time
		admin.Points(func(p machine.Point) machine.Action {
			mu.Lock()
			defer mu.Unlock()
			started = started || p.Op == "service.start" && p.When == machine.After
			asked = asked || started && p.Op == "environment.read"
			return machine.Action{}
		})
		admin.Wire(func(e wsman.Event) wsman.Fault {
			mu.Lock()
			defer mu.Unlock()
			if asked && until.IsZero() && e.Action == wsman.Send {
				until = time.Now().Add(10 * time.Minute)
			}
			if time.Now().Before(until) {
				return wsman.Fault{Kind: wsman.Refuse}
			}
			return wsman.Fault{}
		})
		_, o := w.run()
		if !asked || len(o.With(state.Back)) > 0 || len(o.With(state.Unknown)) == 0 {
			t.Errorf("%v", o)
		}
		time.Sleep(20 * time.Minute)
		w.converged()
	})
}
