package reconciler

import (
	"context"
	"slices"

	"meshrotate/state"
)

// goOn finishes the switch for secrets that cannot go back, and tries their proofs. What failed is tried once more, unless it
// has no way back, says Once, or would be refused again: what became of that is looked at by the next run, but for what was refused and so was not done.
// Nothing is done that was to follow such a step and cannot be taken back, and no file is swapped: what it says would not work, or
// nobody knows. Where a file of another secret could not be taken back, nothing starts that would read it: the others have the old one.
func (p *progress) goOn(ctx context.Context, names []string, own map[string]error) {
	goes := func(s Step) bool { return slices.ContainsFunc(names, s.needs) }
	var rest []Step
	var failed []string
	steps := (Round{p.all}).of(Switch)
	for _, name := range p.again(ctx, steps, goes) {
		if !slices.ContainsFunc(steps, func(s Step) bool { return s.needs(name) && p.began(s) && !p.done[s.ID] }) {
			delete(own, name) // what it failed for is done now
		}
	}
	behind := following(steps, func(s Step) bool {
		return p.began(s) && !p.done[s.ID] && s.Once && s.Back.kind == never
	})
	edited := map[Target]map[string]bool{} // by target on which a file could not be taken back: what follows one there
	for t := range p.mixed {
		edited[t] = following(steps, func(s Step) bool { return s.edits() && s.Op.Target() == t })
	}
	for _, s := range steps {
		switch {
		case !goes(s) || p.done[s.ID] || edited[s.Op.Target()][s.ID]:
		case p.began(s) && (s.Once || s.Back.kind == never || p.stays[s.ID]):
			failed = append(failed, s.ID)
		case behind[s.ID] && (s.edits() || s.Back.kind == never):
		default:
			rest = append(rest, s)
		}
	}
	for _, name := range names {
		p.ending[name] = state.Ahead
		if own[name] == nil {
			delete(p.failed, name) // another's failure says nothing about it; what fails from here on does
		}
	}
	if rest = p.remaining(rest); len(rest) > 0 && p.begin(ctx, Switch, rest, false) {
		p.work(ctx, Switch, rest, upward, failed...)
	}
	names = p.untouched(ctx, names)
	var proofs []Step
	for _, s := range p.remaining(Round{p.all}.of(Verify)) {
		if goes(s) {
			proofs = append(proofs, s)
		}
	}
	if len(proofs) > 0 && !p.halted && p.begin(ctx, Verify, proofs, false) {
		p.work(ctx, Verify, proofs, upward)
	}
	for _, name := range names {
		if p.failed[name] == nil {
			delete(p.ending, name) // proven, if every proof was given: recordProven says so
		}
	}
}

// untouched ends the secrets of which nothing live was changed, though they share a file or a service with what cannot go back:
// they are as before, which is proven. It returns the others.
func (p *progress) untouched(ctx context.Context, names []string) []string {
	same := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return p.earlier[name] || p.altered(name) || p.holdsUp(name) })
	if len(same) == 0 || p.halted {
		return names
	}
	goes := func(s Step) bool { return slices.ContainsFunc(same, s.needs) }
	var staged []Step
	for s := range p.whatRan() {
		if s.Phase == Prepare && goes(s) {
			staged = append(staged, s)
		}
	}
	p.books.failedBack, p.books.untriedBack = map[string]error{}, map[string]bool{}
	p.passBack(ctx, Verify, without(Round{p.all}.of(Verify), func(s Step) bool { return !goes(s) }))
	p.passBack(ctx, Prepare, staged)
	for _, name := range same {
		if p.failed[name] == nil {
			p.failed[name] = p.cause
		}
		if p.books.failedBack[name] == nil && !p.halted {
			p.ending[name] = state.Back
			p.asBefore[name] = append(p.asBefore[name], p.nothingLive(name))
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(same, name) })
}

// altered says that a step of the secret may have changed something that lives, other than to stop and start what has it.
func (p *progress) altered(name string) bool {
	return slices.ContainsFunc(p.ran, func(s *Step) bool {
		if _, turns := s.Op.(Turning); turns || !s.needs(name) || s.Phase == Prepare || s.Phase == Verify || p.refused[s.ID] {
			return false
		}
		return s.Back.kind == never || s.Back.Op != nil && s.Back.Op.Key() != s.Op.Key()
	})
}

// holdsUp says that a service of the secret was stopped and is not up again.
func (p *progress) holdsUp(name string) bool {
	return slices.ContainsFunc(p.all, func(s Step) bool {
		t, turns := s.Op.(Turning)
		return turns && !t.Stops() && s.needs(name) && !p.done[s.ID] && slices.ContainsFunc(p.ran, func(o *Step) bool {
			stop, turns := o.Op.(Turning)
			return turns && stop.Stops() && o.Op.Target() == s.Op.Target()
		})
	})
}

// again tries what has no way back and was refused: of several instances one may have been away. It says whose was.
func (p *progress) again(ctx context.Context, steps []Step, goes func(Step) bool) (names []string) {
	var some []Step
	for _, s := range steps {
		if goes(s) && p.refused[s.ID] && s.Back.kind == never {
			some = append(some, s)
			for _, ref := range s.Secrets {
				names = append(names, ref.Name)
			}
		}
	}
	if some = p.remaining(some); len(some) > 0 && p.begin(ctx, Switch, some, false) {
		p.work(ctx, Switch, some, upward)
	}
	return names
}

// following are the steps that wait for one of these, directly or not.
func following(steps []Step, of func(Step) bool) map[string]bool {
	behind := map[string]bool{}
	order := links(steps)
	for more := true; more; {
		more = false
		for _, l := range order {
			a, b := steps[l.before], steps[l.after]
			if !behind[b.ID] && (of(a) || behind[a.ID]) {
				behind[b.ID], more = true, true
			}
		}
	}
	return behind
}
