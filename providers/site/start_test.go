package site

import (
	"testing"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// A registration that was written since the process started refuses where it is known to differ, and nowhere else.
func TestARegistrationIsCompared(t *testing.T) {
	const system, person = "LocalSystem", `LAB\svc`
	at := time.Date(2026, 3, 1, 2, 3, 4, 0, time.UTC)
	for name, c := range map[string]struct {
		known, now, account string
		set                 bool // a run of ours has set its logon, somewhere
		want                reconciler.Severity
	}{
		"it differs":                        {"a", "b", system, false, reconciler.Error},
		"it reads as it did":                {"a", "a", system, false, reconciler.Note},
		"but for a password":                {"a", "a", person, false, reconciler.Warning},
		"no run has started it":             {"", "b", system, false, reconciler.Warning},
		"the host does not tell":            {"a", "", system, false, reconciler.Warning},
		"a run that was cut off may have":   {"a", "b", person, true, reconciler.Warning},
		"a run that was cut off, undone":    {"a", "a", person, true, reconciler.Warning},
		"nothing known, and a run may have": {"", "b", person, true, reconciler.Warning},
	} {
		t.Run(name, func(t *testing.T) {
			entries := []state.Entry{{Secret: "relaykey", Version: "1", Step: "switch/start", Outcome: state.Done, Facts: StartedWith("h", "S", c.known)}}
			if c.set {
				set := reconciler.Step{Phase: reconciler.Switch, Op: SetLogon{Host: "h", Service: "S"}}
				entries = append(entries, state.Entry{Secret: "account", Version: "1", Step: set.Name(), Outcome: state.Started, Hosts: []string{"elsewhere"}})
			}
			flight := Preflight{Host: "h", Service: "S", Settings: "x"}
			seen := &PreflightSeen{Preflight: flight, Free: -1, Start: StartSeen{Registration: c.now, Changed: []Changed{{What: Registration, At: at}}}}
			part := Part{Preflight: flight, Restart: true, Service: &ServiceSeen{Name: "S", Installed: true, State: "running", Account: c.account}}
			in := reconciler.Input{History: state.NewHistory(entries), Seen: reconciler.Seen{Host("h"): {Reach: reconciler.Reached, Results: map[string]reconciler.Result{flight.Key(): seen}}}}
			all := part.Findings(in)
			if len(all) != 1 || all[0].Code != "service-changed" || all[0].Severity != c.want {
				t.Errorf("%+v", all)
			}
		})
	}
}
