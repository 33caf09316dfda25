package license_test

import (
	"slices"
	"strings"
	"testing"

	"meshrotate/providers/rotations/license"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/state"
)

const watch = "IdentityMeshWatch"

// find is the last step with such a key on a host, nil when there is none.
func find(c reconciler.Change, key, host string) *reconciler.Step {
	for _, s := range slices.Backward(rotationtest.Steps(c)) {
		if strings.HasPrefix(s.Op.Key(), key) && s.Op.Target().Name == host {
			return &s
		}
	}
	return nil
}

// planned is a rotation whose plan is made.
type planned struct {
	*license.Rotation
	change reconciler.Change
}

func (p planned) Plan(reconciler.Input) reconciler.Change { return p.change }

// order is what the switch does, one after the other.
func (s *scene) order(t *testing.T) []string {
	t.Helper()
	p, err := reconciler.MakePlan(s.doc, []reconciler.Rotation{planned{license.New(s.doc, s.spec), s.plan(t)}}, reconciler.Input{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, step := range p.Steps() {
		if step.Phase == reconciler.Switch {
			order = append(order, step.Op.Kind()+" "+step.Op.Target().String())
		}
	}
	return order
}

func TestOrder(t *testing.T) {
	for _, c := range []struct {
		reason string
		change func(s *scene)
		// pairs come in this order.
		pairs [][2]string
	}{
		{"Admin reads the file again and is seen to serve it, and only then Engine stops", func(*scene) {},
			[][2]string{{"swap " + admin, "call Admin API"}, {"call Admin API", "prove-answer Admin API"}, {"prove-answer Admin API", "stop " + engine},
				{"stop " + engine, "swap " + engine}, {"swap " + engine, "start " + engine}}},
		{"so it is where both are on one host", func(s *scene) { s.doc.Hosts.Engine = admin },
			[][2]string{{"swap " + admin, "call Admin API"}, {"call Admin API", "prove-answer Admin API"}, {"prove-answer Admin API", "stop " + admin}, {"stop " + admin, "start " + admin}}},
		{"without the API Engine stops before Admin and starts after it", func(s *scene) { s.doc.Connect.AdminAPI.URL = "" },
			[][2]string{{"stop " + engine, "stop " + admin}, {"stop " + admin, "swap " + admin}, {"swap " + admin, "start " + admin}, {"start " + admin, "start " + engine}}},
		{"a stopped Admin starts and is seen to serve it, and only then Engine stops", func(s *scene) { s.service["IdentityMeshAdmin"].State = "stopped" },
			[][2]string{{"start " + admin, "await-ready Admin API"}, {"call Admin API", "prove-answer Admin API"}, {"prove-answer Admin API", "stop " + engine}, {"stop " + engine, "swap " + engine}}},
		{"so it is where both are on one host", func(s *scene) { s.service["IdentityMeshAdmin"].State, s.doc.Hosts.Engine = "stopped", admin },
			[][2]string{{"swap " + admin, "start " + admin}, {"start " + admin, "await-ready Admin API"}, {"await-ready Admin API", "prove-answer Admin API"}}},
		{"a stopped Admin starts, is ready, and only then Engine starts", func(s *scene) { s.service["IdentityMeshAdmin"].State = "stopped" },
			[][2]string{{"swap " + admin, "start " + admin}, {"start " + admin, "await-ready Admin API"}, {"await-ready Admin API", "call Admin API"}, {"await-ready Admin API", "start " + engine}}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			s := newScene()
			c.change(s)
			order := s.order(t)
			for _, p := range c.pairs {
				if a, b := slices.Index(order, p[0]), slices.Index(order, p[1]); a < 0 || b < a {
					t.Errorf("%q is not before %q in %q", p[0], p[1], order)
				}
			}
		})
	}
}

func TestWayBackHasProofs(t *testing.T) {
	s := newScene()
	c := s.plan(t)
	for _, w := range []struct {
		key, host, back string
	}{
		{"prove file", admin, "prove as before " + path},
		{"prove file", engine, "prove as before " + path},
		{"prove /api/license", "", "prove /api/license"},
		{"prove process", engine, "prove process IdentityMeshEngine " + path},
		{"call", "", "mark license to be replaced"},
		{"mark", "", "mark license to be replaced"},
		{"swap", admin, "restore " + path},
		{"stop", engine, "start IdentityMeshEngine"},
	} {
		step := find(c, w.key, w.host)
		switch {
		case step == nil:
			t.Errorf("no step %q on %q", w.key, w.host)
		case step.Back.Op == nil || step.Back.Op.Key() != w.back:
			t.Errorf("back from %q on %q is %v, not %q", w.key, w.host, step.Back.Op, w.back)
		}
	}
	var calls []string // the first is a trial, of what is there
	for _, step := range rotationtest.Steps(c) {
		if op, ok := step.Op.(site.Call); ok {
			back := ""
			if step.Back.Op != nil {
				back = " / " + step.Back.Op.Key()
			}
			calls = append(calls, step.Phase.String()+" "+op.Key()+back)
		}
	}
	if want := []string{"prepare call /api/license/reload", "switch call /api/license/reload / mark license to be replaced"}; !slices.Equal(calls, want) {
		t.Errorf("%q", calls)
	}
	proof := find(c, "prove /api/license", "")
	want := func(op reconciler.Op) string { return op.(site.ProveAnswer).Want[2].Want }
	if now, before := want(proof.Op), want(proof.Back.Op); now == before || !strings.HasPrefix(before, until(20).Expires.Format("2006-01-02")) {
		t.Errorf("forward it demands %s, on the way back %s", now, before)
	}
	s.served = nil // Admin was not running: nobody knows what it served
	s.api.Reach, s.service["IdentityMeshAdmin"].State = reconciler.Unreachable, "stopped"
	if op := find(s.plan(t), "prove /api/license", "").Back.Op; op != nil {
		t.Errorf("nobody knows what Admin served, and the way back demands %+v", op)
	}
}

func TestDependents(t *testing.T) {
	s := newScene()
	s.service["IdentityMeshEngine"].Dependents = []string{watch}
	c := s.plan(t)
	stop, start := find(c, "stop", engine).Op.(site.StopService), find(c, "start", engine).Op.(site.StartService)
	back := find(c, "stop", engine).Back.Op.(site.StartService)
	for what, some := range map[string][]string{"stop": stop.Dependents, "start": start.Dependents, "the way back": back.Dependents} {
		if !slices.Equal(some, []string{watch}) {
			t.Errorf("%s with %v", what, some)
		}
	}
	if facts := stop.Foresees(); len(facts) != 1 || facts[0].Host != engine || facts[0].Value != watch {
		t.Errorf("foreseen %+v", facts)
	}
}

// A run that died after the stop took a dependent down: the next starts it, and nothing else when all else is fine.
func TestDependentsThatAnEarlierRunStopped(t *testing.T) {
	for host, service := range map[string]string{engine: "IdentityMeshEngine", admin: "IdentityMeshAdmin"} {
		s := done()
		stop := site.StopService{Host: host, Service: service, Dependents: []string{watch}}
		s.history = []state.Entry{{Secret: "license", Version: "2026-11", Outcome: state.Started, Before: "2025-11", Facts: stop.Foresees()}}
		c := s.plan(t)
		if c.Status != reconciler.Rotate || !strings.Contains(c.Reason, watch) {
			t.Fatalf("it is %s: %s", c.Status, c.Reason)
		}
		start := find(c, "start", host)
		if start == nil || !slices.Equal(start.Op.(site.StartService).Dependents, []string{watch}) || start.Back.Op != nil {
			t.Errorf("%s: it is started by %+v", host, start)
		}
		for _, step := range rotationtest.Steps(c) {
			if op := step.Op; step.Phase != reconciler.Verify && op.Kind() != "start" {
				t.Errorf("it plans %s on %s", op.Key(), op.Target())
			}
		}
		s.history = append(s.history, state.Entry{Secret: "license", Version: "2026-11", Outcome: state.Back})
		if c := s.plan(t); find(c, "start", host) != nil {
			t.Errorf("the rotation is back as it was, and %s is still thought of as stopped", watch)
		}
	}
}
