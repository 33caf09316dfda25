package rotationtest

import (
	"context"
	"errors"
	"slices"
	"sync"

	"meshrotate/reconciler"
	"meshrotate/state"
)

var errDead = errors.New("the process was killed")

// moment is when something happens to a run. The zero moment never comes.
type moment struct {
	step   string // see at
	after  bool   // after the step, not before it
	append int    // or: at the nth append to the ledger, from 1
	point  string // or: when the world says so
}

// at names a step, and a step of the way back apart from it.
func at(s reconciler.Step) string {
	if s.Undoes() {
		return "back " + s.ID
	}
	return s.ID
}

// plot is what is to happen to a run.
type plot struct {
	end moment
	// cancel is called when the moment comes, instead of the end.
	cancel context.CancelFunc
	// refute makes every proof fail without asking anybody, but not those of the way back.
	refute bool
}

// life is what a run lives through. When it ends, nothing that the run does has an effect any more: no step, no undo,
// no entry, no release, as after kill -9. What had been sent before still happens.
type life struct {
	plot
	// turn lets one target at a time work while a step's moment is to come, so that a kill leaves some targets done and others
	// not. It is a channel: a virtual clock goes on while somebody waits for it.
	turn chan struct{}

	mu      sync.Mutex
	dead    bool
	came    bool
	appends int
	undone  []string
}

func newLife(p plot) *life { return &life{plot: p, turn: make(chan struct{}, 1)} }

func (l *life) over() bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

// kill ends it, from outside.
func (l *life) kill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.came, l.dead = true, true
}

// lifeSite is the site as a process of this life sees it.
type lifeSite struct {
	reconciler.Site
	life *life
}

func (s lifeSite) Do(ctx context.Context, t reconciler.Target, steps []reconciler.Step, tell func(reconciler.Event)) []reconciler.Report {
	l := s.life
	l.note(steps)
	if l.refute && steps[0].Phase == reconciler.Verify && !steps[0].Undoes() {
		return []reconciler.Report{{Outcome: state.Failed, Err: errors.New("refuted")}}
	}
	if l.end.step == "" {
		if l.over() {
			return lost()
		}
		return s.Site.Do(ctx, t, steps, tell)
	}
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	if l.over() {
		return lost()
	}
	i := slices.IndexFunc(steps, func(s reconciler.Step) bool { return at(s) == l.end.step })
	if i < 0 {
		return s.Site.Do(ctx, t, steps, tell)
	}
	if l.cancel != nil {
		l.mu.Lock()
		l.came = true
		l.mu.Unlock()
		l.cancel()
		return s.Site.Do(ctx, t, steps, tell)
	}
	if l.end.after {
		i++
	}
	var reports []reconciler.Report
	if i > 0 {
		reports = s.Site.Do(ctx, t, steps[:i], tell)
	}
	l.kill()
	return append(reports, lost()...)
}

// Marker dies with the process, as the lease does: the dead renew nothing and remove nothing.
func (s lifeSite) Marker() reconciler.Marker {
	m := s.Site.Marker()
	if m == nil {
		return nil
	}
	return lifeMarker{m, s.life}
}

type lifeMarker struct {
	reconciler.Marker
	life *life
}

func (m lifeMarker) Acquire(ctx context.Context, h state.Holder, ours func(string) bool) (state.Lease, error) {
	if m.life.over() {
		return nil, errDead
	}
	l, err := m.Marker.Acquire(ctx, h, ours)
	return lifeMark{l, m.life}, err
}

func (m lifeMarker) Sign(ctx context.Context, h state.Holder) error {
	if m.life.over() {
		return errDead
	}
	return m.Marker.Sign(ctx, h)
}

type lifeMark struct {
	state.Lease
	life *life
}

func (l lifeMark) Doing(ctx context.Context, what string) error {
	if l.life.over() {
		return errDead
	}
	return l.Lease.Doing(ctx, what)
}

func (l lifeMark) Release(ctx context.Context) error {
	if l.life.over() {
		return nil
	}
	return l.Lease.Release(ctx)
}

// note keeps the names of undo steps.
func (l *life) note(steps []reconciler.Step) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, step := range steps {
		if step.Undoes() {
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
	l.appends++
	dead, now := l.dead, l.appends == l.end.append
	if now {
		l.came, l.dead = true, true
	}
	l.mu.Unlock()
	if dead || now && !l.end.after {
		return errDead
	}
	err := g.Ledger.Append(ctx, entries...)
	if now {
		return errDead
	}
	return err
}

// lifeLock gives leases that die with the process. Its heartbeat ends with the test.
type lifeLock struct {
	state.Lock
	process *process
}

func (k lifeLock) Acquire(ctx context.Context, h state.Holder) (state.Lease, error) {
	lease, err := k.Lock.Acquire(ctx, h)
	if err != nil {
		return nil, err
	}
	return lifeLease{lease, k.process}, nil
}

type lifeLease struct {
	state.Lease
	process *process
}

func (e lifeLease) Check(ctx context.Context) error {
	if e.process.life.over() {
		return errDead
	}
	return e.Lease.Check(ctx)
}

func (e lifeLease) Doing(ctx context.Context, what string) error {
	if e.process.life.over() {
		return errDead
	}
	return e.Lease.Doing(ctx, what)
}

// Release is not done by the dead: they hold their lease until it is broken. Its heartbeat must end before its folder goes.
func (e lifeLease) Release(ctx context.Context) error {
	if e.process.life.over() {
		e.process.t.Cleanup(func() { _ = e.Lease.Release(context.Background()) })
		return nil
	}
	return e.Lease.Release(ctx)
}
