package providers_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
	"meshrotate/state"
)

// SQL Server takes no connection for a while, from each of those on that a run makes. It is asked again, for some seconds in the
// look and for a minute after it: everything is proven.
func TestSQLServerIsAwayForAWhile(t *testing.T) {
	vendor()
	for _, mode := range []string{"alternating", "single"} {
		looked, all := 0, 0
		virtual(t, func(t *testing.T) { looked, all = connectsOf(newWorld(t, 0, "sqllogin/"+mode), 0, 0) })
		if looked < 1 || all <= looked {
			t.Fatalf("%s: %d connections in the look, %d in all", mode, looked, all)
		}
		for n := 1; n <= all; n++ {
			away := 20 * time.Second
			if n <= looked {
				away = 3 * time.Second
			}
			t.Run(fmt.Sprintf("%s %d of %d %s", mode, n, all, away), func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := newWorld(t, 0, "sqllogin/"+mode)
					connectsOf(w, n, away)
				})
			})
		}
	}
}

// connectsOf counts the connections to SQL Server in a run's look, and in the run. From the n-th on it takes none for a while.
func connectsOf(w *world, n int, away time.Duration) (looked, all int) {
	var mu sync.Mutex
	until := time.Time{}
	w.lab.WireSQL(func(e wsman.Event) (f wsman.Fault) {
		mu.Lock()
		defer mu.Unlock()
		if e.Action != wsman.Connect {
			return f
		}
		if all++; all == n {
			until = time.Now().Add(away)
		}
		if time.Now().Before(until) {
			f.Kind = wsman.Refuse
		}
		return f
	})
	s := w.process()
	_, o := s.apply(func() {
		mu.Lock()
		defer mu.Unlock()
		looked = all
	})
	s.close()
	if o.Err != nil || len(o.Down) > 0 || len(o.Left) > 0 || len(o.With(state.Proven)) != 1 {
		w.t.Errorf("%v", o)
	}
	w.lab.WireSQL(nil)
	w.loggedIn("12")
	return looked, all
}

// The questions after Engine's start are not answered, or its start is answered late. Engine has its session all the time: a server
// that was not heard says nothing of it, and no session is too old because the answer to a start came late.
func TestEnginesSessionIsNotHeardOf(t *testing.T) {
	vendor()
	hang := func(d time.Duration) func(w *world) {
		return func(w *world) {
			var until atomic.Pointer[time.Time]
			when(w.lab.EngineHost, "service.start", machine.After, func() {
				at := time.Now().Add(d)
				until.Store(&at)
			})
			w.lab.WireSQL(func(e wsman.Event) (f wsman.Fault) {
				if at := until.Load(); at != nil && time.Now().Before(*at) && e.Action == "Call" && !strings.HasPrefix(e.User, "im_app") {
					f.Kind = wsman.Hang
				}
				return f
			})
		}
	}
	for _, c := range []struct {
		name    string
		weather func(w *world)
		proven  int
	}{
		{"questions hang for 40 s", hang(40 * time.Second), 1},
		{"questions hang for an hour", hang(time.Hour), 0},
		{"the answer to its start comes late", func(w *world) {
			w.lab.EngineHost.Points(machine.Faults(machine.Fault{Op: "service.start", When: machine.After, Action: machine.Action{Delay: 25 * time.Second}}))
		}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 0, "sqllogin/alternating")
				c.weather(w)
				_, o := w.run()
				if len(o.With(state.Back)) > 0 || len(o.With(state.Proven)) != c.proven {
					t.Errorf("%v", o)
				}
				w.lab.WireSQL(nil)
				w.settled()
			})
		})
	}
}
