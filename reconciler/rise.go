package reconciler

import (
	"context"
	"slices"

	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// rise starts what a run has stopped that halts in the switch because nobody knows what became of one target: on the others it is
// known what there is. A service comes up with the file that it has; where what that says is dead, by a step without a way back, the
// file is swapped first. Whoever is not known is left alone, and is stopped as far as anybody knows.
func (p *progress) rise(ctx context.Context) {
	if !p.halted || lostLease(p.cause) || len(p.unknownAt) == 0 {
		return
	}
	var steps []Step
	starts := map[string]bool{}
	for _, s := range (Round{p.all}).of(Switch) {
		t := s.Op.Target()
		if p.done[s.ID] || t.Kind != HostTarget || p.unknownAt[t] || !p.clock.downAt(t) || p.stranded(t) {
			continue
		}
		turning, ok := s.Op.(Turning)
		start := ok && !turning.Stops()
		if start || s.edits() && p.forced(s) {
			steps = append(steps, s)
			starts[s.ID] = start
		}
	}
	for _, s := range (Round{p.all}).of(Switch) { // who waits for one of these to be ready says that it is
		if s.Op.Target().Kind == APITarget && !p.done[s.ID] && !s.Proof && s.Back.Op != nil && slices.ContainsFunc(s.After, func(id string) bool { return starts[id] }) {
			steps = append(steps, s)
		}
	}
	if len(steps) == 0 {
		return
	}
	for _, s := range steps {
		p.books.note(s, state.Started, "", "", nil)
	}
	p.writeSoon(ctx)
	p.halted = false
	p.work(ctx, Switch, steps, upward)
	p.halted = true
}

// forced says that a step without a way back is done for one of its secrets: what its target has without it is dead. What it brings
// of others is for the next run to finish.
func (p *progress) forced(s Step) bool {
	return p.finals(s, func(o Step) bool { return p.done[o.ID] })
}

// stranded says that a file of a target may be neither kept nor swapped: nobody knows whether a step without a way back was done for
// what is in it; or it was, and what is to replace it works only once another target has it.
func (p *progress) stranded(t Target) bool {
	return slices.ContainsFunc(p.all, func(s Step) bool {
		return s.Phase == Switch && s.Op.Target() == t && s.edits() && !p.done[s.ID] &&
			(p.finals(s, func(o Step) bool { return !p.done[o.ID] && !p.refused[o.ID] }) || p.forced(s) && p.behindSwap(s))
	})
}

// finals says it of one of the steps without a way back that were begun for a secret of this one.
func (p *progress) finals(s Step, is func(Step) bool) bool {
	return slices.ContainsFunc(p.ran, func(o *Step) bool {
		return o.Back.kind == never && o.Op.Target() != s.Op.Target() && is(*o) && slices.ContainsFunc(s.Secrets, func(r secret.Ref) bool { return o.needs(r.Name) })
	})
}
