package relaykey_test

import (
	"testing"
	"time"

	"meshrotate/providers/rotations/relaykey"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// cutOff is a scene in which a host has another key, so that some relays are not connected.
func cutOff(s *scene, host, version string, relays ...int) *scene {
	s.hosts[host].setting.Version = version
	for _, i := range relays {
		s.relays[i].Connected = new(bool)
	}
	return s
}

func TestWork(t *testing.T) {
	for _, c := range []struct {
		reason string
		scene  func() *scene
		status reconciler.Status
		yes    [][2]string // key and host
		no     [][2]string
	}{
		{"nothing to do", done, reconciler.AsDeclared, nil, nil},
		{"a new version: everything stops once", newScene, reconciler.Rotate,
			[][2]string{{"keep", ""}, {"stage", admin}, {"stage", r1}, {"stop", admin}, {"stop", r2}, {"swap", r1}, {"start", admin}, {"start", r1}, {"prove relays", ""}, {"discard", r1}}, nil},
		{"one relay has another key: only it stops", func() *scene { return cutOff(done(), r1, site.Unknown, 0) }, reconciler.Rotate,
			[][2]string{{"swap", r1}, {"stop", r1}}, [][2]string{{"stop", admin}, {"stop", r2}, {"keep", ""}}},
		{"Admin has another key: the relays start after it", func() *scene { return cutOff(done(), admin, "6", 0, 1) }, reconciler.Rotate,
			[][2]string{{"swap", admin}, {"stop", r1}, {"stop", r2}}, [][2]string{{"swap", r1}}},
		{"an empty key on a relay", func() *scene { return cutOff(done(), r1, site.Empty, 0) }, reconciler.Rotate, [][2]string{{"swap", r1}}, nil},
		{"a process older than its file runs with the old key", func() *scene {
			s := done()
			s.hosts[r1].service.StartedAt = written.Add(-time.Second)
			return s
		}, reconciler.Rotate, [][2]string{{"stop", r1}, {"start", r1}}, [][2]string{{"swap", r1}, {"stop", r2}}},
		{"a stopped relay", func() *scene { s := done(); s.hosts[r2].service.State = "stopped"; return s }, reconciler.Rotate, [][2]string{{"start", r2}}, [][2]string{{"start", r1}}},
		{"Admin is stopped, and its API is silent", func() *scene {
			s := done()
			s.hosts[admin].service.State, s.api.Reach = "stopped", reconciler.Unreachable
			return s
		}, reconciler.Rotate, [][2]string{{"start", admin}, {"await ready", ""}, {"prove relays", ""}}, [][2]string{{"swap", admin}}},
		{"leftovers hold the old key", func() *scene { s := done(); s.hosts[r1].setting.Backup = true; return s }, reconciler.Rotate, [][2]string{{"discard", r1}}, [][2]string{{"stop", r1}, {"discard", r2}}},
		{"a start without an outcome must be proven", func() *scene { s := done(); s.history = s.history[:1]; return s }, reconciler.Rotate, [][2]string{{"prove relays", ""}}, [][2]string{{"stop", admin}, {"swap", admin}}},
		{"a relay that was left behind, and is still away, is tried again", func() *scene {
			s := done()
			s.history[1].Left = []string{r2}
			s.relays[1].Connected = new(bool)
			return s
		}, reconciler.Rotate, [][2]string{{"start", r2}}, [][2]string{{"start", r1}}},
		{"a tolerated relay that is away is not touched", func() *scene {
			s := newScene()
			s.hosts[r2].reach, s.doc.Policy.Unreachable.Tolerate = reconciler.Unreachable, []string{r2}
			return s
		}, reconciler.Rotate, [][2]string{{"swap", r1}}, [][2]string{{"swap", r2}, {"stop", r2}, {"start", r2}}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			got := c.scene().plan(t)
			if got.Status != c.status {
				t.Fatalf("it is %s: %s %+v", got.Status, got.Reason, got.Findings)
			}
			for _, k := range c.yes {
				if !has(got, k[0], k[1]) {
					t.Errorf("no step %q on %q", k[0], k[1])
				}
			}
			for _, k := range c.no {
				if has(got, k[0], k[1]) {
					t.Errorf("a step %q on %q", k[0], k[1])
				}
			}
			if got.Reason == "" {
				t.Error("no reason")
			}
		})
	}
}

// What was stopped is started when the rotation is taken back. What did not run before may fail then.
func TestWayBackFromAStop(t *testing.T) {
	s := newScene()
	s.hosts[r1].service.State = "stopped"
	c := s.plan(t)
	for _, host := range []string{admin, r1, r2} {
		stop := find(c, "stop", host)
		if stop == nil {
			t.Fatalf("nothing stops on %s", host)
		}
		if stop.Back.Op == nil || stop.WasDown != (host == r1) {
			t.Errorf("%s on %s: back by %v, was down: %v", stop.Op.Key(), host, stop.Back.Op, stop.WasDown)
		}
	}
}

func TestRef(t *testing.T) {
	if got := relaykey.New(newScene().doc, newScene().spec).Ref(); got != (secret.Ref{Name: "relaykey", Version: "7"}) {
		t.Error(got)
	}
}
