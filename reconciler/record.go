package reconciler

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"meshrotate/state"
)

// entry is a line of the ledger about a rotation as a whole.
func (p *progress) entry(c Change, o state.Outcome, detail string) state.Entry {
	return state.Entry{
		Time: p.run.Now().UTC(), Run: p.run.ID, By: p.run.By, Commit: p.run.Plan.Commit, Plan: p.run.Plan.Digest,
		Fence: p.run.Lease.Fence(), Secret: c.Secret.Name, Version: c.Secret.Version, Before: c.Before,
		Outcome: o, Detail: detail,
	}
}

// stepEntries are a step's lines: one for each secret that needs it.
func (p *progress) stepEntries(s Step, o state.Outcome, detail string) []state.Entry {
	var entries []state.Entry
	for _, ref := range s.Secrets {
		e := state.Entry{
			Time: p.run.Now().UTC(), Run: p.run.ID, Fence: p.run.Lease.Fence(), Secret: ref.Name, Version: ref.Version,
			Step: s.Name, Outcome: o, Detail: detail,
		}
		if t := s.Op.Target(); t.Kind == HostTarget {
			e.Host = t.Name
		}
		entries = append(entries, e)
	}
	return entries
}

// record makes the outcomes of a barrier durable.
func (p *progress) record(ctx context.Context, todo []batch, reports [][]Report) error {
	var entries []state.Entry
	for i, t := range todo {
		for j, s := range t.steps {
			if j >= len(reports[i]) || reports[i][j].Outcome == "" {
				continue // not tried
			}
			r := reports[i][j]
			detail := r.Evidence
			if r.Err != nil {
				detail = r.Err.Error()
			}
			entries = append(entries, p.stepEntries(s, r.Outcome, detail)...)
		}
	}
	if err := p.run.Ledger.Append(context.WithoutCancel(ctx), entries...); err != nil {
		return fmt.Errorf("the ledger does not take what happened: %w", err)
	}
	return nil
}

// recordProven writes `done` for every rotation that was proven, before anything old is removed.
func (p *progress) recordProven(ctx context.Context) {
	if p.halted {
		return
	}
	var entries []state.Entry
	proven := map[string]bool{}
	for _, c := range p.run.Plan.Changes {
		if c.Status != Rotate || !p.proven(c) {
			continue
		}
		e := p.entry(c, state.Done, strings.Join(p.evidence[c.Secret.Name], "; "))
		e.Outages = p.outages(c)
		for _, l := range p.left {
			if slices.Contains(l.Secrets, c.Secret.Name) {
				e.Left = append(e.Left, l.Target.Name)
			}
		}
		for _, t := range c.Left {
			e.Left = append(e.Left, t.Name)
		}
		slices.Sort(e.Left)
		entries = append(entries, e)
		proven[c.Secret.Name] = true
	}
	if err := p.run.Ledger.Append(context.WithoutCancel(ctx), entries...); err != nil {
		p.halt(fmt.Errorf("the rotation is proven, but the ledger does not take it: %w", err))
		return
	}
	p.recorded = proven
}

// outages compares what was measured with what the change predicted. A fleet's outage runs from the first stop to the
// last return.
func (p *progress) outages(c Change) []state.Outage {
	var all []state.Outage
	for _, predicted := range c.Outages {
		o := state.Outage{What: predicted.What, Predicted: predicted.Predicted, Members: predicted.Members}
		var each []state.Outage
		for _, name := range predicted.Members {
			if down, up := p.down[name], p.up[name]; !down.IsZero() && up.After(down) {
				each = append(each, state.Outage{What: name, Measured: up.Sub(down).Seconds()})
			}
		}
		first, last := p.span(predicted.Members)
		o.Measured = last.Sub(first).Seconds()
		o.Members = nil
		if first.IsZero() {
			continue
		}
		all = append(all, o)
		if len(predicted.Members) > 1 {
			all = append(all, each...)
		}
	}
	return all
}
