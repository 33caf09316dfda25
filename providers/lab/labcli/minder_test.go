package labcli_test

import (
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
)

// TestOnlyStopsNoRelayThatWouldLoseItsConnectors is a relay whose list was narrowed by hand, and that has not started since. Its
// restart would take connectors from it: that refuses the relay key too when it is rotated alone, and what is not stopped is not
// refused.
func TestOnlyStopsNoRelayThatWouldLoseItsConnectors(t *testing.T) {
	t.Parallel()
	w, l := startHere(t, lab.Config{Relays: 2, Signing: true})
	_, next := lab.Certificates()
	w.run(0, "apply", "--yes")
	w.rewrite("version: 7", "version: 8")
	must(t, l.SetThumbprints(l.Relays[0], next.SHA1))
	w.run(1, "apply", "--yes", "--only", "relaykey").says(t, "[thumbprint-in-use]", "refuses them once it starts again", l.Relays[0].Name)
	if r := l.Rejected()[l.Relays[0].Name]; len(r) > 0 {
		t.Errorf("it refuses %v", r)
	}
	w.run(0, "plan", "--only", "license").says(t, "nothing to do")
	must(t, l.SetThumbprints(l.Relays[0], l.Accepting(l.Relays[0])...))
	w.run(0, "apply", "--yes", "--only", "relaykey").says(t, "1 secret rotated and proven")
}

// TestOnlyStopsNoRelayThatWouldComeBackWithAnotherKey is a relay that would start with another key than it runs with. The relay key
// objects to a restart for a certificate alone, also where nobody can tell since when it is so.
func TestOnlyStopsNoRelayThatWouldComeBackWithAnotherKey(t *testing.T) {
	t.Parallel()
	timeless := func(s *machine.Service) { s.ImagePath += " --Relay:ApiKey=another-key-of-some-length" }
	for mishap, says := range map[string]string{"": "[setting-overridden]", "argument": "[service-changed]", "staging": "[service-changed]", "mend": "", "edit": ""} {
		t.Run(mishap, func(t *testing.T) {
			t.Parallel()
			w, l := startHere(t, lab.Config{Relays: 2, Signing: true})
			w.run(0, "apply", "--yes", "--only", "relaykey")
			if mishap == "" {
				must(t, l.Relays[0].Machine.Was(lab.RelayService, timeless))
			} else {
				_, err := l.Break(mishap, "relay-01")
				must(t, err)
			}
			if says == "" {
				w.run(0, "apply", "--yes", "--only", "codesigning").says(t, "1 secret rotated and proven")
			} else {
				w.run(1, "apply", "--yes", "--only", "codesigning").says(t, says)
			}
			if n := l.Connected(); n != 2 {
				t.Errorf("%d relays are connected", n)
			}
		})
	}
}
