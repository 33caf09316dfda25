package providers_test

import (
	"slices"
	"testing"
	"time"
)

// A host's clock was ahead when a run swapped its file, and was set right since. Then its service restarts: no process is younger than
// that file, and it is as declared all the same. Nothing is restarted for it.
func TestAClockThatWasSetBackRestartsNothing(t *testing.T) {
	vendor()
	for _, host := range []string{"im-admin", "im-engine", "relay-01"} {
		t.Run(host, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2)
				w.do("ahead", host)
				if _, o := w.run(); o.Err != nil {
					t.Fatal(o.Err)
				}
				w.do("sync", host)
				w.do("stop", host)
				time.Sleep(10 * time.Second)
				w.do("start", host)
				time.Sleep(30 * time.Second)
				before := w.processes()
				w.run() // Admin may be asked to read its license, without a restart
				if now := w.processes(); !slices.Equal(now, before) {
					t.Errorf("%q, then %q", before, now)
				}
				if p := w.planned(); !p.Empty() || len(p.Blocked()) > 0 {
					for _, c := range p.Changes {
						t.Errorf("%s %s: %s", c.Secret, c.Status, c.Reason)
					}
				}
			})
		})
	}
}
