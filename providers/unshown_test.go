package providers_test

import (
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/reconciler"
)

// Engine was started again, stops before anything has shown that it works, and its host answers no more: at the end it may be down,
// whatever the proofs came to.
func TestWhatWasNotShownToWorkMayBeDown(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "license", "relaykey")
		h := w.lab.EngineHost
		s := w.process()
		defer s.close()
		tell := s.Tell
		s.Tell = func(e reconciler.Event) {
			tell(e)
			if e.Kind == reconciler.PhaseBegan && e.Phase == "verify" {
				h.Machine.Kill(lab.EngineService)
				h.Unplug(true)
			}
		}
		_, o := s.apply(nil)
		said := false
		for _, d := range o.Down {
			said = said || d.Service == lab.EngineService && d.Unsure
		}
		if !said {
			t.Errorf("nobody says that it may be down: %v", o)
		}
		h.Unplug(false)
		time.Sleep(10 * time.Minute)
		w.converged()
	})
}
