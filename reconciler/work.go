package reconciler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"meshrotate/state"
)

// direction is what work is for.
type direction int

const (
	onward   direction = iota // the first failure that is not its target's own ends it
	upward                    // the same for what cannot go back: a failure ends nothing, and who is down comes up
	backward                  // who is down comes up; who runs is not touched after a failure of what it waits for
)

// answer is what became of a block.
type answer struct {
	block   int
	reports []Report
	lease   error // the lease was lost: nothing was done
}

// worker passes blocks, each as soon as those that it waits for have ended.
type worker struct {
	*progress
	phase    Phase
	toward   direction
	blocks   []block
	waits    []int
	next     [][]int
	ready    []int
	broken   map[int]bool // blocks that failed, or were not tried because another did
	behind   map[int]bool // blocks with a step that waits for one which failed before this work began
	running  int
	parallel int
	rest     map[Target]int    // blocks of a target that have not ended
	targets  map[string]Target // of the steps
	queue    chan sent         // hosts' blocks, until their turn comes
	answers  chan answer
}

// sent is a block that is on its way to its target. More: another of that target is to come.
type sent struct {
	block int
	more  bool
}

// work does steps of one phase. It returns when nothing of it runs any more.
// What waits for one of the failed steps, which are not tried again, waits for something that failed.
func (p *progress) work(ctx context.Context, phase Phase, steps []Step, toward direction, failed ...string) {
	blocks, _ := arrange(steps, links(steps)) // the plan was refused if it had no order
	w := &worker{progress: p, phase: phase, toward: toward, blocks: blocks, waits: make([]int, len(blocks)),
		next: make([][]int, len(blocks)), broken: map[int]bool{}, behind: map[int]bool{}, parallel: p.run.Parallel, rest: map[Target]int{}, targets: map[string]Target{}, queue: make(chan sent, len(blocks)), answers: make(chan answer, len(blocks))}
	if toward == backward {
		for _, s := range steps {
			w.targets[s.ID] = s.Op.Target()
		}
	}
	if phase == Switch || w.parallel < 1 {
		w.parallel = len(blocks)
	}
	waits := p.before.waitFor(failed)
	for i, b := range blocks {
		w.rest[b.target]++
		w.behind[i] = slices.ContainsFunc(b.steps, func(s Step) bool { return waits[s.ID] })
		w.broken[i] = w.behind[i]
		if w.waits[i] = len(b.deps); w.waits[i] == 0 {
			w.ready = append(w.ready, i)
		}
		for _, d := range b.deps {
			w.next[d] = append(w.next[d], i)
		}
	}
	w.slowestFirst(w.ready)
	go w.admit(ctx)
	w.loop(ctx)
	close(w.queue)
	p.halted = p.halted || p.unheard
}

func (w *worker) loop(ctx context.Context) {
	for {
		for len(w.ready) > 0 && w.running < w.parallel && w.mayStart(ctx) {
			i := w.ready[0]
			w.ready = w.ready[1:]
			w.start(ctx, i)
		}
		if w.running == 0 {
			if len(w.ready) > 0 && ctx.Err() != nil && w.cause == nil && !w.halted { // before anything of it was begun
				w.interrupt(ctx, "during", w.phase)
			}
			return
		}
		a := <-w.answers
		w.running--
		w.hear(ctx, a)
	}
}

// mayStart says whether anything more is begun. In Verify that one secret failed says nothing about the others.
func (w *worker) mayStart(ctx context.Context) bool {
	return !w.halted && ctx.Err() == nil && (w.cause == nil || w.phase == Verify || w.toward != onward)
}

// start sends a block to its target, without the steps that need no longer be tried.
func (w *worker) start(ctx context.Context, i int) {
	b := w.blocks[i]
	if w.blocked(i) {
		w.broken[i] = true
		w.skip(b.steps)
		b.steps = nil
	}
	switch {
	case w.toward == backward && w.excused[b.target]:
		b.steps = nil
	case w.toward == backward && len(w.stuck) == 0:
		b.steps = w.restorable(b.steps)
	case w.toward == backward:
		b.steps = w.narrowed(w.restorable(b.steps), func(t Target) bool { return w.stuck[t] }) // who was left behind is tried all the same
	default:
		b.steps = w.remaining(b.steps)
	}
	b.steps = w.startable(b.steps)
	if len(b.steps) == 0 {
		w.release(i)
		return
	}
	w.blocks[i].steps = b.steps
	w.running++
	s := sent{i, w.rest[b.target] > 1}
	if b.target.Kind == HostTarget {
		w.queue <- s
		return
	}
	go w.pass(ctx, s, func(error) {})
}

// admit lets hosts in as their turns come. Ten thousand that wait have no goroutines.
func (w *worker) admit(ctx context.Context) {
	for s := range w.queue {
		leave, err := w.run.Site.Enter(ctx, w.blocks[s.block].target, w.phase)
		if err != nil { // nothing was sent
			w.answers <- answer{block: s.block, reports: []Report{{Outcome: state.Failed, Err: err}}}
			continue
		}
		go w.pass(ctx, s, leave)
	}
}

// pass does a block whose turn has come, while the lease is ours. What it has on its stack while it waits, thousands have.
func (w *worker) pass(ctx context.Context, s sent, leave func(error)) {
	a := answer{block: s.block}
	if a.lease = w.run.Lease.Check(context.WithoutCancel(ctx)); a.lease == nil {
		a.reports = w.do(ctx, &w.blocks[s.block])
		w.tellDone(ctx, &w.blocks[s.block], a.reports, s.more)
	}
	leave(errors.Join(a.lease, errorOf(a.reports)))
	w.answers <- a
}

// errorOf is what went wrong in a block.
func errorOf(reports []Report) (err error) {
	for i := range reports {
		err = errors.Join(err, reports[i].Err)
	}
	return err
}

// do lets a block be done: by the site, or by the person who has done it.
func (w *worker) do(ctx context.Context, b *block) []Report {
	if b.target.Kind == PersonTarget {
		return w.run.asked(b.steps)
	}
	return w.run.Site.Do(withLease(ctx, w.run.Lease), b.target, b.steps, w.run.Tell)
}

// blocked says that a block is not tried because another that it waits for failed. On the way back, and where services only
// have to come up, whoever was stopped comes up all the same; on the way back not where its own target failed: then its file
// is not known.
func (w *worker) blocked(i int) bool {
	b := w.blocks[i]
	if w.phase == Verify && w.toward != backward {
		return false // a proof that failed says nothing about another secret's
	}
	if w.toward == upward && w.behind[i] && b.target.Kind == HostTarget && !w.clock.downAt(b.target) {
		return true // a host that is up is not touched for the sake of what failed
	}
	for _, d := range b.deps {
		if !w.broken[d] {
			continue
		}
		if w.blocks[d].target == b.target && w.toward != upward || w.toward != onward && !w.clock.downAt(b.target) {
			return true
		}
	}
	return false
}

func (w *worker) release(i int) {
	w.rest[w.blocks[i].target]--
	from := len(w.ready)
	for _, j := range w.next[i] {
		if w.waits[j]--; w.waits[j] == 0 {
			w.ready = append(w.ready, j)
		}
	}
	w.slowestFirst(w.ready[from:])
}

// slowestFirst sorts blocks by how long their targets took last. Who takes long is not also to begin late.
func (w *worker) slowestFirst(ready []int) {
	if len(ready) > 1 && len(w.slow) > 0 {
		slices.SortStableFunc(ready, func(i, j int) int { return cmp.Compare(w.slow[w.blocks[j].target], w.slow[w.blocks[i].target]) })
	}
}

// hear takes the answer of a block.
func (w *worker) hear(ctx context.Context, a answer) {
	b := w.blocks[a.block]
	if a.lease != nil {
		if lost := new(state.LostError); !errors.As(w.cause, &lost) { // it is lost for all targets, and said once
			w.halt(fmt.Errorf("before %s: %w", w.phase, a.lease))
		}
		w.halted = true
		return
	}
	w.noteRan(b, a.reports)
	w.noteReports(b, a.reports)
	w.lostFirst(ctx, a.reports)
	if ctx.Err() != nil { // what was cut off says nothing about its target
		if w.cause == nil && !w.halted {
			w.interrupt(ctx, "during", w.phase)
		}
		return
	}
	untried, failed := w.judge(w.phase, b, a.reports, w.toward)
	w.broken[a.block] = w.broken[a.block] || failed
	if len(untried) > 0 {
		w.blocks[a.block].steps = untried
		w.ready = append(w.ready, a.block)
		return
	}
	if w.toward == backward && w.phase == Switch {
		w.stuck[b.target] = w.stuck[b.target] || failed
	}
	w.release(a.block)
}

// noteRan remembers what was begun: what was tried, and everything after an answer that is missing or not known.
func (w *worker) noteRan(b block, reports []Report) {
	ended, unknown := false, false // the batch had ended; nobody knows how far it came
	for j := range b.steps {
		s := &b.steps[j]
		var r Report
		if j < len(reports) {
			r = reports[j]
		}
		unknown = unknown || r.Further || !ended && (r.Outcome == state.Unknown || r.Outcome == "")
		if ended && !unknown {
			return
		}
		ended = ended || r.Outcome != state.Done
		for _, r := range s.Secrets {
			w.begun[r.Name] = true
		}
		if w.toward != backward {
			if w.ran == nil {
				w.ran = make([]*Step, 0, len(w.all))
			}
			w.ran = append(w.ran, s)
		}
		if s.Phase == Switch && r.Outcome != state.Failed {
			w.touched[b.target] = true
			w.swapped[b.target] = w.swapped[b.target] || w.toward != backward && s.swaps() != ""
		}
		if r.Stays && w.toward != backward {
			w.stays[s.ID] = true
		}
		if s.Vital && r.Outcome != state.Done {
			w.undone[b.target] = append(w.undone[b.target], *s)
		}
		w.done[s.ID] = r.Outcome == state.Done
		if r.Outcome == state.Failed && r.Refused {
			w.refused[s.ID] = true
		} else {
			delete(w.refused, s.ID)
		}
	}
}

// lostFirst asks for the lease when the end of a batch is not known: a process that was suspended finds its connections dead, and that
// another has taken over meanwhile is the cause that counts.
func (w *worker) lostFirst(ctx context.Context, reports []Report) {
	if w.cause != nil || !slices.ContainsFunc(reports, func(r Report) bool { return r.Outcome != state.Done && !r.Refused && !lostLease(r.Err) }) {
		return
	}
	if err := w.run.Lease.Check(context.WithoutCancel(ctx)); lostLease(err) {
		w.halt(fmt.Errorf("during %s: %w", w.phase, err))
	}
}

func (w *worker) tellDone(ctx context.Context, b *block, reports []Report, more bool) {
	e := Event{Kind: TargetDone, Phase: w.phase.String(), Target: b.target.String(), More: more, Time: w.run.Now()}
	for _, r := range reports {
		if r.Err != nil && !r.Waits {
			e.Err, e.Error = r.Err, r.Err.Error()
		}
	}
	if e.Err != nil && ctx.Err() != nil {
		return // cut off by an interrupt, which is told once
	}
	w.run.Tell(e)
}

type leaseKey struct{}

func withLease(ctx context.Context, l state.Lease) context.Context {
	return context.WithValue(ctx, leaseKey{}, l)
}

// StillOurs fails with a *state.LostError when the lease of the run that a site works for is lost. A site asks before it sends
// anything once more: what somebody else has done since is not to be undone by a late try.
func StillOurs(ctx context.Context) error {
	l, ok := ctx.Value(leaseKey{}).(state.Lease)
	if !ok {
		return nil
	}
	return l.Check(context.WithoutCancel(ctx))
}
