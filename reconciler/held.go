package reconciler

import (
	"errors"
	"fmt"
	"slices"
)

// restorable leaves out files that may not be taken back, because on another target something goes on that had to stop before:
// whoever is down here comes up with what that has.
func (w *worker) restorable(steps []Step) []Step {
	return without(steps, func(s Step) bool {
		held := s.edits() && slices.ContainsFunc(s.After, func(id string) bool {
			t, ok := w.targets[id]
			return ok && t != s.Op.Target() && !w.done[id]
		})
		if held {
			w.skip([]Step{s})
		}
		return held
	})
}

// startable leaves out what may not come without a step that was to be done before it on its target, and was not.
func (w *worker) startable(steps []Step) []Step {
	return without(steps, func(s Step) bool {
		if len(w.spared) > 0 && s.Op.Target().Kind == APITarget && w.before.any(s, func(o Step) bool { return slices.Contains(w.spared, o.ID) }) {
			return true // nobody is there to answer
		}
		if w.toward == upward && (w.behindSwap(s) || w.behindNever(s)) {
			w.dropped[s.Op.Target()] = true
			return true
		}
		if w.staysDown(s, steps) {
			w.spared = append(w.spared, s.ID)
			w.heldDown = append(w.heldDown, s.Op.Target())
			return true
		}
		vital, missing := w.missing(s, steps)
		if missing {
			w.skip([]Step{s})
			why := "what it has is no longer valid"
			if vital.Back.kind != never && !among(w.undone[s.Op.Target()], vital.ID) {
				why = "nobody knows whether what it has is still valid"
			}
			w.clock.because(s.Op.Target(), fmt.Errorf("it was not started, because %s, and %q was not done", why, vital.Op.Key()))
		}
		return missing
	})
}

// behindSwap says that the step swaps a file which was to follow another target's, and that one was not swapped: what it says would
// not work.
func (p *progress) behindSwap(step Step) bool {
	return step.edits() && p.before.any(step, func(s Step) bool {
		return s.edits() && s.Op.Target() != step.Op.Target() && !p.done[s.ID]
	})
}

// behindNever says that the step swaps a file which was to follow what has no way back, and that was not done: what the file says now would
// not work yet, and who needs it comes up with what it has, or not at all.
func (p *progress) behindNever(step Step) bool {
	return step.edits() && slices.ContainsFunc(p.all, func(s Step) bool {
		return s.Back.kind == never && !s.edits() && !p.done[s.ID] && slices.Contains(step.After, s.ID)
	})
}

var errStaysDown = errors.New("it was down before, and what it has is no longer valid, or may not run beside what the others have")

// staysDown says of a start that the service was down before, and that a step is not done, or was taken back, without which it
// does not start. Who is in the same batch is tried first.
func (w *worker) staysDown(start Step, batch []Step) bool {
	down := start.spare || w.before.wasDown[start.ID]
	return down && w.before.any(start, func(s Step) bool {
		return s.Needed && !among(batch, s.ID) && (!w.done[s.ID] || w.toward == backward && s.Back.kind != never)
	})
}

// missing says which vital step comes before this one, and was not done: one that was begun, or that has no way back from the outset,
// as what its target has is dead already; or that waits for a step without a way back whose end nobody knows, so that it may be dead.
// Who is in the same batch is tried first.
func (p *progress) missing(step Step, batch []Step) (vital Step, missing bool) {
	if !p.before.vital {
		return Step{}, false
	}
	doubted := p.doubted()
	missing = p.before.any(step, func(s Step) bool {
		vital = s
		return s.Vital && s.Op.Target() == step.Op.Target() && !p.done[s.ID] && !among(batch, s.ID) &&
			(s.Back.kind == never || among(p.undone[s.Op.Target()], s.ID) || doubted[s.ID])
	})
	return vital, missing
}

// doubted are the steps that wait for one without a way back of which nobody knows whether it was done.
func (p *progress) doubted() map[string]bool {
	var ids []string
	for _, s := range p.ran {
		if s.Back.kind == never && !p.done[s.ID] && !p.refused[s.ID] {
			ids = append(ids, s.ID)
		}
	}
	return p.before.waitFor(ids)
}

func among(steps []Step, id string) bool {
	return slices.ContainsFunc(steps, func(s Step) bool { return s.ID == id })
}

// skip notes steps of the way back that are not tried, because something that they wait for could not be taken back.
func (w *worker) skip(steps []Step) {
	if w.toward != backward {
		return
	}
	w.untried(steps, errNotTried)
	for _, s := range steps {
		for _, r := range s.Secrets {
			w.books.untriedBack[r.Name] = true
		}
	}
}

var errNotTried = errors.New("what it waits for could not be taken back")
