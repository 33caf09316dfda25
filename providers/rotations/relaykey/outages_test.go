package relaykey_test

import (
	"testing"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// What an earlier run cut off, as its ledger and the look tell it.
func TestCutOffSinceAnEarlierRun(t *testing.T) {
	stopped, ready := now.Add(-2*time.Hour), now.Add(-time.Hour)
	started := func(s *scene, at time.Time, hosts ...string) {
		for _, h := range hosts {
			s.hosts[h].service.StartedAt = at
		}
	}
	for _, c := range []struct {
		reason   string
		do       func(s *scene)
		returned map[string]time.Time // by when it was up
		since    bool                 // relays are cut off still
	}{
		{"all are back: by the look, for a process shows neither readiness nor a connection", func(s *scene) { started(s, stopped.Add(time.Second), admin) },
			map[string]time.Time{"Admin": now, "relays cut off": now}, false},
		{"the ledger has Admin as ready", func(s *scene) {
			started(s, stopped.Add(time.Second), admin)
			s.history = append(s.history, state.Entry{Time: ready, Secret: "relaykey", Version: "7", Outcome: state.Done,
				Step: reconciler.Step{Phase: reconciler.Switch, Op: site.AwaitReady{}}.Name()})
		}, map[string]time.Time{"Admin": ready, "relays cut off": now}, false},
		{"a relay is not connected", func(s *scene) {
			started(s, stopped.Add(time.Second), admin)
			s.relays = s.relays[:1]
		}, map[string]time.Time{"Admin": now}, true},
		{"the run before told Admin's end, and not the relays'", func(s *scene) {
			started(s, stopped.Add(time.Second), admin)
			s.history = append(s.history, state.Entry{Time: ready, Secret: "relaykey", Version: "7", Outcome: state.Unknown,
				Outages: []state.Outage{{What: "relays cut off", Predicted: 23, Since: stopped}, {What: "Admin", Predicted: 9, Measured: 2}}})
		}, map[string]time.Time{"relays cut off": now}, false},
		{"the run before told both", func(s *scene) {
			started(s, stopped.Add(time.Second), admin)
			s.history = append(s.history, state.Entry{Time: ready, Secret: "relaykey", Version: "7", Outcome: state.Unknown,
				Outages: []state.Outage{{What: "relays cut off", Predicted: 23, Measured: 5}, {What: "Admin", Predicted: 9, Measured: 2}}})
		}, nil, false},
		{"Admin was never stopped", func(*scene) {}, nil, false},
		{"Admin is down, with the key of before", func(s *scene) {
			s.hosts[admin].setting.Version, s.hosts[admin].service.State = "6", "stopped"
			s.hosts[r1].setting.Version, s.hosts[r2].setting.Version = "6", "6"
			s.relays = nil
		}, nil, true},
		{"Admin came back with the key of before, and is to be stopped again", func(s *scene) {
			started(s, stopped.Add(time.Second), admin)
			for _, h := range s.hosts {
				h.setting.Version = "6"
			}
		}, map[string]time.Time{"Admin": now, "relays cut off": now}, false},
	} {
		s := done()
		s.history = []state.Entry{{Time: stopped, Secret: "relaykey", Version: "7", Outcome: state.Started, Before: "6"},
			{Time: stopped, Secret: "relaykey", Version: "7", Outcome: state.Started, Hosts: []string{admin},
				Step: reconciler.Step{Phase: reconciler.Switch, Op: site.StopService{Host: admin, Service: "IdentityMeshAdmin"}}.Name()}}
		c.do(s)
		change := s.plan(t)
		got := map[string]time.Time{}
		for _, r := range change.Returned {
			if got[r.What] = r.UpBy; !r.Since.Equal(stopped) {
				t.Errorf("%s: %+v", c.reason, r)
			}
		}
		same := len(got) == len(c.returned)
		for what, at := range c.returned {
			same = same && got[what].Equal(at)
		}
		if !same {
			t.Errorf("%s: came back %v", c.reason, change.Returned)
		}
		since := false
		for _, o := range change.Outages {
			if o.Predicted <= 0 {
				t.Errorf("%s: %+v", c.reason, o)
			}
			since = since || o.What == "relays cut off" && o.Since.Equal(stopped)
		}
		if since != c.since || change.Status != reconciler.Rotate {
			t.Errorf("%s: %s, outages %+v", c.reason, change.Status, change.Outages)
		}
	}
}
