package providers_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
)

// In the switch, with services down, a relay's connection ends and the relay refuses to be logged in to again, once or for
// good. All of them have taken the credential before. What that relay says stops nobody else, and what is down comes up
// wherever a login is taken.
func TestARelayRefusesTheLoginInTheSwitch(t *testing.T) {
	t.Parallel()
	vendor()
	for _, test := range []struct {
		reason string
		times  int32
	}{
		{"once, as when a domain controller is away", 1},
		{"for good, as when its trust with the domain broke", 1000},
	} {
		t.Run(test.reason, func(t *testing.T) {
			t.Parallel() // it waits for seconds between the logins
			if test.times > 1 && testing.Short() {
				t.Skip("takes half a minute")
			}
			w := newWire(t, 3)
			bad := w.lab.Host("relay-02")
			for _, h := range w.lab.Hosts() {
				times := int32(0) // the others must be logged in to again, too
				if h == bad {
					times = test.times
				}
				refuseLoginsAfterStop(h, times)
			}
			p := w.process()
			_, o := p.apply(nil)
			said := strings.Join(p.said, "\n")
			p.close()
			if test.times == 1 && (o.Err != nil || len(o.Left) > 0 || len(o.Down) > 0) {
				t.Errorf("one refusal was not overcome: %v", o)
			}
			for _, h := range w.lab.Hosts() {
				for _, name := range []string{lab.AdminService, lab.EngineService, lab.RelayService} {
					s := h.Machine.Service(name)
					if s.Installed && s.State != "running" && (h != bad || test.times == 1) {
						t.Errorf("%s: %s is %s, because %s refused", h.Name, name, s.State, bad.Name)
					}
				}
			}
			if strings.Contains(said, "refused elsewhere") {
				t.Errorf("a host was given up for another's refusal: %v", o)
			}
			for _, h := range w.lab.Hosts() {
				h.Wire(nil)
			}
			w.converged()
		})
	}
}

// refuseLoginsAfterStop cuts the connection when the service was stopped, and answers so many of the logins after that
// with 401.
func refuseLoginsAfterStop(h *lab.Host, times int32) {
	var armed, cut atomic.Bool
	var legs, refused atomic.Int32
	h.Points(func(p machine.Point) machine.Action {
		if p.Op == "service.stop" && p.When == machine.After {
			armed.Store(true)
		}
		return machine.Action{}
	})
	h.Wire(func(e wsman.Event) wsman.Fault {
		switch {
		case !armed.Load():
		case e.Action == wsman.Receive && cut.CompareAndSwap(false, true):
			return wsman.Fault{Kind: wsman.CutAfter}
		case e.Action == wsman.Connect:
			legs.Store(0)
		case e.Action == wsman.Handshake && cut.Load() && legs.Add(1) == 2 && refused.Add(1) <= times:
			return wsman.Fault{Kind: wsman.Status, Status: http.StatusUnauthorized}
		}
		return wsman.Fault{}
	})
}
