package providers_test

import (
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/reconciler"
)

// Engine was started again, stops before anything has shown that it works, and its host answers no more: at the end it may be down,
// whatever the proofs came to. So may an Admin that was ready before: nothing of it answers. While its API does, it is not.
func TestWhatWasNotShownToWorkMayBeDown(t *testing.T) {
	vendor()
	for _, c := range []struct {
		host, service, phase string
		dies                 bool
	}{
		{"im-engine", lab.EngineService, "verify", true},
		{"im-admin", lab.AdminService, "verify", true},
		{"im-admin", lab.AdminService, "retire", true},
		{"im-admin", lab.AdminService, "verify", false},
	} {
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 2, "license", "relaykey")
			h := w.lab.Host(c.host)
			s := w.process()
			defer s.close()
			tell := s.Tell
			s.Tell = func(e reconciler.Event) {
				tell(e)
				if e.Kind == reconciler.PhaseBegan && e.Phase == c.phase {
					if c.dies {
						h.Machine.Kill(c.service)
					}
					h.Unplug(true)
				}
			}
			_, o := s.apply(nil)
			said := false
			for _, d := range o.Down {
				said = said || d.Service == c.service && d.Unsure && !d.Since.IsZero()
			}
			if said != c.dies {
				t.Errorf("%s, %s: it may be down, and that is said: %v: %v", c.host, c.phase, said, o)
			}
			h.Unplug(false)
			time.Sleep(10 * time.Minute)
			w.converged()
		})
	}
}
