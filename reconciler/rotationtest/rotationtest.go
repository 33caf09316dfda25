// Package rotationtest is the conformance suite that every kind of secret passes.
//
// It knows the engine and nothing of hosts: a World says what it needs to know of a live deployment. Every case makes
// a world of its own, in which the declared versions are not live yet, and ends with the same demands: further runs
// converge, the one after them plans nothing, the new values work and the old ones do not. While anything runs, the world
// is asked again and again whether it is sound; after every run that was not killed, whether all that share a secret run
// with the same version of it.
//
// In a world on a virtual clock each case takes milliseconds, so there the suite is complete: a kill before and after
// every step, every undo and every entry of the ledger, and every message to the world cut, left hanging and killed at.
package rotationtest

import (
	"context"
	"hash/fnv"
	"io"
	"testing"
	"testing/synctest"

	"meshrotate/reconciler"
	"meshrotate/specs"
	"meshrotate/state"
)

// World is a live deployment to try a rotation on. All fields are required, but for Points and Arm.
type World struct {
	Deployment *specs.Deployment
	Rotations  []reconciler.Rotation
	// Open connects as a new process does. What it returns ends the connections.
	Open  func(ctx context.Context) (reconciler.Site, func(), error)
	State state.State
	// Old is nil when exactly the versions from before the rotation work.
	Old func() error
	// New is nil when exactly the declared versions work.
	New func() error
	// Up is nil when every service runs.
	Up func() error
	// Sound is nil while nothing is as it may never be. It is called from another goroutine, many times.
	Sound func() error
	// Together is nil when all services that run and share a secret have the same version of it. It is asked at the end of
	// a run: within a switch there may be a window.
	Together func() error
	// Secrets are the values that nobody may see, by what they are.
	Secrets func() map[string][]byte
	// Said is everything that was recorded in the world, by where: command lines, logs, files of the state. The suite
	// adds what it sees itself: plans, events, errors, outcomes.
	Said func() map[string][]byte
	// Points lists what can go wrong between this program and the world, of what happened so far. Arm makes one of them
	// happen, once, from now on. Where it is the death of this process, it calls kill at that moment.
	Points func() []string
	Arm    func(point string, kill func())
}

// Fixture makes worlds.
type Fixture struct {
	// New makes a world. It ends with the test.
	New func(t *testing.T) *World
	// Virtual worlds live in a bubble of testing/synctest each.
	Virtual bool
	// Brief leaves out kills, interrupts and faults: for worlds on a real wire, where all that takes minutes.
	Brief bool
	// Sample runs one in so many of the cases that come in hundreds, chosen by their names; 0 runs them all. The race detector
	// makes each ten times as long, and looks for something else.
	Sample int
}

// Run tests the rotations of a fixture.
func Run(t *testing.T, f Fixture) {
	t.Helper()
	for _, c := range []struct {
		name, reason string
		long         bool
		run          func(*testing.T, Fixture)
	}{
		{"plan", "planning is pure: what was reviewed is what is applied", false, one(purePlan)},
		{"rotate", "one run proves every version, and the next has nothing to do", false, one(rotate)},
		{"refuted", "what cannot be proven is taken back", false, one(refuted)},
		{"kill", "a run that dies before or after any step is finished by the next", true, kills},
		{"kill-refuted", "a second run that proves nothing leaves it to the third, and forgets nothing", true, killsAndRefuted},
		{"kill-undo", "so is one that dies while it takes something back", true, killsOfUndo},
		{"kill-ledger", "so is one that dies before or after it wrote an entry", true, killsOfLedger},
		{"cancel", "an interrupt leaves the services running", true, cancels},
		{"fault", "a message may be lost, or the process die, at any time", true, faults},
	} {
		if c.long && f.Brief {
			continue
		}
		t.Run(c.name, func(t *testing.T) { t.Parallel(); t.Log(c.reason); c.run(t, f) })
	}
}

// in runs do with a world of its own.
func (f Fixture) in(t *testing.T, do func(*testing.T, *World)) {
	t.Helper()
	if !f.Virtual {
		do(t, f.New(t))
		return
	}
	synctest.Test(t, func(t *testing.T) { do(t, f.New(t)) })
}

// universe is a case with a world of its own.
func (f Fixture) universe(t *testing.T, name string, do func(*testing.T, *World)) {
	t.Helper()
	if f.Sample > 1 {
		h := fnv.New32a()
		_, _ = io.WriteString(h, name)
		if h.Sum32()%uint32(f.Sample) != 0 {
			return
		}
	}
	t.Run(name, func(t *testing.T) { t.Parallel(); f.in(t, do) })
}

func one(do func(*testing.T, *World)) func(*testing.T, Fixture) {
	return func(t *testing.T, f Fixture) { f.in(t, do) }
}

// outline is the steps of the plan, as every world of the fixture has them.
func outline(t *testing.T, f Fixture) (steps []reconciler.Step) {
	t.Helper()
	f.in(t, func(t *testing.T, w *World) {
		p := start(t, w, nil)
		defer p.close()
		if steps = p.look().Plan.Steps(); len(steps) == 0 {
			t.Fatal("there is nothing to rotate in a new world")
		}
	})
	return steps
}
