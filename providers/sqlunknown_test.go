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
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/lab/wsman"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// The one ALTER LOGIN gets no answer, and SQL Server is away for a while. A run that can still learn what became of it goes on. One
// that cannot starts nobody with a string that may be dead: it would lock its login out as soon as the server is back. Whatever else
// is due in the same run, the next one converges, and nobody has to unlock anything.
func TestAnAlterWithoutAnAnswer(t *testing.T) {
	for name, kinds := range map[string][]string{
		"alone": {"sqllogin/single"}, "with a license": {"license", "sqllogin/single"}, "with a key": {"relaykey", "sqllogin/single"},
		"with both": {"license", "relaykey", "sqllogin/single"}, "with all": {"license", "relaykey", "sqllogin/single", "serviceaccount", "codesigning"},
	} {
		for _, kind := range []wsman.Kind{wsman.CutBefore, wsman.CutAfter} {
			for _, away := range []time.Duration{0, 20 * time.Second, time.Minute, 3 * time.Minute, 10 * time.Minute} {
				t.Run(fmt.Sprintf("%s, %v, away for %v", name, map[wsman.Kind]string{wsman.CutBefore: "not taken", wsman.CutAfter: "taken"}[kind], away), func(t *testing.T) {
					t.Parallel()
					virtual(t, func(t *testing.T) { alterWithoutAnAnswer(t, kind, away, kinds) })
				})
			}
		}
	}
}

func alterWithoutAnAnswer(t *testing.T, kind wsman.Kind, away time.Duration, kinds []string) {
	w := newWorld(t, 2, kinds...)
	var mu sync.Mutex
	var until time.Time
	w.lab.WireSQL(func(e wsman.Event) (f wsman.Fault) {
		mu.Lock()
		defer mu.Unlock()
		if strings.Contains(e.CommandLine, "ALTER LOGIN") && until.IsZero() {
			until, f.Kind = time.Now().Add(away), kind
		} else if time.Now().Before(until) {
			f.Kind = wsman.Refuse
		}
		return f
	})
	_, o := w.run()
	if learnt := away < 4*time.Minute; learnt {
		if err := w.up(); o.Err != nil || len(o.Down) > 0 || err != nil {
			t.Errorf("it could have learnt what became of it: %v, down %v, %v", o, o.Down, err)
		}
		w.loggedIn("12")
	} else if len(o.Down) == 0 || slices.ContainsFunc(o.With(state.Back), func(e reconciler.Ended) bool { return e.Change.Secret.Name == "sqllogin" }) {
		t.Errorf("nobody knows what became of it: %v, down %v", o, o.Down)
	}
	for range 60 {
		time.Sleep(time.Minute)
		if err := w.noLockout(); err != nil {
			t.Fatal(err)
		}
	}
	if _, o := w.run(); o.Err != nil || len(o.Down) > 0 {
		t.Errorf("the next run did not converge: %v", o)
	}
	w.loggedIn("12")
}

// The services come up with a dead password after all: their hosts were restarted. They lock their login out, and the next runs unlock
// it, or wait for the lockout's end where a history of passwords lets nobody set the same one again. Nobody has to lend a hand.
func TestALoginThatItsServicesLockedOut(t *testing.T) {
	for history, runs := range map[int]int{-1: 1, 3: 2} {
		t.Run(fmt.Sprintf("history of %d", history), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 1, "sqllogin/single")
				w.lab.SQLInstance().SetPolicy(sqlserver.Policy{History: history, Attempts: 5})
				var gone atomic.Bool
				w.lab.WireSQL(func(e wsman.Event) (f wsman.Fault) {
					if strings.Contains(e.CommandLine, "ALTER LOGIN") && gone.CompareAndSwap(false, true) {
						f.Kind = wsman.CutAfter
					} else if gone.Load() {
						f.Kind = wsman.Refuse
					}
					return f
				})
				if _, o := w.run(); len(o.Down) == 0 {
					t.Fatalf("%v", o)
				}
				w.lab.WireSQL(nil)
				for h, service := range map[*lab.Host]string{w.lab.Admin: lab.AdminService, w.lab.EngineHost: lab.EngineService} {
					if err := h.Machine.Start(service); err != nil {
						t.Fatal(err)
					}
				}
				for range 10 {
					if time.Sleep(time.Minute); w.noLockout() != nil {
						break
					}
				}
				if w.noLockout() == nil {
					t.Fatal("the services did not lock it out")
				}
				for n := 1; n <= runs; n++ {
					p, o := w.run()
					if n < runs && !strings.Contains(reconciler.HintOf(o.Err), "when the lockout has ended") {
						t.Errorf("%v: %s", o.Err, reconciler.HintOf(o.Err))
					}
					if blocked := p.Blocked(); len(blocked) > 0 || n < runs && len(o.Down) != 2 || n == runs && (o.Err != nil || len(o.Down) > 0) {
						t.Errorf("run %d: %v, down %v, blocked %v", n, o, o.Down, blocked)
					}
					time.Sleep(11 * time.Minute) // a lockout lasts ten
				}
				w.loggedIn("12")
			})
		})
	}
}
