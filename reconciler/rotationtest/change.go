package rotationtest

import (
	"encoding/json"
	"testing"

	"meshrotate/reconciler"
)

// Answer puts what a read brings among what was seen.
func Answer(seen reconciler.Seen, read reconciler.Read, res reconciler.Result) {
	look := seen[read.Target()]
	if look.Results == nil {
		look = reconciler.Look{Reach: reconciler.Reached, Results: map[string]reconciler.Result{}}
	}
	look.Results[read.Key()] = res
	seen[read.Target()] = look
}

// Plan asks a rotation for its change: twice, for the same input gives the same bytes; and no guard objects to one that has steps.
func Plan(t *testing.T, r reconciler.Rotation, in reconciler.Input) reconciler.Change {
	t.Helper()
	c, again := r.Plan(in), r.Plan(in)
	one, err := json.Marshal([]any{c, c.Rounds})
	two, _ := json.Marshal([]any{again, again.Rounds})
	if err != nil || string(one) != string(two) {
		t.Errorf("the same input gives another plan (%v):\n%s\n%s", err, one, two)
	}
	if reconciler.Blocked(c.Findings) && len(c.Rounds) > 0 {
		t.Errorf("a guard objects, and there are steps: %+v", c.Findings)
	}
	return c
}

// Steps are all of a change.
func Steps(c reconciler.Change) []reconciler.Step {
	var all []reconciler.Step
	for _, r := range c.Rounds {
		all = append(all, r.Steps...)
	}
	return all
}
