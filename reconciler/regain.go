package reconciler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"meshrotate/state"
)

// returning is the lease of a run on its way back. Where it is taken away and nobody has had it since, the run takes it anew: nobody
// else is at work, and services would stay down for want of it.
type returning struct {
	state.Lease
	regained *atomic.Bool
}

func (r returning) Check(ctx context.Context) error {
	err := r.Lease.Check(ctx)
	if !lostLease(err) || r.Regain(ctx) != nil {
		return err
	}
	r.regained.Store(true)
	return nil
}

// mayRegain lets the lease be taken anew from here on, for nothing that is new is begun. A run that has lost it in the
// switch, while services are down or cut off, goes back then, as after any failure.
func (p *progress) mayRegain(ctx context.Context) {
	if p.regained == nil {
		p.regained = new(atomic.Bool)
		p.run.Lease = returning{p.run.Lease, p.regained}
	}
	begun := func(phase Phase) bool {
		return slices.ContainsFunc(p.ran, func(s *Step) bool { return s.Phase == phase })
	}
	if !p.halted || !lostLease(p.cause) || !begun(Switch) || begun(Verify) || p.run.Lease.Check(ctx) != nil {
		return
	}
	p.halted = len(p.unknownAt) > 0
	p.tellRegained()
}

// tellRegained makes of the loss what it was: nobody else was at work.
func (p *progress) tellRegained() {
	if p.regained == nil || !p.regained.Swap(false) {
		return
	}
	p.robbed = true
	why := fmt.Errorf("on the way back the lock was lost: %w", errLockTaken)
	switch {
	case lostLease(p.cause):
		why = fmt.Errorf("%s; %w", p.cause, errLockTaken)
	case p.cause != nil:
		why = fmt.Errorf("%w; and %w", p.cause, why)
	}
	p.cause = Hinted(why, "whoever takes the lock of a living run away only makes it go back; to end a run, interrupt it")
	p.run.Tell(Event{Kind: Progressed, Time: p.run.Now(), Text: "the lock was taken away; this run has it again, only to bring up what it has stopped"})
}

var errLockTaken = errors.New("nobody else was at work, so this run took it anew, only to bring up what it had stopped")
