package providers_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
	"meshrotate/state"
)

// What answers for Admin while it starts may say that nothing is there, or that nobody is let in: HTTP.sys does, for an address that the
// service has not registered yet. That is waited for; when it stays it ends the wait, and no credential is tried often.
func TestAdminStartsBehindWhatRefuses(t *testing.T) {
	for _, status := range []int{401, 403, 404, 500} {
		for _, lasts := range []time.Duration{3 * time.Second, 10 * time.Minute} {
			t.Run(fmt.Sprint(status, " for ", lasts), func(t *testing.T) {
				virtual(t, func(t *testing.T) {
					w := newWorld(t, 3, "relaykey")
					var until atomic.Int64
					var refused atomic.Int32
					when(w.lab.Admin, "service.start", machine.After, func() { until.CompareAndSwap(0, time.Now().Add(lasts).UnixNano()) })
					w.lab.WireAPI(func(e wsman.Event) wsman.Fault {
						if e.Action == "GET /health/ready" && time.Now().UnixNano() < until.Load() {
							refused.Add(1)
							return wsman.Fault{Kind: wsman.Status, Status: status}
						}
						return wsman.Fault{}
					})
					began := time.Now()
					_, o := w.run()
					if refused.Load() == 0 {
						t.Fatal("nobody asked")
					}
					if lasts < time.Minute {
						if o.Err != nil || len(o.With(state.Proven)) != 1 {
							t.Errorf("%v", o)
						}
						return
					}
					if took := time.Since(began); len(o.With(state.Proven)) > 0 || took > 3*time.Minute || !strings.Contains(o.Err.Error(), fmt.Sprint("HTTP ", status)) {
						t.Errorf("after %s: %v", took, o)
					}
					if n := refused.Load(); status == 401 && n > 10 {
						t.Errorf("a credential was tried %d times", n)
					}
					until.Store(1)
					time.Sleep(time.Minute)
					if _, o := w.run(); o.Err != nil {
						t.Errorf("and once it answers: %v", o)
					}
				})
			})
		}
	}
}
