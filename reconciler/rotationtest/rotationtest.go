// Package rotationtest is the conformance suite that every kind of secret passes.
//
// It knows the engine and nothing of hosts: a World says what it needs to know of a live deployment. Every case makes
// a world of its own, in which the declared versions are not live yet, and ends with the same three demands: a further
// run converges, the one after it plans nothing, the new values work and the old ones do not. While anything runs, the
// world is asked again and again whether two services that share a secret run with different versions of it.
//
// The cases mostly wait: give them more -parallel than there are cores.
package rotationtest

import (
	"context"
	"testing"

	"meshrotate/reconciler"
	"meshrotate/specs"
	"meshrotate/state"
)

// World is a live deployment to try a rotation on. All fields are required, but for Points and Arm.
type World struct {
	Deployment *specs.Deployment
	Rotations  []reconciler.Rotation
	// Open connects as a new process does. What it returns ends the connections.
	Open   func(ctx context.Context) (reconciler.Site, func(), error)
	Ledger state.Ledger
	Lock   state.Lock
	// Old is nil when exactly the versions from before the rotation work.
	Old func() error
	// New is nil when exactly the declared versions work.
	New func() error
	// Up is nil when every service runs.
	Up func() error
	// Sound is nil while no two services that share a secret run with different versions of it. It is called from
	// another goroutine, many times.
	Sound func() error
	// Secrets are the values that nobody may see, by what they are.
	Secrets func() map[string][]byte
	// Said is everything that was recorded in the world, by where: command lines, logs, files of the state. The suite
	// adds what it sees itself: plans, events, errors, outcomes.
	Said func() map[string][]byte
	// Points lists what can go wrong between this program and the world, of what happened so far. Arm makes one of them
	// happen, once, from now on.
	Points func() []string
	Arm    func(point string)
}

// Fixture makes worlds.
type Fixture struct {
	// New makes a world. It ends with the test.
	New func(t *testing.T) *World
	// Brief leaves out the interrupts, the faults of the connection, and the kills before a step, in an undo and at the
	// ledger: a kind that runs together with the others in another fixture meets them there.
	Brief bool
}

// Run tests the rotations of a fixture.
func Run(t *testing.T, f Fixture) {
	t.Helper()
	for _, c := range []struct {
		name, reason string
		long         bool
		run          func(*testing.T, Fixture)
	}{
		{"plan", "planning is pure: what was reviewed is what is applied", false, purePlan},
		{"rotate", "one run proves every version, and the next has nothing to do", false, rotate},
		{"refuted", "what cannot be proven is taken back", false, refuted},
		{"kill", "a run that dies before or after any step is finished by the next", false, kills},
		{"kill-undo", "so is one that dies while it takes something back", true, killsOfUndo},
		{"kill-ledger", "so is one that dies before or after it wrote an entry", true, killsOfLedger},
		{"cancel", "an interrupt leaves the services running", true, cancels},
		{"fault", "a message may be lost, or a process die, at any time", true, faults},
	} {
		if c.long && f.Brief {
			continue
		}
		t.Run(c.name, func(t *testing.T) { t.Parallel(); t.Log(c.reason); c.run(t, f) })
	}
}

// outline is the steps of the plan, as every world of the fixture has them.
func outline(t *testing.T, f Fixture) []reconciler.Step {
	t.Helper()
	p := start(t, f.New(t))
	defer p.close()
	plan := p.plan()
	if plan.Empty() {
		t.Fatal("there is nothing to rotate in a new world")
	}
	return plan.Steps
}
