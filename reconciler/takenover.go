package reconciler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"meshrotate/state"
)

// stillOurs asks for the lease once more at the end of a run that leaves something unsettled: it may have been suspended, and what it
// would tell as a fact is somebody else's by now.
func (p *progress) stillOurs(ctx context.Context) {
	if p.cause == nil && !p.halted && len(p.left) == 0 && len(p.clock.stillDown()) == 0 {
		return
	}
	if err := p.run.Lease.Check(context.WithoutCancel(ctx)); lostLease(err) && !lostLease(p.cause) {
		p.halt(fmt.Errorf("at the end: %w", err))
	}
	p.clock.lost = lostLease(p.cause)
}

// since says whether another run has taken over, "" when the lease was not lost.
func (p *progress) since() string {
	var lost *state.LostError
	switch {
	case !errors.As(p.cause, &lost):
		return ""
	case lost.Holder.Fence != 0:
		return "another run has taken over since"
	}
	return "another run may have taken over since"
}

const ownRecords = "this is by this run's own records: "

// askCutOff asks once more for those that should be cut off by what was done: somebody else may have seen to them, or Admin may work
// with what they have though it never said that it is ready.
func (p *progress) askCutOff(ctx context.Context, o *Outcome) {
	cut := slices.DeleteFunc(slices.Clone(o.Down), func(d Down) bool { return !d.CutOff })
	if len(cut) == 0 {
		return
	}
	seen := p.run.Site.Running(context.WithoutCancel(ctx), cut)
	o.Down = slices.DeleteFunc(o.Down, func(d Down) bool { return d.CutOff && !seen.Up[d.What].IsZero() })
	for i, d := range o.Down {
		o.Down[i].Unsure = d.Unsure || d.CutOff && slices.Contains(seen.Missing, d.What)
	}
}

// byRecord marks what a run that has lost its lease tells from its own records: nobody knows what another one has done since.
func (p *progress) byRecord(o *Outcome) {
	if o.ByRecord = p.since(); o.ByRecord == "" {
		return
	}
	recorded := func(why error) error { return fmt.Errorf("%w; %s%s", why, ownRecords, o.ByRecord) }
	for i, d := range o.Down {
		if !d.Found {
			o.Down[i].Why = recorded(cmp.Or(d.Why, errStopped))
		}
	}
	for i, l := range o.Left {
		o.Left[i].Why = recorded(l.Why)
	}
}

var errStopped = errors.New("it was stopped, and the lock was lost before it was started")
