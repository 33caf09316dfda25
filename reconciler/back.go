package reconciler

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// turn decides what becomes of each secret after a failure. Those that failed go back, with all that share a swapped file
// with them, and those that are not live everywhere yet: nothing proves these. But what was begun and has no way back stays,
// and what shares a file with it stays with it: taking that file back would bring a dead value to life. These go forward to
// the end of the switch, so that no service stays down, and are proven if they can be. So are, last, those that are live and
// have nothing to do with the failure.
func (p *progress) turn(ctx context.Context) {
	own := map[string]error{} // failed by itself, not because of another
	for name, err := range p.failed {
		own[name] = err
	}
	p.spoil(ctx)
	ahead := p.ahead()
	var back, on []string
	for _, c := range p.rotating() {
		name := c.Secret.Name
		switch {
		case p.failed[name] == nil || p.ending[name] != "" || p.waiting(name):
		case ahead[name]:
			on = append(on, name)
		default:
			back = append(back, name)
		}
	}
	p.recordProven(ctx)
	ctx = context.WithoutCancel(ctx)
	if len(back) > 0 {
		p.undo(ctx, back)
	}
	if len(on) > 0 && !p.halted {
		p.goOn(ctx, on, own)
	}
	p.stand(ctx)
	p.recordProven(ctx)
	if !p.halted && !p.robbed && !slices.ContainsFunc(p.rotating(), func(c Change) bool { return p.inRound(c) && p.ending[c.Secret.Name] != state.Proven }) {
		p.cause = nil // what failed was done when it was tried again
	}
	if err := p.books.firstBack; err != nil {
		p.cause = fmt.Errorf("%w; and the undo failed: %w", p.cause, err)
		p.halted = true
	}
}

// stand tries the proofs of those that share the round with what failed, and nothing else. They come after the way back of the
// others, which may have stopped and started a service of theirs once more. One whose proof fails then goes back itself.
func (p *progress) stand(ctx context.Context) {
	var proofs []Step
	for _, s := range p.remaining(Round{p.all}.of(Verify)) {
		if !p.began(s) && slices.ContainsFunc(s.Secrets, func(r secret.Ref) bool { return p.failed[r.Name] == nil && p.ending[r.Name] == "" }) {
			proofs = append(proofs, s)
		}
	}
	if len(proofs) == 0 || p.halted || !p.begin(ctx, Verify, proofs, false) {
		return
	}
	first := p.cause
	p.cause = nil
	p.work(ctx, Verify, proofs, onward)
	if p.cause != nil && !p.halted && p.books.firstBack == nil { // else what is live must be looked at first
		p.turn(ctx)
	}
	if p.halted && p.cause != nil && p.books.firstBack == nil {
		first = fmt.Errorf("%w; and %w", first, p.cause)
	}
	p.cause = first
}

// spoil adds to the secrets that failed those that must share their fate. Before Verify these are all that are not live
// everywhere, and everything when no secret is the reason.
func (p *progress) spoil(ctx context.Context) {
	if !slices.ContainsFunc(p.ran, func(s *Step) bool { return s.Phase >= Verify }) {
		all := len(p.failed) == 0 || ctx.Err() != nil
		for _, c := range p.rotating() {
			if name := c.Secret.Name; p.failed[name] == nil && p.inRound(c) && (all || !p.live(name)) {
				p.failed[name] = p.cause
			}
		}
	}
	spread(p.whatRan(), Step.edits, func(name string) bool { return p.failed[name] != nil }, func(name string) { p.failed[name] = p.cause })
}

// live says that everything was done that makes a secret live in this round, but on targets that were left behind.
func (p *progress) live(name string) bool {
	return !slices.ContainsFunc(p.all, func(s Step) bool {
		_, left := p.left[s.Op.Target()]
		return s.Phase <= Switch && s.needs(name) && !p.done[s.ID] && !left
	})
}

// inRound says that this round has to do with the change.
func (p *progress) inRound(c Change) bool {
	return slices.ContainsFunc(p.all, func(s Step) bool { return s.needs(c.Secret.Name) })
}

// edits says that the step swaps a file.
func (s Step) edits() bool { return s.swaps() != "" }

// whatRan are the steps that were begun in this round, in order.
func (p *progress) whatRan() iter.Seq[Step] {
	return func(yield func(Step) bool) {
		for _, s := range p.ran {
			if !yield(*s) {
				return
			}
		}
	}
}

// spread carries a mark from secret to secret along those of the steps that join them.
func spread(steps iter.Seq[Step], joins func(Step) bool, marked func(string) bool, mark func(string)) {
	for again := true; again; {
		again = false
		for s := range steps {
			if !joins(s) || !slices.ContainsFunc(s.Secrets, func(r secret.Ref) bool { return marked(r.Name) }) {
				continue
			}
			for _, r := range s.Secrets {
				if !marked(r.Name) {
					mark(r.Name)
					again = again || marked(r.Name)
				}
			}
		}
	}
}

// ahead are the failed secrets that cannot go back: what has no way back was done, or nobody knows, or what works would not come
// up again. What was refused was not done. With them go those whose edits are in a file that they will yet swap, and those that share a service with them which
// starts only after that: on its way back another secret would start it with what is dead.
func (p *progress) ahead() map[string]bool {
	on := map[string]bool{}
	is := func(name string) bool { return on[name] }
	mark := func(name string) {
		if p.failed[name] != nil {
			on[name] = true
		}
	}
	for _, s := range p.ran {
		if len(p.stays) == 0 && (s.Back.kind != never || p.refused[s.ID]) {
			continue
		}
		for _, r := range s.Secrets {
			mark(r.Name)
		}
	}
	steps := (Round{p.all}).of(Switch)
	for known := -1; known != len(on); {
		known = len(on)
		spread(slices.Values(p.all), Step.edits, is, mark)
		behind := following(steps, func(s Step) bool {
			return s.edits() && !p.done[s.ID] && slices.ContainsFunc(s.Secrets, func(r secret.Ref) bool { return on[r.Name] })
		})
		spread(slices.Values(steps), func(s Step) bool { return behind[s.ID] }, is, mark)
	}
	return on
}

// wayBack is the way back from the steps that were taken. Constraints are between ops, so what all steps of the phase say
// holds here too. And on one target what was done later is taken back first, unless the ops themselves say otherwise.
func wayBack(taken []Step, prefix string, all ...Step) (steps []Step, order []link) {
	if all == nil {
		all = taken
	}
	after := map[string][]string{}
	for _, s := range all {
		after[s.ID] = s.After
	}
	ways := 0
	for _, s := range taken {
		if s.Back.Op != nil {
			ways++
		}
	}
	steps = make([]Step, 0, ways)
	index := make(map[string]int, ways)
	of := make(map[string]int, len(taken)) // from a forward id to its way back
	for _, s := range slices.Backward(taken) {
		if s.Back.Op == nil {
			continue
		}
		id := prefix + StepID(s.Phase, s.Back.Op)
		i, known := index[id]
		if !known {
			i = len(steps)
			index[id] = i
			steps = append(steps, Step{ID: id, Phase: s.Phase, Op: s.Back.Op, Back: Nothing(), After: after[id], Limit: s.Limit, undoes: true, spare: s.WasDown})
		}
		steps[i].Before = append(steps[i].Before, s.Before...)
		for _, r := range s.Secrets {
			if !slices.Contains(steps[i].Secrets, r) {
				steps[i].Secrets = append(steps[i].Secrets, r)
			}
		}
		of[s.ID] = i
	}
	order = links(steps)
	said := map[link]bool{}
	for _, l := range order {
		said[l] = true
	}
	for _, l := range links(taken) {
		a, b := taken[l.before], taken[l.after]
		i, ok := of[a.ID]
		j, also := of[b.ID]
		if ok && also && i != j && a.Op.Target() == b.Op.Target() && !said[link{i, j}] && !said[link{j, i}] {
			said[link{j, i}] = true
			order = append(order, link{j, i})
		}
	}
	for _, l := range order { // so that the steps alone say it
		if id := steps[l.before].ID; !slices.Contains(steps[l.after].After, id) {
			steps[l.after].After = append(slices.Clone(steps[l.after].After), id)
		}
	}
	return steps, order
}

// undo takes back what was begun for these secrets, the switch first. Then it proves that everything is as it was: an undo
// that nobody looked at is a claim.
func (p *progress) undo(ctx context.Context, names []string) {
	goes := func(s Step) bool { return slices.ContainsFunc(names, s.needs) }
	taken := func(phase Phase) []Step {
		var some []Step
		for s := range p.whatRan() {
			if s.Phase == phase && goes(s) {
				some = append(some, s)
			}
		}
		return append(some, p.awaits(phase, some)...)
	}
	total := 0
	for s := range p.whatRan() {
		if s.Back.Op != nil && goes(s) {
			total++
		}
	}
	p.run.Tell(Event{Kind: Undoing, Text: p.cause.Error(), Total: total, Time: p.run.Now()})
	p.books.failedBack, p.books.untriedBack = map[string]error{}, map[string]bool{}
	proofs := func(of func(Step) bool) []Step {
		return without(Round{p.all}.of(Verify), func(s Step) bool { return !goes(s) || p.notBack(s) || !of(s) })
	}
	p.passBack(ctx, Retire, taken(Retire))
	p.passBack(ctx, Switch, taken(Switch))
	p.passBack(ctx, Verify, proofs(func(s Step) bool { return p.switching && !p.accepted(s) }))
	p.passBack(ctx, Accept, taken(Accept))
	p.passBack(ctx, Verify, proofs(p.accepted))
	p.passBack(ctx, Prepare, taken(Prepare))
	for _, name := range names {
		if err := p.books.failedBack[name]; err != nil || p.halted {
			p.ending[name] = state.Unknown
			if err != nil {
				p.failed[name] = fmt.Errorf("%w; and it could not be put back: %w", p.failed[name], err)
			}
			continue
		}
		p.ending[name] = state.Back
		if !p.switching && !p.acceptedFor(name) {
			p.asBefore[name] = append(p.asBefore[name], p.nothingLive(name))
		}
		if p.earlier[name] {
			p.ending[name] = state.Ahead // of what an earlier round proved nothing was taken back
		}
	}
}

// awaits are those that wait for what some of these have started to be ready, and that were not begun: on its way back it is started again.
func (p *progress) awaits(phase Phase, some []Step) (all []Step) {
	started := map[string]bool{}
	for _, s := range some {
		if t, turns := s.Op.(Turning); turns && !t.Stops() {
			started[s.ID] = true
		}
	}
	for _, s := range (Round{p.all}).of(phase) {
		if s.Op.Target().Kind == APITarget && !p.began(s) && !s.Proof && s.Back.Op != nil && slices.ContainsFunc(s.After, func(id string) bool { return started[id] }) {
			all = append(all, s)
		}
	}
	return all
}

// NotInUse is how a secret ends of which a place was changed that nothing uses yet: the other one of two logins.
const NotInUse = "nothing that is in use was changed; what is to be used next was"

// nothingLive is what is said where no way back was needed.
func (p *progress) nothingLive(name string) string {
	if slices.ContainsFunc(p.ran, func(s *Step) bool {
		return s.Phase == Accept && !s.Proof && s.Back.Op == nil && !p.refused[s.ID] && s.needs(name)
	}) {
		return NotInUse
	}
	return "nothing live was changed"
}

// acceptedFor says that something live was changed for a secret before the switch, by a step that has a way back: what proves
// that everything is as it was comes after that.
func (p *progress) acceptedFor(name string) bool {
	return slices.ContainsFunc(p.ran, func(s *Step) bool { return s.Phase == Accept && s.Back.Op != nil && s.needs(name) })
}

// final says that something of a secret was begun in this round that has no way back.
func (p *progress) final(name string) bool {
	return slices.ContainsFunc(p.ran, func(s *Step) bool { return s.Back.kind == never && !p.refused[s.ID] && s.needs(name) })
}

// accepted says it of one of the step's secrets.
func (p *progress) accepted(s Step) bool {
	return slices.ContainsFunc(s.Secrets, func(r secret.Ref) bool { return p.acceptedFor(r.Name) })
}

// notBack says that of each of the step's secrets something was not even tried to be put back, because what it waits for could
// not be: nobody waits for a proof of that.
func (p *progress) notBack(s Step) bool {
	for _, r := range s.Secrets {
		if !p.books.untriedBack[r.Name] {
			return false
		}
	}
	return true
}

// began says that the step was begun in this round, whatever came of it.
func (p *progress) began(s Step) bool {
	_, begun := p.done[s.ID]
	return begun
}

// passBack does one phase of the way back. While the lease is held, services come up also when the ledger fails.
func (p *progress) passBack(ctx context.Context, phase Phase, taken []Step) {
	steps, _ := wayBack(taken, prefix(p.round), p.all...)
	if len(steps) == 0 || p.halted {
		return
	}
	for _, s := range steps {
		p.books.note(s, state.Started, "", "", nil)
	}
	p.writeSoon(ctx)
	p.work(ctx, phase, steps, backward)
}
