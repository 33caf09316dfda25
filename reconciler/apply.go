package reconciler

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"meshrotate/state"
)

// Run is one run of the engine over a plan. All fields are required, but for Tell.
type Run struct {
	ID, By string
	Site   Site
	Ledger state.Ledger
	Lease  state.Lease
	Plan   *Plan
	// Parallel bounds how many targets are worked on at once outside the switch. Within the switch there is no
	// bound: its connections are open already, and every second of waiting is downtime.
	Parallel int
	Now      func() time.Time
	Tell     func(Event)
}

// Proven is a rotation that was applied and proven.
type Proven struct {
	Change   Change         `json:"-"`
	Evidence []string       `json:"evidence"`
	Outages  []state.Outage `json:"outages,omitempty"`
}

// Outcome is how a run ended.
type Outcome struct {
	Proven []Proven
	// Undone names the secrets that were put back as they were.
	Undone []string
	// Left are targets on which something is left to do, with the reason.
	Left []LeftBehind
	// Halted says that the run stopped where it was: what is live must be looked at again.
	Halted bool
	Err    error
}

// LeftBehind is a target that a run could not finish.
type LeftBehind struct {
	Target Target
	Why    error
	// Secrets names what is unfinished there.
	Secrets []string
}

// progress is what the engine knows while it runs. The engine's goroutine alone changes it.
type progress struct {
	run      Run
	ran      []Step // in order, everything that was begun
	left     map[Target]LeftBehind
	order    []Target
	down, up map[string]time.Time
	evidence map[string][]string // by secret
	passed   map[proof]bool      // what Verify has shown
	failed   map[string]error    // by secret: it was not proven
	cause    error               // the first failure that is not its target's own
	halted   bool
	// recorded: by secret, the ledger has taken that it is proven.
	recorded map[string]bool
	// switching: the first step of the switch was begun.
	switching bool
}

// Apply runs the plan's steps, phase by phase. It returns what happened; Outcome.Err is why anything is left.
func (r Run) Apply(ctx context.Context) Outcome {
	p := &progress{run: r, left: map[Target]LeftBehind{}, down: map[string]time.Time{}, up: map[string]time.Time{},
		evidence: map[string][]string{}, passed: map[proof]bool{}, failed: map[string]error{}}
	if r.Tell == nil {
		p.run.Tell = func(Event) {}
	}
	if err := p.announce(ctx); err != nil {
		return Outcome{Err: err}
	}
	all := barriers(r.Plan.Steps)
	retire := slices.IndexFunc(all, func(b barrier) bool { return b.phase == Retire })
	if retire < 0 {
		retire = len(all)
	}
	p.passAll(ctx, all[:retire])
	if p.cause != nil && !p.halted {
		p.spoil()
	}
	p.recordProven(ctx)
	if p.cause != nil && !p.halted {
		p.undo(ctx)
	} else {
		p.passAll(ctx, all[retire:])
	}
	return p.outcome()
}

// passAll passes barriers until one fails. Verify goes on: that one secret failed says nothing about the others.
func (p *progress) passAll(ctx context.Context, all []barrier) {
	for i, b := range all {
		verifying := b.phase == Verify && i > 0 && all[i-1].phase == Verify
		if p.halted || p.cause != nil && !verifying {
			return
		}
		p.pass(ctx, b)
	}
}

// announce makes `started` durable before the first effect.
func (p *progress) announce(ctx context.Context) error {
	var entries []state.Entry
	for _, c := range p.run.Plan.Changes {
		if c.Status == Rotate {
			entries = append(entries, p.entry(c, state.Started, c.Reason))
		}
	}
	if err := p.run.Lease.Check(ctx); err != nil {
		return fmt.Errorf("before the first step: %w", err)
	}
	if err := p.run.Ledger.Append(ctx, entries...); err != nil {
		return fmt.Errorf("nothing was changed: the ledger does not take the start: %w", err)
	}
	return nil
}

// pass runs one barrier's batches.
func (p *progress) pass(ctx context.Context, b barrier) {
	inSwitch := b.phase == Stop || b.phase == Edit || b.phase == Start
	if ctx.Err() != nil && !(inSwitch && p.switching) && b.phase != Retire {
		p.interrupt(ctx, "before", b.phase)
		return
	}
	if inSwitch || b.phase == Retire {
		// From the first stop on, services are down: an interrupt waits until they are up again. And what is proven
		// is tidied up.
		p.switching = p.switching || inSwitch
		ctx = context.WithoutCancel(ctx)
	}
	todo := p.remaining(b)
	if len(todo) == 0 {
		return
	}
	if err := p.begin(context.WithoutCancel(ctx), b, todo); err != nil {
		p.halt(err)
		return
	}
	limit := p.run.Parallel
	if inSwitch || limit < 1 {
		limit = len(todo)
	}
	for len(todo) > 0 && !p.halted {
		reports := p.runBatches(ctx, todo, limit, b.phase)
		if err := p.record(ctx, todo, reports); err != nil {
			p.halt(err)
			return
		}
		if ctx.Err() != nil { // what was cut off says nothing about its target
			p.interrupt(ctx, "during", b.phase)
			break
		}
		todo = p.judge(b.phase, todo, reports)
	}
	p.run.Tell(Event{Kind: PhaseEnded, Phase: b.phase.String(), Time: p.run.Now()})
}

// interrupt ends the run. Until something was stopped everything is taken back; from then on the new values are live,
// and the next run proves them.
func (p *progress) interrupt(ctx context.Context, when string, phase Phase) {
	err := fmt.Errorf("interrupted %s %s: %w", when, phase, context.Cause(ctx))
	if p.switching {
		p.halt(err)
	} else if p.cause == nil {
		p.cause = err
	}
}

// remaining leaves out targets that were left behind, and proofs of what has failed already.
func (p *progress) remaining(b barrier) []batch {
	var todo []batch
	for _, t := range b.batches {
		if _, lost := p.left[t.target]; lost {
			continue
		}
		if b.phase == Verify {
			t.steps = slices.DeleteFunc(slices.Clone(t.steps), p.lost)
		}
		if len(t.steps) == 0 {
			continue
		}
		for i, s := range t.steps {
			if n, ok := s.Op.(Narrower); ok && len(p.left) > 0 {
				t.steps = slices.Clone(t.steps)
				t.steps[i].Op = n.Without(func(host string) bool { _, lost := p.left[Target{HostTarget, host}]; return lost })
			}
		}
		todo = append(todo, t)
	}
	return todo
}

// begin checks the lease and makes the steps' starts durable.
func (p *progress) begin(ctx context.Context, b barrier, todo []batch) error {
	if err := p.run.Lease.Check(ctx); err != nil {
		return fmt.Errorf("before %s: %w", b.phase, err)
	}
	_ = p.run.Lease.Doing(ctx, fmt.Sprintf("%s, %d to do", b.phase, len(todo))) // for readers only
	var entries []state.Entry
	for _, t := range todo {
		for _, s := range t.steps {
			entries = append(entries, p.stepEntries(s, state.Started, "")...)
			p.ran = append(p.ran, s)
		}
	}
	p.run.Tell(Event{Kind: PhaseBegan, Phase: b.phase.String(), Total: len(todo), Time: p.run.Now()})
	if err := p.run.Ledger.Append(ctx, entries...); err != nil {
		return fmt.Errorf("before %s: the ledger does not take the start: %w", b.phase, err)
	}
	return nil
}

// runBatches works on the targets in parallel.
func (p *progress) runBatches(ctx context.Context, todo []batch, limit int, phase Phase) [][]Report {
	reports := make([][]Report, len(todo))
	slots := make(chan struct{}, limit)
	var wg sync.WaitGroup
	for i, t := range todo {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			reports[i] = p.run.Site.Do(ctx, t.target, t.steps, p.run.Tell)
			e := Event{Kind: TargetDone, Phase: phase.String(), Target: t.target.String(), Time: p.run.Now()}
			for _, r := range reports[i] {
				if r.Err != nil {
					e.Err, e.Error = r.Err, r.Err.Error()
				}
			}
			if e.Err != nil && ctx.Err() != nil {
				return // cut off by an interrupt, which is told once
			}
			p.run.Tell(e)
		})
	}
	wg.Wait()
	return reports
}

func (p *progress) outcome() Outcome {
	o := Outcome{Halted: p.halted, Err: p.cause}
	for _, t := range p.order {
		o.Left = append(o.Left, p.left[t])
	}
	for _, c := range p.run.Plan.Changes {
		if c.Status != Rotate {
			continue
		}
		if p.recorded[c.Secret.Name] {
			o.Proven = append(o.Proven, Proven{Change: c, Evidence: p.evidence[c.Secret.Name], Outages: p.outages(c)})
		}
		for _, t := range c.Left {
			o.Left = append(o.Left, LeftBehind{Target: t, Why: fmt.Errorf("not reachable, tolerated by the policy"), Secrets: []string{c.Secret.Name}})
		}
	}
	if p.halted {
		return o
	}
	o.Undone = slices.Sorted(maps.Keys(p.failed))
	return o
}
