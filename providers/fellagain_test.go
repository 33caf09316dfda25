package providers_test

import (
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab/machine"
	"meshrotate/state"
)

// A relay that is connected after its restart, and is not when the others are, does not count as proven; nor is it given up while they
// are waited for.
func TestARelayThatFallsWhileOthersAreWaitedFor(t *testing.T) {
	for name, comes := range map[string]bool{"and comes back": true, "and stays away": false} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 3, "relaykey")
				when(w.relay(2), "service.start", machine.Before, func() {
					w.do("cut", "relay-02")
					time.AfterFunc(15*time.Second, func() { w.do("cut", "relay-01") })
					time.AfterFunc(30*time.Second, func() { w.do("uncut", "relay-02") })
					if comes {
						time.AfterFunc(45*time.Second, func() { w.do("uncut", "relay-01") })
					}
				})
				_, o := w.run()
				if n := len(o.With(state.Proven)); n != 1 || comes && (o.Err != nil || len(o.Left) > 0) {
					t.Fatalf("%d proven, %v", n, o)
				}
				if comes {
					return
				}
				if len(o.Left) != 1 || !strings.Contains(o.Left[0].Why.Error(), "as not connected, though it was connected at") {
					t.Errorf("left behind %v", o.Left)
				}
				saysCutOff(t, o.Down, w.relay(1).Name)
			})
		})
	}
}
