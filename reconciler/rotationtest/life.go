package rotationtest

import (
	"context"
	"errors"
	"strings"
	"sync"

	"meshrotate/reconciler"
	"meshrotate/state"
)

var errDead = errors.New("the process was killed")

// moment is when something happens to a run. The zero moment never comes.
type moment struct {
	step   string // name and target, see at
	after  bool   // after the step, not before it
	append int    // or: at the nth append to the ledger, from 1
}

func at(s reconciler.Step) string { return s.Name + " on " + s.Op.Target().String() }

// life is what a run lives through. When it ends, nothing that the run does has an effect any more: no step, no undo,
// no entry, no release, as after kill -9. What had been sent before still happens.
type life struct {
	end moment
	// cancel is called when the moment comes, instead of the end.
	cancel context.CancelFunc
	// refute makes every step of Verify fail without asking anybody.
	refute bool

	mu      sync.Mutex
	dead    bool
	came    bool
	appends int
	undone  []string
}

func (l *life) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

// lifeSite does the steps of one target at a time when a moment is to come, so that a kill leaves some targets done and others not.
type lifeSite struct {
	reconciler.Site
	life *life
}

func (s lifeSite) Do(ctx context.Context, t reconciler.Target, steps []reconciler.Step, tell func(reconciler.Event)) []reconciler.Report {
	l := s.life
	l.note(steps)
	if l.refute && steps[0].Phase == reconciler.Verify {
		return []reconciler.Report{{Outcome: state.Failed, Err: errors.New("refuted")}}
	}
	if l.end.step == "" {
		if l.over() {
			return lost()
		}
		return s.Site.Do(ctx, t, steps, tell)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return lost()
	}
	for i, step := range steps {
		if at(step) != l.end.step {
			continue
		}
		l.came = true
		if l.cancel != nil {
			l.cancel()
			break
		}
		if l.end.after {
			i++
		}
		var reports []reconciler.Report
		if i > 0 {
			reports = s.Site.Do(ctx, t, steps[:i], tell)
		}
		l.dead = true
		return append(reports, lost()...)
	}
	return s.Site.Do(ctx, t, steps, tell)
}

// note keeps the names of undo steps.
func (l *life) note(steps []reconciler.Step) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, step := range steps {
		if strings.HasPrefix(step.Name, "undo ") {
			l.undone = append(l.undone, at(step))
		}
	}
}

func lost() []reconciler.Report {
	return []reconciler.Report{{Outcome: state.Unknown, Err: errDead}}
}

type lifeLedger struct {
	state.Ledger
	life *life
}

func (g lifeLedger) Append(ctx context.Context, entries ...state.Entry) error {
	l := g.life
	l.mu.Lock()
	defer l.mu.Unlock()
	l.appends++
	if l.dead {
		return errDead
	}
	if l.appends != l.end.append {
		return g.Ledger.Append(ctx, entries...)
	}
	l.came, l.dead = true, true
	if l.end.after {
		_ = g.Ledger.Append(ctx, entries...)
	}
	return errDead
}

type lifeLease struct {
	state.Lease
	life *life
}

func (e lifeLease) Check(ctx context.Context) error {
	if e.life.over() {
		return errDead
	}
	return e.Lease.Check(ctx)
}

func (e lifeLease) Doing(ctx context.Context, what string) error {
	if e.life.over() {
		return errDead
	}
	return e.Lease.Doing(ctx, what)
}
