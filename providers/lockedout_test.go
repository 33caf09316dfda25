package providers_test

import (
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/state"
)

// The account of Admin and Engine is locked out between their starts. Stopped, Admin would not start again either: nothing that runs
// is taken down for the sake of what failed, and the next run finishes.
func TestWhatRunsStaysUpWhenItsAccountIsLockedOut(t *testing.T) {
	for name, kinds := range map[string][]string{
		"both": {"license", "relaykey"}, "a login": {"sqllogin"},
		"the account itself and the license": {"serviceaccount", "license"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 3, kinds...)
				admin := counting(w.lab.Admin)
				before(w.lab.EngineHost, "service.start", func() { w.lab.Directory().Lock(lab.Account, true) })
				_, o := w.run()
				if o.Err == nil || !strings.Contains(o.Err.Error(), "1069") {
					t.Fatalf("%v", o)
				}
				if n := admin.stops.Load(); n > 1 {
					t.Errorf("Admin was stopped %d times: %v", n, o)
				}
				if len(o.Down) != 1 || o.Down[0].What != "Engine" || len(o.With(state.Ahead)) == 0 || len(o.With(state.Back)) > 0 {
					t.Errorf("%v", o)
				}
				w.lab.Directory().Lock(lab.Account, false)
				time.Sleep(time.Minute)
				if p, o := w.run(); o.Err != nil || len(p.Blocked()) > 0 || len(o.Down) > 0 {
					t.Errorf("the next run did not converge: %v, %+v", o, p.Blocked())
				}
				if err := w.up(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
