package reconciler

import (
	"context"
	"fmt"
	"slices"
	"time"

	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// span is from the first stop to the last return among the names, zero when nothing came back.
func (p *progress) span(names []string) (first, last time.Time) {
	for _, n := range names {
		down, up := p.down[n], p.up[n]
		if down.IsZero() || !up.After(down) {
			continue
		}
		if first.IsZero() || down.Before(first) {
			first = down
		}
		if up.After(last) {
			last = up
		}
	}
	return first, last
}

// undo takes back, in reverse order, every step that was begun for a secret that failed or that shares a file with one
// that did. A step that was begun and not done is taken back too: undo ops look before they act.
func (p *progress) undo(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	bad := func(r secret.Ref) bool { return p.failed[r.Name] != nil }
	var back []Step
	for _, s := range slices.Backward(p.ran) {
		if s.Undo == nil || !slices.ContainsFunc(s.Secrets, bad) {
			continue
		}
		s.Name, s.Op, s.Undo = "undo "+s.Name, s.Undo, nil
		back = append(back, s)
	}
	p.run.Tell(Event{Kind: Undoing, Text: p.cause.Error(), Total: len(back), Time: p.run.Now()})
	err := p.runBack(ctx, back)
	var entries []state.Entry
	for _, c := range p.run.Plan.Changes {
		if c.Status != Rotate || !bad(c.Secret) {
			continue
		}
		outcome, detail := state.Undone, p.cause.Error()
		if err != nil {
			outcome, detail = state.Failed, detail+"; undo failed: "+err.Error()
		}
		e := p.entry(c, outcome, detail)
		e.Outages = p.outages(c)
		entries = append(entries, e)
	}
	if lerr := p.run.Ledger.Append(ctx, entries...); lerr != nil && err == nil {
		err = fmt.Errorf("the ledger does not take the undo: %w", lerr)
	}
	if err != nil {
		p.cause = fmt.Errorf("%w; and the undo failed: %w", p.cause, err)
		p.halted = true
	}
}

// runBack runs undo steps, barrier by barrier. A target that fails does not keep the others down. One whose file could
// not be put back stays stopped: it must not run with another value than the rest.
func (p *progress) runBack(ctx context.Context, back []Step) error {
	var first error
	stuck := map[Target]bool{}
	for _, b := range backBarriers(back) {
		b.batches = slices.DeleteFunc(b.batches, func(t batch) bool { return stuck[t.target] })
		if err := p.run.Lease.Check(ctx); err != nil {
			return err
		}
		var entries []state.Entry
		for _, t := range b.batches {
			for _, s := range t.steps {
				entries = append(entries, p.stepEntries(s, state.Started, "")...)
			}
		}
		if err := p.run.Ledger.Append(ctx, entries...); err != nil {
			return err
		}
		reports := p.runBatches(ctx, b.batches, max(1, len(b.batches)), b.phase)
		if err := p.record(ctx, b.batches, reports); err != nil {
			return err
		}
		for i, t := range b.batches {
			for _, r := range reports[i] {
				p.clock(r)
				stuck[t.target] = stuck[t.target] || b.phase == Edit && r.Outcome != state.Done
				if _, left := p.left[t.target]; left && r.Unreachable {
					break // it was left behind, and the next run looks at it again
				}
				if r.Outcome != state.Done && first == nil {
					if first = r.Err; first == nil {
						first = fmt.Errorf("%s: no answer", t.target)
					}
				}
			}
		}
	}
	return first
}

// backBarriers cuts reversed steps: the same cut as forward, with each target's steps gathered in one batch.
func backBarriers(back []Step) []barrier {
	var all []barrier
	for _, s := range back {
		n := len(all)
		if n == 0 || all[n-1].phase != s.Phase || all[n-1].wave != s.Wave {
			all = append(all, barrier{phase: s.Phase, wave: s.Wave})
			n++
		}
		b := &all[n-1]
		i := slices.IndexFunc(b.batches, func(t batch) bool { return t.target == s.Op.Target() })
		if i < 0 {
			b.batches = append(b.batches, batch{target: s.Op.Target()})
			i = len(b.batches) - 1
		}
		b.batches[i].steps = append(b.batches[i].steps, s)
	}
	return all
}

// spoil adds to the secrets that failed those that must go back with them: those that share an edited file with one.
// A failure before Verify leaves nothing proven, so everything goes back.
func (p *progress) spoil() {
	spoilt := func(refs []secret.Ref) {
		for _, r := range refs {
			if p.failed[r.Name] == nil {
				p.failed[r.Name] = p.cause
			}
		}
	}
	if !slices.ContainsFunc(p.ran, func(s Step) bool { return s.Phase == Verify }) {
		for _, c := range p.run.Plan.Changes {
			if c.Status == Rotate {
				spoilt([]secret.Ref{c.Secret})
			}
		}
	}
	for n := -1; n != len(p.failed); {
		n = len(p.failed)
		for _, s := range p.ran {
			if s.Phase == Edit && slices.ContainsFunc(s.Secrets, func(r secret.Ref) bool { return p.failed[r.Name] != nil }) {
				spoilt(s.Secrets)
			}
		}
	}
}
