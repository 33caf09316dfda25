package live_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/live"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// A batch whose answer is lost is sent again, for its ops look before they act; but what it has restarted is not stopped again. One with a step that says Once is not: the
// next run looks at what became of it.
func TestALostAnswer(t *testing.T) {
	for _, c := range []struct {
		name    string
		once    []bool // of each step
		outcome state.Outcome
		sent    int
	}{
		{"ops that look before they act", []bool{false, false}, state.Done, 2},
		{"the first says once", []bool{true, false}, state.Unknown, 1},
		{"the last says once", []bool{false, true}, state.Unknown, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				l := labOf(t, 1)
				host := l.Relays[0]
				s := siteOf(t, live.Config{}, l)
				look(t, s, host.Name)
				var mu sync.Mutex
				var asked []string
				host.Points(func(p machine.Point) machine.Action {
					mu.Lock()
					defer mu.Unlock()
					if p.When == machine.Before && p.Op != "start" {
						asked = append(asked, p.Op)
					}
					return machine.Action{}
				})
				var cut sync.Once
				host.Wire(func(e wsman.Event) (f wsman.Fault) {
					if e.Action == wsman.Receive {
						cut.Do(func() { f.Kind = wsman.CutAfter })
					}
					return f
				})
				who := site.Who{Name: host.Name, Noun: "relay"}
				batch := steps(site.StopService{Host: host.Name, Service: lab.RelayService, Timeout: reconciler.Span(time.Minute), Who: who},
					site.StartService{Host: host.Name, Service: lab.RelayService, Timeout: reconciler.Span(time.Minute), Who: who})
				for i, once := range c.once {
					batch[i].Once = once
				}
				reports := doSteps(t, s, batch...)
				if last := reports[len(reports)-1]; last.Outcome != c.outcome {
					t.Errorf("%+v", reports)
				}
				mu.Lock()
				defer mu.Unlock()
				for op, want := range map[string]int{"service.start": c.sent, "service.stop": 1} {
					if n := len(slices.DeleteFunc(slices.Clone(asked), func(o string) bool { return o != op })); n != want {
						t.Errorf("%s was sent %d times: %q", op, n, asked)
					}
				}
			})
		})
	}
}

// A host at work, for however long, holds up nobody who only wants to know its name.
func TestAProofNeverWaitsForAHost(t *testing.T) {
	virtual(t, func(t *testing.T) {
		l := labOf(t, 2)
		busy := l.Relays[1]
		a := &admin{list: func(_ int, now time.Time) []map[string]any {
			return []map[string]any{relay("relay-01", true, now), relay("relay-02", true, now)}
		}}
		s := siteOf(t, live.Config{API: a.start(t), HostTimeout: 2 * time.Hour}, l)
		look(t, s, l.Relays[0].Name, busy.Name)
		busy.Points(machine.Faults(machine.Fault{Op: "service.stop", When: machine.Before, Times: 1, Action: machine.Action{Delay: time.Hour}}))
		ended := make(chan []reconciler.Report, 1)
		go func() {
			stop := steps(site.StopService{Host: busy.Name, Service: lab.RelayService, Timeout: reconciler.Span(time.Minute)})
			ended <- s.Do(t.Context(), site.Host(busy.Name), stop, func(reconciler.Event) {})
		}()
		time.Sleep(10 * time.Second)
		begin := time.Now()
		r := only(t, s, site.ProveRelays{Relays: []string{l.Relays[0].Name, busy.Name}, Timeout: reconciler.Span(time.Minute)})
		if r.Outcome != state.Done || time.Since(begin) > 10*time.Second {
			t.Errorf("after %s: %+v", time.Since(begin), r)
		}
		select {
		case r := <-ended:
			t.Errorf("the host was not at work: %+v", r)
		default:
		}
		if r := <-ended; len(r) != 1 || r[0].Outcome == "" {
			t.Errorf("%+v", r)
		}
	})
}

// Of several tries the one that may have had an effect counts: that the others reached nobody says nothing about it.
func TestATryThatMayHaveRun(t *testing.T) {
	virtual(t, func(t *testing.T) {
		l := labOf(t, 1)
		host := l.Relays[0]
		s := siteOf(t, live.Config{}, l)
		host.Unplug(true) // the first tries reach nobody
		time.AfterFunc(2*time.Second, func() { host.Unplug(false) })
		host.Wire(func(e wsman.Event) (f wsman.Fault) {
			if e.Action == wsman.Receive {
				f.Kind = wsman.CutAfter // it stops, and nobody hears of it
				host.Unplug(true)       // for good
			}
			return f
		})
		stop := site.StopService{Host: host.Name, Service: lab.RelayService, Timeout: reconciler.Span(time.Minute)}
		r := only(t, s, stop)
		if got := host.Machine.Service(lab.RelayService).State; got != "stopped" {
			t.Fatalf("the service is %s", got)
		}
		if r.Outcome != state.Unknown {
			t.Errorf("it may have been stopped, and the report says %q: %v", r.Outcome, r.Err)
		}
	})
}
