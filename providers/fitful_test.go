package providers_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
	"meshrotate/state"
)

// A host that this run has worked with refuses everything for 12 s in the switch, in whatever words. It is waited for as one that is
// not reached: nobody stays down for it.
func TestAHostThatRefusesForAWhile(t *testing.T) {
	vendor()
	for _, kinds := range [][]string{{"sqllogin/single"}, {"sqllogin/alternating"}, {"relaykey", "license"}} {
		for _, fault := range []wsman.Fault{{Kind: wsman.WSManFault, Code: 1726}, {Kind: wsman.WSManFault, Code: 1722}, {Kind: wsman.WSManFault, Code: 5},
			{Kind: wsman.WSManFault, Code: 2150858770}, {Kind: wsman.WSManFault, Code: 2150858843}, {Kind: wsman.Status, Status: 404}, {Kind: wsman.Status, Status: 403}} {
			for name, host := range map[string]func(w *world) *lab.Host{
				"Admin": func(w *world) *lab.Host { return w.lab.Admin }, "Engine": func(w *world) *lab.Host { return w.lab.EngineHost },
			} {
				t.Run(fmt.Sprint(kinds, fault.Code, fault.Status, name), func(t *testing.T) {
					t.Parallel()
					virtual(t, func(t *testing.T) {
						w := newWorld(t, 2, kinds...)
						var until atomic.Int64
						when(w.lab.Admin, "service.stop", machine.Before, func() { until.CompareAndSwap(0, time.Now().Add(12*time.Second).UnixNano()) })
						host(w).Wire(func(wsman.Event) (f wsman.Fault) {
							if time.Now().UnixNano() < until.Load() {
								return fault
							}
							return f
						})
						_, o := w.run()
						if until.Load() == 0 || o.Err != nil || len(o.Down) > 0 || len(o.With(state.Proven)) != len(kinds) {
							t.Errorf("%v", o)
						}
					})
				})
			}
		}
	}
}
