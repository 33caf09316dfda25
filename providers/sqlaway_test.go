package providers_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

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
