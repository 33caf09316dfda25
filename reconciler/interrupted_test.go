package reconciler_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"meshrotate/reconciler"
	"meshrotate/state"
)

func TestAnInterruptWaitsUntilTheServicesAreUp(t *testing.T) {
	for _, key := range []string{"stop relay", "stop admin", "swap a", "start admin", "start relay"} {
		ctx, cancel := context.WithCancel(t.Context())
		b := newBench(t, usual("a"))
		b.before[key] = cancel
		o := b.run(ctx)
		b.order("start admin", "start relay")
		if !o.Halted || o.Err == nil || !errors.Is(o.Err, context.Canceled) || b.has("back restore a") || b.has("prove a") || !slices.Equal(ended(o), []string{"a unknown"}) {
			t.Errorf("interrupted at %s: %+v; %q", key, o, b.did)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	b := newBench(t, usual("a"))
	b.before["stage a"] = cancel
	if o := b.run(ctx); b.has("stop relay") || o.Err == nil || !slices.Equal(ended(o), []string{"a back"}) {
		t.Errorf("interrupted before the switch: %+v; %q", o, b.did)
	}
}

// Where the switch was done to its end and has no way back, it is known what is live after an interrupt, also of what shares a file.
// It is not where the lease was lost, or a step was not done.
func TestAnInterruptWhereThereIsNoWayBack(t *testing.T) {
	shared := step(reconciler.Switch, "engine", "swap file", "stop engine")
	single := logon()
	single.steps = append(single.steps, shared)
	beside := rotation{name: "beside", steps: []reconciler.Step{shared, step(reconciler.Verify, "engine", "prove beside")}}
	for _, c := range []struct {
		reason    string
		rotations []reconciler.Rotation
		set       func(*bench)
		halted    bool
		ended     []string
	}{
		{"alone", []reconciler.Rotation{logon()}, func(*bench) {}, false, []string{"svc ahead"}},
		{"a file is shared", []reconciler.Rotation{single, beside}, func(*bench) {}, false, []string{"svc ahead", "beside ahead"}},
		{"another can go back", []reconciler.Rotation{logon(), usual("a")}, func(*bench) {}, true, []string{"svc ahead", "a unknown"}},
		{"no answer to it", []reconciler.Rotation{single}, func(b *bench) {
			b.answer["swap file"] = reconciler.Report{Outcome: state.Unknown, Err: errors.New("lost")}
		}, true, []string{"svc unknown"}},
		{"the lease is lost", []reconciler.Rotation{logon()}, func(b *bench) {
			b.before["start engine"] = func() { b.lost = true }
		}, true, []string{"svc unknown"}},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		b := newBench(t, c.rotations...)
		c.set(b)
		then := b.before["start engine"]
		b.before["set logon"] = cancel
		if o := b.run(ctx); o.Halted != c.halted || o.Err == nil || b.has("prove svc") || then == nil && !b.has("start engine") || !slices.Equal(ended(o), c.ended) {
			t.Errorf("%s: %+v; %q", c.reason, o, b.did)
		}
	}
}

// An interrupt between the beginning of a phase and its first block is heard too, and nothing old is removed by a run that
// proved nothing.
func TestAnInterruptBeforeTheFirstBlock(t *testing.T) {
	for _, c := range []struct {
		phase string
		ended string
	}{{"prepare", "a back"}, {"verify", "a unknown"}} {
		ctx, cancel := context.WithCancel(t.Context())
		b := newBench(t, usual("a"))
		b.tell = func(e reconciler.Event) {
			if e.Kind == reconciler.PhaseBegan && e.Phase == c.phase {
				cancel()
			}
		}
		o := b.run(ctx)
		if !errors.Is(o.Err, context.Canceled) || b.has("tidy a") || !slices.Equal(ended(o), []string{c.ended}) {
			t.Errorf("interrupted when %s began: %v; %q", c.phase, o, b.did)
		}
	}
}
