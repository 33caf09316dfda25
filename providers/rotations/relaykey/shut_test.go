package relaykey_test

import (
	"strings"
	"testing"

	"meshrotate/reconciler"
)

// Admin could not start as its account could not log on. A run tries it again, and stops a relay with the same account only after that:
// so nothing keeps it down but the account. Where it is a relay that could not start, no other is stopped for it.
func TestAnAccountThatCouldNotLogOn(t *testing.T) {
	for _, c := range []struct {
		who    string
		status reconciler.Status
	}{{admin, reconciler.Rotate}, {r1, reconciler.Refused}} {
		s := newScene()
		for _, h := range s.hosts {
			h.service.Account = `LAB\svc-im`
		}
		s.hosts[c.who].service.State, s.hosts[c.who].service.ExitCode = "stopped", 1069
		if c.who == admin {
			s.api.Reach = reconciler.Unreachable
		}
		plan := s.plan(t)
		if plan.Status != c.status {
			t.Errorf("%s: %s: %+v", c.who, plan.Status, plan.Findings)
		}
		cure := false
		for _, f := range plan.Findings {
			cure = cure || f.Cure && f.Severity == reconciler.Warning && strings.Contains(f.Text, "it is tried again") && f.Hosts[0] == c.who
		}
		if !cure {
			t.Errorf("%s: %+v", c.who, plan.Findings)
		}
	}
}
