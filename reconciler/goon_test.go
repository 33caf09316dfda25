package reconciler_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"meshrotate/reconciler"
	"meshrotate/specs"
	"meshrotate/state"
)

// logon is a change of a service's account: what it sets cannot be read back, and stands between the stop and the start on
// the same host.
func logon() rotation {
	set := step(reconciler.Switch, "engine", "set logon", "stop engine")
	set.Back, set.Once = reconciler.Never("the old password is not known here"), true
	return rotation{name: "svc", steps: []reconciler.Step{
		step(reconciler.Switch, "engine", "stop engine"), set,
		step(reconciler.Switch, "engine", "start engine", "set logon"), step(reconciler.Verify, "engine", "prove svc"),
	}}
}

// A step that has no way back is done once in a run, whatever became of it, and its service comes up.
func TestNothingWithoutAWayBackIsRepeated(t *testing.T) {
	for _, answer := range []reconciler.Report{failure("denied"), {Outcome: state.Unknown, Err: errors.New("lost")}, {Outcome: "none"}} {
		b := newBench(t, logon())
		b.clock("engine")
		b.answer["set logon"] = answer
		o := b.run(t.Context())
		if n := b.times("set logon"); n != 1 {
			t.Errorf("%s: set %d times: %q", answer.Outcome, n, b.did)
		}
		if !b.has("start engine") || len(o.Down) > 0 || !slices.Equal(ended(o), []string{"svc ahead"}) {
			t.Errorf("%s: %v; %q", answer.Outcome, o, b.did)
		}
	}
}

// Endings of several rounds: what an earlier one proved is not unknown, and what was not begun is not either.
func TestEndingsOfRounds(t *testing.T) {
	first := []reconciler.Step{step(reconciler.Switch, "relay", "swap list"), step(reconciler.Verify, "relay", "prove list")}
	second := []reconciler.Step{step(reconciler.Prepare, "build", "import pfx"), step(reconciler.Verify, "build", "prove build")}
	sign := rotation{name: "sign", rounds: []reconciler.Round{{Steps: first}, {Steps: second}}}
	later := rotation{name: "later", rounds: []reconciler.Round{{}, {Steps: []reconciler.Step{step(reconciler.Prepare, "x", "stage x"), step(reconciler.Verify, "x", "prove x")}}}}
	for _, c := range []struct {
		reason    string
		rotations []reconciler.Rotation
		fails     string
		ended     []string
	}{
		{"another secret's proof fails in the first round", []reconciler.Rotation{sign, usual("a")}, "prove a", []string{"sign ahead", "a back"}},
		{"the first round fails: the second was not begun", []reconciler.Rotation{usual("a"), later}, "prove a", []string{"a back", "later back"}},
		{"it fails in the only round in which it has steps", []reconciler.Rotation{usual("a"), later}, "prove x", []string{"a proven", "later back"}},
		{"its second round fails", []reconciler.Rotation{sign}, "prove build", []string{"sign ahead"}},
	} {
		b := newBench(t, c.rotations...)
		b.answer[c.fails] = failure("refused")
		if o := b.run(t.Context()); !slices.Equal(ended(o), c.ended) {
			t.Errorf("%s: %v", c.reason, o)
		}
	}
}

// The swap fails for good, and its secret cannot go back: its service starts with the file that it has. Who waits for it and
// runs is not touched, for nobody has the new value.
func TestASwapFailsThatCannotGoBack(t *testing.T) {
	r := canary(2)
	for i, s := range r.steps {
		if s.Op.Key() == "swap a" {
			r.steps[i].Back = reconciler.Never("half of them have it")
		}
	}
	b := newBench(t, r)
	b.clock("admin", "relay-000", "relay-001")
	b.answer["swap a"] = failure("conflict")
	o := b.run(t.Context())
	if !b.has("start admin") || b.has("stop relay-000") || len(o.Down) > 0 || !slices.Equal(ended(o), []string{"key ahead"}) {
		t.Errorf("%v; %q", o, b.did)
	}
}

// A host that was left behind with the new file, and cannot be reached, is not back, nor is its secret.
func TestNotBackWhereSomebodyKeepsTheNew(t *testing.T) {
	r := usual("a")
	relay := step(reconciler.Switch, "relay", "swap relay", "stop relay")
	relay.Alone = true
	for i, s := range r.steps {
		if s.Op.Key() == "start relay" {
			r.steps[i].After = append(s.After, relay.ID, reconciler.StepID(reconciler.Switch, relay.Op))
			r.steps[i].Alone = true
		}
	}
	r.steps = append(r.steps, relay)
	r.with = func(c *reconciler.Change) { c.Tolerate = reconciler.Tolerance{Count: 1} }
	b := newBench(t, r)
	b.clock("relay", "admin")
	away := reconciler.Report{Outcome: state.Failed, Unreachable: true, Err: errors.New("no route")}
	b.answer["start relay"], b.answer["prove a"] = away, failure("refused")
	for _, k := range []string{"back stop relay", "back restore relay", "back start relay"} {
		b.answer[k] = away
	}
	o := b.run(t.Context())
	if v, ok := state.NewHistory(b.entries).Vouched("a"); ok || slices.Equal(ended(o), []string{"a back"}) || len(o.Left) != 1 {
		t.Errorf("%v; vouched %q; %q", o, v, b.did)
	}
}

// Evidence counts for its own round.
func TestARoundIsNotProvenByAnother(t *testing.T) {
	swap := step(reconciler.Switch, "h", "swap x")
	swap.Alone = true
	b := newBench(t, rotation{name: "k", rounds: []reconciler.Round{
		{Steps: []reconciler.Step{step(reconciler.Verify, "g", "prove first")}},
		{Steps: []reconciler.Step{swap, step(reconciler.Verify, "h", "prove x")}},
	}})
	b.answer["swap x"] = failure("held open")
	if o := b.run(t.Context()); slices.Equal(ended(o), []string{"k proven"}) {
		t.Errorf("%v", o)
	}
}

// A thousand secrets are planned in a time that grows with them, not with their square.
func BenchmarkSecrets(b *testing.B) {
	for _, n := range []int{500, 2000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var all []reconciler.Rotation
			for i := range n {
				name := fmt.Sprint("s", i)
				all = append(all, rotation{name: name, steps: []reconciler.Step{
					step(reconciler.Prepare, "h", "stage "+name), step(reconciler.Switch, "h", "swap "+name), step(reconciler.Verify, "h", "prove "+name)}})
			}
			for b.Loop() {
				if _, err := reconciler.MakePlan(&specs.Deployment{Name: "test"}, all, reconciler.Input{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/secret")
		})
	}
}
