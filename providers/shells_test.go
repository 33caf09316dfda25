package providers_test

import (
	"sync/atomic"
	"testing"

	"meshrotate/providers/lab/wsman"
)

// Whichever answers of a look are lost, it leaves no shell on a host: each would count against the user's quota for hours.
func TestALookLeavesNoShell(t *testing.T) {
	t.Parallel()
	w := newWire(t, 2, "relaykey")
	var events, lost atomic.Int32
	cut := func(every int32) func(wsman.Event) wsman.Fault {
		return func(e wsman.Event) (f wsman.Fault) {
			if e.Action != wsman.Connect && e.Action != wsman.Handshake && events.Add(1)%every == 0 {
				lost.Add(1)
				f.Kind = wsman.CutAfter
			}
			return f
		}
	}
	for _, every := range []int32{3, 4, 5, 7} {
		for _, h := range w.lab.Hosts() {
			h.Wire(cut(every))
		}
		w.planned()
		if n := w.lab.Stats().Shells; n > 0 {
			t.Errorf("every %d. answer was lost: %d shells are left", every, n)
		}
	}
	if lost.Load() < 10 {
		t.Errorf("%d answers were lost", lost.Load())
	}
}
