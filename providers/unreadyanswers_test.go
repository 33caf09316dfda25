package providers_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// What answers for Admin while it starts may say that nothing is there, or that nobody is let in: HTTP.sys does, for an address that the
// service has not registered yet. That is waited for as long as product.api.readyTimeout says, for the look has seen that the same endpoint
// answers this account; when it stays it ends the wait, and no credential is tried often.
func TestAdminStartsBehindWhatRefuses(t *testing.T) {
	for _, status := range []int{401, 403, 404, 500} {
		for _, lasts := range []time.Duration{3 * time.Second, 25 * time.Second, 90 * time.Second, 10 * time.Minute} {
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
					if n := refused.Load(); status == 401 && n > 10 {
						t.Errorf("a credential was tried %d times", n)
					}
					if lasts < 2*time.Minute {
						if o.Err != nil || len(o.With(state.Proven)) != 1 {
							t.Errorf("%v", o)
						}
						return
					}
					if took := time.Since(began); len(o.With(state.Proven)) > 0 || took > 6*time.Minute || !strings.Contains(o.Err.Error(), fmt.Sprint("HTTP ", status)) {
						t.Errorf("after %s: %v", took, o)
					}
					hint := reconciler.HintOf(o.Err)
					for _, wrong := range []string{"override", "permission", "once only"} {
						if strings.Contains(hint, wrong) {
							t.Errorf("the same endpoint answered in the look: %s", hint)
						}
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

// Admin's list is asked for many times while relays are waited for. Where it lets nobody in, no credential is tried each time.
func TestAListThatLetsNobodyIn(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "relaykey")
		var shut atomic.Bool
		var refused atomic.Int32
		when(w.lab.Admin, "service.start", machine.After, func() { shut.Store(true) })
		w.lab.WireAPI(func(e wsman.Event) wsman.Fault {
			if e.Action == "GET /api/relays" && shut.Load() {
				refused.Add(1)
				return wsman.Fault{Kind: wsman.Status, Status: 401}
			}
			return wsman.Fault{}
		})
		_, o := w.run()
		if len(o.With(state.Unknown)) != 1 {
			t.Errorf("%v", o)
		}
		if n := refused.Load(); n == 0 || n > 10 {
			t.Errorf("a credential was tried %d times", n)
		}
		if hint := reconciler.HintOf(o.Err); strings.Contains(hint, "once only") || !strings.Contains(hint, "earlier in this run") {
			t.Error(hint)
		}
	})
}
