package relaykey_test

import (
	"slices"
	"testing"
	"time"

	"meshrotate/reconciler"
)

// A list that tells of relays as they were hours ago is frozen; but that of relays which have another key than Admin is old because
// they are cut off, and the rotation is their cure.
func TestOldHeartbeats(t *testing.T) {
	refused := func(apart bool) bool {
		s := newScene()
		for i := range s.relays {
			s.relays[i].Heartbeat = now.Add(-3 * time.Hour)
		}
		if apart {
			s.hosts[admin].setting.Version, s.history = "7", done().history
			s.value = done().value
		}
		return slices.ContainsFunc(s.plan(t).Findings, func(f reconciler.Finding) bool {
			return f.Code == "relay-list-time" && f.Severity == reconciler.Error
		})
	}
	if !refused(false) {
		t.Error("a frozen list of relays that have Admin's key is not refused")
	}
	if refused(true) {
		t.Error("relays that are cut off are refused their cure")
	}
}

// An answer that something in between has kept tells of then, heartbeats and time of its own alike.
func TestAListOutOfACache(t *testing.T) {
	for name, c := range map[string]struct {
		ago, age time.Duration
		refused  bool
	}{"fresh": {0, 0, false}, "kept for seconds": {10 * time.Second, 10 * time.Second, false}, "with its age": {time.Hour, time.Hour, true},
		"its age alone": {0, time.Hour, true}, "without an age": {time.Hour, 0, true}, "a clock that is some minutes off": {4 * time.Minute, 0, false}} {
		s := newScene()
		s.ago, s.age = c.ago, c.age
		for i := range s.relays {
			s.relays[i].Heartbeat = now.Add(-c.ago - time.Second)
		}
		plan := s.plan(t)
		i := slices.IndexFunc(plan.Findings, func(f reconciler.Finding) bool { return f.Code == "relay-list-time" && f.Severity == reconciler.Error })
		if i >= 0 != c.refused || i >= 0 && plan.Findings[i].Hint == "" {
			t.Errorf("%s: %+v", name, plan.Findings)
		}
	}
}
