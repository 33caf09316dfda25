package serviceaccount_test

import (
	"strings"
	"testing"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// A run that was to set version 4 did not finish, and the document asks for version 3 again, which was proven before.
func TestAfterARunOfAnotherVersion(t *testing.T) {
	set := "switch/set logon of IdentityMeshAdmin"
	entry := func(version, step string, o state.Outcome) state.Entry {
		e := state.Entry{Time: today, Run: "r", Secret: secretOf, Version: version, Step: step, Outcome: o}
		if step != "" {
			e.Hosts = []string{adminHost}
		}
		return e
	}
	began, setting := entry("4", "", state.Started), entry("4", set, state.Started)
	again := entry("3", "", state.Started)
	for _, c := range []struct {
		name    string
		history []state.Entry
		sets    bool
	}{
		{"nothing was begun", nil, false},
		{"cut off before the first step", []state.Entry{began}, false},
		{"cut off before its logon was set", []state.Entry{began, entry("4", "accept/try logon of "+account, state.Done)}, false},
		{"cut off when its logon was set, or not", []state.Entry{began, setting}, true},
		{"its logon was set", []state.Entry{began, setting, entry("4", set, state.Done)}, true},
		{"the host refused it", []state.Entry{began, setting, entry("4", set, state.Failed)}, false},
		{"everything was put back", []state.Entry{began, setting, entry("4", set, state.Done), entry("4", "", state.Back)}, false},
		{"nobody knows how it ended", []state.Entry{began, setting, entry("4", "", state.Unknown)}, true},
		{"a third version was begun since, and was cut off", []state.Entry{began, setting, entry("5", "", state.Started)}, true},
		{"a run that set it again failed before it could", []state.Entry{began, setting, again, entry("3", "", state.Failed)}, true},
		{"it was set again, and proven", []state.Entry{began, setting, again, entry("3", "", state.Proven)}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(both).proven("3", today.Add(-1))
			s.value.Kept = true
			for _, h := range s.hosts {
				h.service.StartedAt = today
			}
			s.history = append(s.history, c.history...)
			got := s.plan(t, today)
			if (got.Status == reconciler.Rotate) != c.sets || got.Status != reconciler.Rotate && got.Status != reconciler.AsDeclared {
				t.Fatal(got.Status, got.Reason, got.Findings)
			}
			steps := 0
			for _, r := range got.Rounds {
				for _, step := range r.Steps {
					if _, is := step.Op.(site.SetLogon); is {
						steps++
					}
				}
			}
			if c.sets && (steps == 0 || !strings.Contains(got.Reason, "did not finish") || got.Before != "") {
				t.Error(steps, got.Reason, got.Before)
			}
			if minds := s.minds(t); (len(minds) > 0) != c.sets {
				t.Errorf("a run for another secret minds: %+v", minds)
			}
		})
	}
}

// Where the account changes its own password the domain may have the other version: it is changed back from that one before a logon is set.
func TestAfterAChangeInTheDomainToAnotherVersion(t *testing.T) {
	const change = "switch/change the password of " + account
	for _, c := range []struct {
		name    string
		outcome state.Outcome // of the change to version 4
		from    string        // what it is changed back from, "" for no change
	}{
		{"it was begun", state.Started, "4"}, {"it was done", state.Done, "4"}, {"the domain refused it", state.Failed, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(both+", changedBy: kpasswd").proven("3", today.Add(-1))
			s.value.Kept, s.value.Others = true, []string{"2", "4"}
			for _, h := range s.hosts {
				h.service.StartedAt = today
			}
			e := state.Entry{Time: today, Run: "r", Secret: secretOf, Version: "4", Outcome: state.Started}
			step := e
			step.Step, step.Outcome = change, c.outcome
			s.history = append(s.history, e, step)
			got := s.plan(t, today)
			from := ""
			for _, r := range got.Rounds {
				for _, step := range r.Steps {
					if op, is := step.Op.(site.ChangePassword); is {
						from = op.Old.Version
					}
				}
			}
			if from != c.from || len(s.minds(t)) > 0 != (c.from != "") {
				t.Errorf("changed back from %q: %s, %s, %+v", from, got.Status, got.Reason, got.Findings)
			}
		})
	}
}
