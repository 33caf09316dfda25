package providers_test

import (
	"fmt"
	"strings"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/state"
)

// A host refuses to stop a service: its process is the one that ran before, so it was never down, and nobody was cut off by it. Where
// the stop was done for all that, its outage is told.
func TestAStopThatIsRefusedIsNoOutage(t *testing.T) {
	vendor()
	for host, what := range map[string]string{"im-admin": "Admin", "im-engine": "Engine", "relay-02": "relay-02.lab.example"} {
		for _, moment := range []machine.When{machine.Before, machine.After} {
			t.Run(fmt.Sprint(host, " ", moment), func(t *testing.T) {
				virtual(t, func(t *testing.T) {
					w := newWorldAt(t, lab.Config{Relays: 2, Login: "alternating", Memory: true})
					w.lab.Host(host).Points(machine.Faults(machine.Fault{Op: "service.stop", When: moment, Times: 1, Action: machine.Action{Fail: 5}}))
					_, o := w.run()
					told := false
					for _, e := range o.Secrets {
						for _, x := range e.Outages {
							told = told || x.What == what
							if moment == machine.Before && (x.What == what || host == "im-admin" && strings.HasPrefix(x.What, "relays cut")) {
								t.Errorf("%s: %+v", e.Change.Secret, x)
							}
						}
					}
					for _, d := range o.Down {
						if moment == machine.Before && !d.CutOff {
							t.Errorf("%+v", d)
						}
					}
					if moment == machine.After && !told {
						t.Errorf("it was down: %v", o)
					}
					if o.Err == nil && len(o.Left) == 0 && moment == machine.Before && host != "relay-02" {
						t.Errorf("nothing was refused: %v", o)
					}
					w.lab.Host(host).Points(nil)
					w.quietly()
					if e, ok := w.history().LastProven("relaykey"); !ok || e.Outcome != state.Proven {
						t.Errorf("%+v", e)
					}
				})
			})
		}
	}
}
