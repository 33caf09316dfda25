package relaykey_test

import (
	"encoding/json"
	"slices"
	"testing"

	"meshrotate/providers/rotations/relaykey"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/state"
)

const watch = "IdentityMeshWatch"

func id(s *reconciler.Step) string { return reconciler.StepID(s.Phase, s.Op) }

// Admin is the canary: nothing of a relay stops before Admin is ready with the new key. And a relay's outage is its own:
// nothing else stands between its stop and its start.
func TestAdminGoesFirst(t *testing.T) {
	s := newScene()
	c := s.plan(t)
	ready := find(c, "await ready", "")
	if ready == nil || !slices.Contains(ready.After, id(find(c, "start", admin))) {
		t.Fatalf("Admin's start is not waited for: %+v", ready)
	}
	for _, host := range []string{r1, r2} {
		for _, key := range []string{"stop", "start"} {
			if step := find(c, key, host); !slices.Contains(step.After, id(ready)) {
				t.Errorf("%s on %s does not wait for Admin: %v", key, host, step.After)
			}
		}
		if swap := find(c, "swap", host); !slices.Contains(swap.After, id(find(c, "stop", host))) {
			t.Errorf("the file of %s is replaced under a running service: %v", host, swap.After)
		}
		if start := find(c, "start", host); !slices.Contains(start.After, id(find(c, "swap", host))) {
			t.Errorf("%s starts before its file is there: %v", host, start.After)
		}
	}
	var order []string
	p, err := reconciler.MakePlan(s.doc, []reconciler.Rotation{planned{relaykey.New(s.doc, s.spec), c}}, reconciler.Input{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range p.Steps() {
		if step.Phase == reconciler.Switch {
			order = append(order, step.Op.Kind()+" "+step.Op.Target().String())
		}
	}
	want := []string{"stop " + admin, "swap " + admin, "start " + admin, "await-ready Admin API",
		"stop " + r1, "swap " + r1, "start " + r1, "stop " + r2, "swap " + r2, "start " + r2}
	if !slices.Equal(order, want) {
		t.Errorf("the order is %q", order)
	}
}

// planned is a rotation whose plan is made.
type planned struct {
	*relaykey.Rotation
	change reconciler.Change
}

func (p planned) Plan(reconciler.Input) reconciler.Change { return p.change }

// The way back waits for the same things: whoever is stopped again, Admin is ready with the old key first.
func TestWayBackHasProofs(t *testing.T) {
	s := newScene()
	s.relays[1].Connected = new(bool) // r2 was not connected before
	c := s.plan(t)
	for _, w := range []struct {
		key, host, back string
	}{
		{"prove Relay:ApiKey", admin, "prove as before " + s.doc.Product.Admin.Settings},
		{"prove process", admin, "prove process IdentityMeshAdmin " + s.doc.Product.Admin.Settings},
		{"prove process", r1, "prove as before " + s.doc.Product.Relay.Settings},
		{"prove relays", "", "prove relays"},
		{"swap", admin, "restore " + s.doc.Product.Admin.Settings},
		{"swap", r1, "restore " + s.doc.Product.Relay.Settings},
		{"stop", admin, "start IdentityMeshAdmin"},
		{"start", r2, "stop IdentityMeshRelayAgent"},
		{"stage", r1, "discard copies of " + s.doc.Product.Relay.Settings},
		{"await ready", "", "await ready"},
	} {
		step := find(c, w.key, w.host)
		switch {
		case step == nil:
			t.Errorf("no step %q on %q", w.key, w.host)
		case step.Back.Op == nil || step.Back.Op.Key() != w.back:
			t.Errorf("back from %q on %q is %v, not %q", w.key, w.host, step.Back.Op, w.back)
		}
	}
	all := find(c, "prove relays", "")
	if got := all.Op.(site.ProveRelays).Relays; !slices.Equal(got, []string{r1, r2}) {
		t.Errorf("proven: %v", got)
	}
	if got := all.Back.Op.(site.ProveRelays).Relays; !slices.Equal(got, []string{r1}) {
		t.Errorf("who was not connected before cannot be afterwards: %v", got)
	}
	for _, step := range rotationtest.Steps(c) {
		if step.Back.Why != "" {
			t.Errorf("%s cannot be taken back: %s", step.Op.Key(), step.Back.Why)
		}
		if b, err := json.Marshal(step.Back); err != nil || len(b) == 0 {
			t.Errorf("%s: its way back cannot be written: %v", step.Op.Key(), err)
		}
	}
}

// A fleet that an earlier run left half rotated goes forward only: a relay with its old key back is cut off by an Admin that
// has the new one.
func TestHalfRotatedGoesForward(t *testing.T) {
	for _, c := range []struct {
		reason string
		change func(s *scene)
		swaps  []string // hosts whose file is replaced
		never  bool
	}{
		{"everybody holds the old key", func(*scene) {}, []string{admin, r1, r2}, false},
		{"Admin has the new key already", func(s *scene) { cutOff(s, admin, "7", 0, 1) }, []string{r1, r2}, true},
		{"one relay is behind", func(s *scene) { cutOff(cutOff(s, admin, "7", 1), r1, "7") }, []string{r2}, true},
		{"Admin is behind", func(s *scene) { cutOff(cutOff(s, r1, "7", 0, 1), r2, "7") }, []string{admin}, true},
	} {
		s := newScene()
		c.change(s)
		got := s.plan(t)
		for _, host := range c.swaps {
			switch swap := find(got, "swap", host); {
			case swap == nil:
				t.Errorf("%s: the file of %s is not replaced", c.reason, host)
			case (swap.Back.Op == nil) != c.never || (swap.Back.Why != "") != c.never:
				t.Errorf("%s: back on %s: %+v", c.reason, host, swap.Back)
			}
		}
	}
}

// What a stop takes down is said before the stop, and started with the service.
func TestDependents(t *testing.T) {
	for _, host := range []string{admin, r1} {
		s := newScene()
		s.hosts[host].service.Dependents = []string{watch, "Other"}
		c := s.plan(t)
		stop := find(c, "stop", host).Op.(site.StopService)
		start := find(c, "start", host).Op.(site.StartService)
		if !slices.Equal(stop.Dependents, []string{watch, "Other"}) || !slices.Equal(start.Dependents, stop.Dependents) {
			t.Errorf("%s: stop with %v, start with %v", host, stop.Dependents, start.Dependents)
		}
		back := find(c, "stop", host).Back.Op.(site.StartService)
		if !slices.Equal(back.Dependents, stop.Dependents) {
			t.Errorf("%s: the way back starts %v", host, back.Dependents)
		}
		facts := stop.Foresees()
		if len(facts) != 1 || facts[0].Host != host || facts[0].Value != watch+"\nOther" {
			t.Errorf("%s: foreseen %+v", host, facts)
		}
		if other := find(c, "stop", r2).Op.(site.StopService); len(other.Foresees()) > 0 {
			t.Errorf("a stop without dependents foresees %+v", other.Foresees())
		}
	}
}

// cut is a scene in which a run stopped the service of a host, and died before it told how it ended.
func cut(host, service string) *scene {
	s := done()
	stop := site.StopService{Host: host, Service: service, Dependents: []string{watch}}
	s.history = []state.Entry{{Secret: "relaykey", Version: "7", Outcome: state.Started, Before: "6", Facts: stop.Foresees()}}
	return s
}

func TestDependentsThatAnEarlierRunStopped(t *testing.T) {
	t.Run("all else is fine", func(t *testing.T) {
		for host, service := range map[string]string{admin: "IdentityMeshAdmin", r1: "IdentityMeshRelayAgent"} {
			c := cut(host, service).plan(t)
			if c.Status != reconciler.Rotate || c.Reason == "" {
				t.Fatalf("%s: it is %s: %s", host, c.Status, c.Reason)
			}
			for _, step := range rotationtest.Steps(c) {
				switch op := step.Op.(type) {
				case site.StartService:
					if op.Host != host || !slices.Equal(op.Dependents, []string{watch}) {
						t.Errorf("it starts %+v", op)
					}
				case site.AwaitReady, site.ProveSetting, site.ProveRelays:
				default:
					t.Errorf("it plans %s on %s", op.Key(), op.Target())
				}
			}
			if find(c, "start", host) == nil {
				t.Errorf("%s stays stopped for good", watch)
			}
		}
	})
	t.Run("the service must stop again", func(t *testing.T) {
		s := cut(admin, "IdentityMeshAdmin")
		s.hosts[admin].setting.Version = "6"
		c := s.plan(t)
		if op := find(c, "stop", admin).Op.(site.StopService); len(op.Foresees()) != 1 || op.Foresees()[0].Value != watch {
			t.Errorf("if this run dies too, nobody knows of %s: %+v", watch, op.Foresees())
		}
		if op := find(c, "start", admin).Op.(site.StartService); !slices.Equal(op.Dependents, []string{watch}) {
			t.Errorf("it starts with %v", op.Dependents)
		}
	})
	t.Run("somebody started it", func(t *testing.T) {
		s := cut(admin, "IdentityMeshAdmin")
		s.hosts[admin].service.Dependents = []string{watch}
		if c := s.plan(t); has(c, "start", admin) {
			t.Error("it is started again")
		}
	})
	t.Run("the rotation was proven since", func(t *testing.T) {
		s := cut(admin, "IdentityMeshAdmin")
		s.history = append(s.history, state.Entry{Secret: "relaykey", Version: "7", Outcome: state.Proven, Time: written})
		if c := s.plan(t); c.Status != reconciler.AsDeclared {
			t.Errorf("what somebody stopped later is his own business: %s", c.Reason)
		}
	})
}
