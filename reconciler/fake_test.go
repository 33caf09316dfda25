package reconciler_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/state"
)

// op is an op of the fake site. Ops that edit merge, others must be equal.
type op struct {
	host, key string
	edits     string
}

func (o op) Target() reconciler.Target {
	if o.host == "" {
		return reconciler.Target{Kind: reconciler.APITarget}
	}
	return reconciler.Target{Kind: reconciler.HostTarget, Name: o.host}
}
func (o op) Key() string { return o.key }
func (o op) Merge(other reconciler.Op) (reconciler.Op, error) {
	b, ok := other.(op)
	switch {
	case !ok || strings.Contains(o.edits+b.edits, "!"):
		return nil, errors.New("they cannot be joined")
	case o.edits != "":
		o.edits += "+" + b.edits
	}
	return o, nil
}

// rotation is a rotation that always wants its steps.
type rotation struct {
	name  string
	steps []reconciler.Step
	with  func(*reconciler.Change)
}

func (r rotation) Ref() secret.Ref          { return secret.Ref{Name: r.name, Version: "2"} }
func (r rotation) Reads() []reconciler.Read { return nil }
func (r rotation) Plan(reconciler.Input) reconciler.Change {
	c := reconciler.Change{Secret: r.Ref(), Title: r.name, Status: reconciler.Rotate, Before: "1", Steps: slices.Clone(r.steps)}
	if r.with != nil {
		r.with(&c)
	}
	return c
}

// step makes a step whose undo, unless it is a proof, has the key "un" + key.
func step(p reconciler.Phase, wave int, host, key string) reconciler.Step {
	s := reconciler.Step{Phase: p, Wave: wave, Op: op{host: host, key: key}}
	if p < reconciler.Verify {
		s.Undo = op{host: host, key: "un" + key}
	}
	return s
}

// usual is the way of a rotation that shares Admin with others, and has a relay.
func usual(name string) rotation {
	return rotation{name: name, steps: []reconciler.Step{
		step(reconciler.Prepare, 0, "admin", "stage "+name),
		step(reconciler.Stop, 0, "relay", "stop relay"),
		step(reconciler.Stop, 1, "admin", "stop admin"),
		step(reconciler.Edit, 0, "admin", "swap "+name),
		step(reconciler.Start, 0, "admin", "start admin"),
		step(reconciler.Start, 1, "relay", "start relay"),
		step(reconciler.Verify, 0, "", "prove "+name),
		step(reconciler.Verify, 1, "relay", "prove process "+name),
		step(reconciler.Retire, 0, "admin", "discard "+name),
	}}
}

// bench is a run on fakes.
type bench struct {
	t    *testing.T
	plan *reconciler.Plan

	mu sync.Mutex
	// did are the keys of what was done, in order, each with its host.
	did     []string
	entries []state.Entry
	// answer replaces a report, by key.
	answer map[string]reconciler.Report
	// before is called before an op, by key.
	before map[string]func()
	// refuse makes the ledger refuse from the nth append on, from 1; 0 never.
	refuse, appends int
	lost            bool
}

func newBench(t *testing.T, rotations ...reconciler.Rotation) *bench {
	t.Helper()
	plan, err := reconciler.MakePlan(&specs.Deployment{Name: "test"}, rotations, reconciler.Input{Now: time.Unix(1e9, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return &bench{t: t, plan: plan, answer: map[string]reconciler.Report{}, before: map[string]func(){}}
}

func (b *bench) run(ctx context.Context) reconciler.Outcome {
	return reconciler.Run{ID: "r", By: "t", Site: b, Ledger: b, Lease: b, Plan: b.plan, Parallel: 1, Now: time.Now}.Apply(ctx)
}

func (b *bench) Look(context.Context, []reconciler.Read, func(reconciler.Event)) reconciler.Seen {
	return nil
}

func (b *bench) Do(ctx context.Context, t reconciler.Target, steps []reconciler.Step, _ func(reconciler.Event)) []reconciler.Report {
	var reports []reconciler.Report
	for _, s := range steps {
		if f := b.before[s.Op.Key()]; f != nil {
			f()
		}
		b.mu.Lock()
		b.did = append(b.did, s.Op.Key())
		if !slices.ContainsFunc(b.entries, func(e state.Entry) bool { return e.Step == s.Name && e.Outcome == state.Started }) {
			b.t.Errorf("%s on %s: its start was not in the ledger", s.Name, t)
		}
		b.mu.Unlock()
		r := reconciler.Report{Outcome: state.Done, Evidence: "seen: " + s.Op.Key()}
		if a, ok := b.answer[s.Op.Key()]; ok {
			if r = a; r.Outcome == "none" {
				return reports
			}
		}
		if ctx.Err() != nil {
			r = reconciler.Report{Outcome: state.Unknown, Err: ctx.Err()}
		}
		if reports = append(reports, r); r.Outcome != state.Done {
			break
		}
	}
	return reports
}

func (b *bench) Append(_ context.Context, entries ...state.Entry) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.appends++; b.refuse > 0 && b.appends >= b.refuse {
		return errors.New("the disk is full")
	}
	b.entries = append(b.entries, entries...)
	return nil
}

func (b *bench) Entries(context.Context) ([]state.Entry, error) { return b.entries, nil }
func (b *bench) Fence() uint64                                  { return 1 }
func (b *bench) Close(context.Context)                          {}
func (b *bench) Doing(context.Context, string) error            { return nil }
func (b *bench) Release(context.Context) error                  { return nil }
func (b *bench) Check(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lost {
		return &state.LostError{Fence: 1}
	}
	return nil
}

func (b *bench) lose() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lost = true
}

// words are the outcomes of whole rotations in the ledger: "started a", "done a".
func (b *bench) words() []string {
	var all []string
	for _, e := range b.entries {
		if e.Step == "" {
			all = append(all, fmt.Sprintf("%s %s", e.Outcome, e.Secret))
		}
	}
	return all
}

func (b *bench) has(key string) bool { return slices.Contains(b.did, key) }

// order demands that these were done, in this order.
func (b *bench) order(keys ...string) {
	b.t.Helper()
	last := -1
	for _, k := range keys {
		i := slices.Index(b.did, k)
		if i < 0 {
			b.t.Errorf("not done: %s; done: %q", k, b.did)
			return
		}
		if i < last {
			b.t.Errorf("%s came too early: %q", k, b.did)
		}
		last = i
	}
}

func failure(text string) reconciler.Report {
	return reconciler.Report{Outcome: state.Failed, Err: errors.New(text)}
}

func proven(o reconciler.Outcome) []string {
	var names []string
	for _, p := range o.Proven {
		names = append(names, p.Change.Secret.Name)
	}
	return names
}
