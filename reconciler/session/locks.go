package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// both is the lock of the state and the marker on a host, as one lease.
type both struct{ lock, marker state.Lease }

func (b both) Fence() uint64 { return b.lock.Fence() }

func (b both) Check(ctx context.Context) error {
	if err := b.lock.Check(ctx); err != nil {
		return err
	}
	return b.marker.Check(ctx)
}

// Regain is for the lock: the marker must be ours still, so that no other state's run has begun.
func (b both) Regain(ctx context.Context) error {
	if err := b.marker.Check(ctx); err != nil {
		return err
	}
	return b.lock.Regain(ctx)
}

func (b both) Doing(ctx context.Context, what string) error {
	return errors.Join(b.lock.Doing(ctx, what), b.marker.Doing(ctx, what))
}

// Release gives back the marker first: who has the lock alone keeps nobody else away.
func (b both) Release(ctx context.Context) error {
	return errors.Join(b.marker.Release(ctx), b.lock.Release(ctx))
}

// holder is who runs this.
func (s *Session) holder(run string) state.Holder {
	user, host, _ := strings.Cut(s.By, "@")
	return state.Holder{Run: run, By: user, Host: host, Commit: s.Document.Origin.Commit}
}

// mark makes the marker that other states see, before the first step. That a marker is ours when this run dies is in the
// ledger before it is made: who copied the folder earlier does not know it.
func (s *Session) mark(ctx context.Context, v *View, lock state.Lease, run string) (state.Lease, error) {
	m := s.Site.Marker()
	if m == nil {
		return lock, nil
	}
	t := m.Read().Target()
	intent := state.Entry{Time: s.now().UTC(), Run: run, By: s.By, Commit: s.Document.Origin.Commit, Plan: v.Plan.Digest,
		Deployment: s.Document.Name, Fence: lock.Fence(), Step: "marker", Hosts: []string{t.Name}, Outcome: state.Started}
	if err := s.State.Ledger.Append(ctx, intent); err != nil {
		return nil, fmt.Errorf("the ledger does not take the start: %w", err)
	}
	h := s.holder(run)
	h.Started, h.Fence, h.PID = s.now().UTC(), lock.Fence(), s.PID
	marker, err := m.Acquire(ctx, h, v.History.Knows)
	if err != nil {
		return nil, err
	}
	err = s.stillTrue(ctx, v, t)
	if err == nil {
		err = m.Sign(ctx, h)
	}
	if err != nil {
		return nil, errors.Join(err, marker.Release(ctx))
	}
	return both{lock, marker}, nil
}

// stillTrue looks at the marker's host again: between the look and the marker another run may have come and gone.
func (s *Session) stillTrue(ctx context.Context, v *View, t reconciler.Target) error {
	for until := s.now().Add(againMost); ; {
		reached, err := v.Plan.Again(ctx, s.Site, v.in, s.Rotations, v.beside, t)
		if reached || s.now().After(until) || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(quiet):
		}
	}
}

// againMost is for how long a host is waited for that went silent after the look.
const againMost = time.Minute

// Survey is a Look for who has no lock. While another run has it, dead or alive, or the policy forbids changes now, no apply starts what
// is down.
func (s *Session) Survey(ctx context.Context) (*View, error) {
	v, err := s.Look(ctx)
	if err != nil || s.Document.Origin.Unagreed {
		return v, err
	}
	h, held, err := s.State.Lock.Current(ctx)
	if err != nil {
		return nil, fmt.Errorf("look at the lock of %s: %w", s.Document.Name, err)
	}
	if held && h.Damaged == "" && h.AtWork(s.now()) {
		v.Plan.Fleet = append(v.Plan.Fleet, reconciler.Finding{Severity: reconciler.Note, Code: "state-locked",
			Text: (&state.HeldError{Holder: h}).Error() + ": what is seen here may be of its making", Hint: "look again when it has ended"})
	}
	switch down := len(v.Plan.AllDown()) > 0; {
	case down && held && !h.Ended:
		v.Refused = &state.HeldError{Holder: h}
	case down && v.marked != nil:
		v.Refused = v.marked
	case len(v.Plan.Untouched()) > 0: // who is cut off while another run is at work is of its making
		v.Refused = s.glass(v)
	}
	if v.Refused != nil {
		v.Plan.StartsNothing(reconciler.HintOf(v.Refused))
	}
	return v, nil
}

// others is the error about another state's run that the look saw at work, nil without any. Where nothing is to be done it
// is in nobody's way.
func (v *View) others() error {
	held := v.marked
	if held == nil || v.Plan.Empty() && len(v.Plan.Blocked()) == 0 {
		return nil
	}
	return held
}

// giveBack ends the lease, and says what should not go unsaid.
func (s *Session) giveBack(ctx context.Context, lease state.Lease, done *Applied, err error) error {
	e := lease.Release(context.WithoutCancel(ctx))
	// A lease that was lost is somebody else's: what the run did is the news, not this. And who had nothing to do lost nothing
	// by it.
	var lost *state.LostError
	switch {
	case e == nil || errors.As(e, &lost) && done != nil && done.Run == "":
		return err
	case err == nil && (done == nil || done.Outcome.Err == nil):
		return fmt.Errorf("done, but the lock was not given back: %w", e)
	case err == nil && lost == nil: // the report says it: how the run ended may be on this machine alone
		first := done.Outcome.Err
		hints := slices.DeleteFunc([]string{reconciler.HintOf(first), reconciler.HintOf(e)}, func(h string) bool { return h == "" })
		done.Outcome.Err = reconciler.Hinted(fmt.Errorf("%w; and the lock was not given back: %w", first, e), strings.Join(slices.Compact(hints), "; "))
	case lost == nil && s.Tell != nil:
		s.Tell(reconciler.Event{Kind: reconciler.Progressed, Time: s.now(), Text: "the lock was not given back: " + e.Error()})
	}
	return err
}
