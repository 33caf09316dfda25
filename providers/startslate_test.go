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

// Admin was down when it was looked at, so nobody has seen what it answers when it is up. What it says while it starts is waited for as long
// as the document says, and a credential that it does not take is tried a few times.
func TestAnAdminThatWasDownAndStartsLate(t *testing.T) {
	vendor()
	for _, endpoint := range []string{"GET /health/ready", "GET /api/relays"} {
		for _, status := range []int{401, 403, 404, 500} {
			for _, kind := range []string{"relaykey", "license"} {
				if kind == "license" && endpoint != "GET /health/ready" {
					continue
				}
				t.Run(fmt.Sprint(kind, " ", endpoint, " ", status), func(t *testing.T) {
					t.Parallel()
					virtual(t, func(t *testing.T) {
						w := newWorld(t, 2, kind)
						w.do("stop", "im-admin")
						w.await("it is down", func() bool { return w.lab.Admin.Machine.Service(lab.AdminService).State == "stopped" })
						var started atomic.Pointer[time.Time]
						when(w.lab.Admin, "service.start", machine.After, func() {
							now := time.Now()
							started.CompareAndSwap(nil, &now)
						})
						var refused atomic.Int32
						w.lab.WireAPI(func(e wsman.Event) (f wsman.Fault) {
							if at := started.Load(); string(e.Action) == endpoint && at != nil && time.Since(*at) < 80*time.Second {
								f.Kind, f.Status = wsman.Status, status
								refused.Add(1)
							}
							return f
						})
						if _, o := w.run(); o.Err != nil || len(o.With(state.Proven)) != 1 || len(o.Left) > 0 {
							t.Errorf("%+v", o)
						}
						if n := refused.Load(); n == 0 || status == 401 && n > 4 {
							t.Errorf("it was refused %d times", n)
						}
					})
				})
			}
		}
	}
}
