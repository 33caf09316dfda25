package providers_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"meshrotate/providers/lab/wsman"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// The one ALTER LOGIN gets no answer, and nobody can tell what became of it. Whatever else is due in the same run, that keeps no
// service down: what the others have swapped is known.
func TestAnAlterWithoutAnAnswerKeepsNobodyDown(t *testing.T) {
	for name, kinds := range map[string][]string{
		"alone": {"sqllogin/single"}, "with a license": {"license", "sqllogin/single"}, "with a key": {"relaykey", "sqllogin/single"},
		"with both": {"license", "relaykey", "sqllogin/single"}, "with all": {"license", "relaykey", "sqllogin/single", "serviceaccount", "codesigning"},
	} {
		for _, kind := range []wsman.Kind{wsman.CutBefore, wsman.CutAfter} {
			t.Run(name+map[wsman.Kind]string{wsman.CutBefore: ", not taken", wsman.CutAfter: ", taken"}[kind], func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := newWorld(t, 2, kinds...)
					var mu sync.Mutex
					var until time.Time
					w.lab.WireSQL(func(e wsman.Event) (f wsman.Fault) {
						mu.Lock()
						defer mu.Unlock()
						if strings.Contains(e.CommandLine, "ALTER LOGIN") && until.IsZero() {
							until, f.Kind = time.Now().Add(20*time.Second), kind
						} else if time.Now().Before(until) {
							f.Kind = wsman.Refuse
						}
						return f
					})
					_, o := w.run()
					if len(o.Down) > 0 || slices.ContainsFunc(o.With(state.Back), func(e reconciler.Ended) bool { return e.Change.Secret.Name == "sqllogin" }) {
						t.Errorf("%v", o)
					}
					if err := w.up(); err != nil {
						t.Errorf("%v: %v", err, o)
					}
					w.lab.WireSQL(nil)
					time.Sleep(time.Hour)
					if _, o := w.run(); o.Err != nil || len(o.Down) > 0 {
						t.Errorf("the next run did not converge: %v", o)
					}
					w.loggedIn("12")
				})
			})
		}
	}
}
