package relaykey_test

import (
	"strings"
	"testing"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// leaves are entries of a run that started a relay, for a version or without, and left it behind.
func leaves(run, version string, starts bool) []state.Entry {
	all := []state.Entry{{Run: run, Secret: "relaykey", Version: version, Outcome: state.Started}}
	if starts {
		all = append(all, state.Entry{Run: run, Secret: "relaykey", Version: version, Step: "switch/start IdentityMeshRelayAgent", Hosts: []string{r2}, Outcome: state.Started})
	}
	return append(all, state.Entry{Run: run, Secret: "relaykey", Version: version, Outcome: state.Proven, Time: started, Left: []string{r2},
		Outages: []state.Outage{{What: "relays cut off", Since: written}}})
}

// A relay that runs have started anew in vain is not started once more, and stays on record until it is seen to work.
func TestARelayIsStartedAnewOnceMore(t *testing.T) {
	for name, c := range map[string]struct {
		history [][]state.Entry
		change  func(s *scene)
		starts  bool   // it is started
		down    string // it is named, with these words
		unsure  bool
	}{
		"after the switch":                               {history: [][]state.Entry{leaves("a", "7", true)}, starts: true},
		"and not a third time":                           {history: [][]state.Entry{leaves("a", "7", true), leaves("b", "7", true)}, down: "twice, and Admin lists it as not connected"},
		"a run that did not start it counts for nothing": {history: [][]state.Entry{leaves("a", "7", true), leaves("b", "7", false)}, starts: true},
		"nor takes anything away":                        {history: [][]state.Entry{leaves("a", "7", true), leaves("b", "7", true), leaves("c", "7", false)}, down: "twice"},
		"another key begins anew":                        {history: [][]state.Entry{leaves("a", "6", true), leaves("b", "6", true), leaves("c", "7", true)}, starts: true},
		"so does a time when it worked": {history: [][]state.Entry{leaves("a", "7", true), leaves("b", "7", true),
			{{Run: "c", Secret: "relaykey", Version: "7", Outcome: state.Proven}}, leaves("d", "7", true)}, starts: true},
		"one that is stopped is started": {history: [][]state.Entry{leaves("a", "7", true), leaves("b", "7", true)}, change: func(s *scene) { s.hosts[r2].service.State = "stopped" }, starts: true},
		"a list that has old connections beside new ones": {history: [][]state.Entry{leaves("a", "7", true), leaves("b", "7", true)}, change: func(s *scene) {
			old := s.relays[0]
			old.Connected = new(bool)
			s.relays = append(s.relays, old)
			s.relays[1].Heartbeat = written
		}, down: "Admin still shows an old connection of it", unsure: true},
		"one that is not in the list": {history: [][]state.Entry{leaves("a", "7", true)}, change: func(s *scene) { s.relays = s.relays[:1] }, down: "Admin's list does not have it"},
		"a person has just restarted it": {history: [][]state.Entry{leaves("a", "7", true), leaves("b", "7", true)}, change: func(s *scene) { s.hosts[r2].service.StartedAt = now.Add(-time.Minute) },
			down: "twice", unsure: true},
		"it is connected":       {history: [][]state.Entry{leaves("a", "7", true), leaves("b", "7", true)}, change: func(s *scene) { s.relays[1].Connected = &yes }},
		"other things are done": {history: [][]state.Entry{leaves("a", "7", true), leaves("b", "7", true)}, change: func(s *scene) { s.hosts[r1].setting.Backup, s.hosts[r2].setting.Backup = true, true }, down: "twice"},
	} {
		t.Run(name, func(t *testing.T) {
			s := done()
			s.relays[1].Connected = new(bool)
			for _, entries := range c.history {
				s.history = append(s.history, entries...)
			}
			if c.change != nil {
				c.change(s)
			}
			got := s.plan(t)
			if has(got, "start", r2) != c.starts {
				t.Errorf("%s %s: started %v", got.Status, got.Reason, !c.starts)
			}
			var named []reconciler.Down
			for _, d := range got.Down {
				if d.Stays {
					named = append(named, d)
				}
			}
			if (len(named) == 1) != (c.down != "") {
				t.Fatalf("%s %s: %+v", got.Status, got.Reason, got.Down)
			}
			for _, d := range named {
				if d.What != r2 || !d.CutOff || d.Unsure != c.unsure || !d.Since.Equal(written) || d.Mend == "" || !strings.Contains(d.Cause, c.down) {
					t.Errorf("%+v", d)
				}
			}
			if f := got.Findings; len(f) > 0 && c.down != "" {
				t.Errorf("said twice: %+v", f)
			}
		})
	}
}
