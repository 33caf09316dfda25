package state

import (
	"context"
	"fmt"
	"time"
)

// Lock lets one run at a time change a deployment. Implementations pass statetest.Lock.
type Lock interface {
	// Acquire takes the lease, or fails with *HeldError. A lease whose holder is known to be dead, or whose heartbeat
	// is older than its time to live, is taken over with a higher fence. Heartbeat and Fence of holder are ignored.
	Acquire(ctx context.Context, holder Holder) (Lease, error)
	// Current returns the present holder, be it alive or dead, or what is known of a damaged lease; ok is false when nobody
	// holds it.
	Current(ctx context.Context) (holder Holder, ok bool, err error)
	// Break removes the lease of the given fence, whoever holds it, and fails when that is not the present one. The
	// holder stops before its next effect. Fence 0 is that of a lease that cannot be read, and of no other.
	Break(ctx context.Context, fence uint64) error
}

// Lease is a held lock. It renews itself until released.
type Lease interface {
	// Fence grows with every acquisition.
	Fence() uint64
	// Check fails with *LostError when the lease is no longer ours. Call it before each effect.
	Check(ctx context.Context) error
	// Regain takes a lease anew that was taken away, where nobody has had one since: nobody holds it, and no higher fence was given out.
	// It fails otherwise, also when nobody can say, and does nothing to a lease that is ours.
	Regain(ctx context.Context) error
	// Doing records what the holder is at, for whoever finds the lease.
	Doing(ctx context.Context, what string) error
	// Release gives it back, also when ctx is done already: an interrupted run has to. Releasing a lost lease is an
	// error and harms nobody.
	Release(ctx context.Context) error
}

// Holder says who holds a lease.
type Holder struct {
	Run       string    `json:"run"`
	By        string    `json:"by"`   // user
	Host      string    `json:"host"` // machine
	PID       int       `json:"pid"`
	Commit    string    `json:"commit,omitempty"`
	Started   time.Time `json:"started"`
	Heartbeat time.Time `json:"heartbeat"`
	Fence     uint64    `json:"fence"`
	Doing     string    `json:"doing,omitempty"`
	// Beat is how often the holder renews its heartbeat where that is seldom, as the store knows; 0 is every few seconds.
	Beat time.Duration `json:"-"`
	// Ended says that the next run takes the lease over: the holder has certainly ended, or it is Silent. False is not known.
	Ended bool `json:"ended,omitempty"`
	// Silent says that the holder is not known to have ended. It did not renew its heartbeat for as long as it promised to: it may be
	// suspended, and go on until it notices that its lease is lost.
	Silent bool `json:"silent,omitempty"`
	// Damaged says why the lease is not to be believed, "" when it is: it cannot be read, and then Fence is 0 and nothing
	// else is known; or its heartbeat lies in the future, and nobody can say whether it is alive. Nobody takes such a lease
	// over. Break removes it.
	Damaged string `json:"damaged,omitempty"`
}

// Name says which run it is, of whom, and when it began.
func (h Holder) Name() string {
	return "run " + h.Run + " of " + h.By + "@" + h.Host + ", begun " + h.Started.UTC().Format("2006-01-02 15:04:05 UTC")
}

// alive is how old a heartbeat may be whose run is taken for one that is at work: two were missed by then in a folder or in SQL Server.
// A lease in a folder goes stale soon after, so whoever is refused for a dead run's has to be told before. Where heartbeats are seldom,
// two may be late by as long as an answer takes.
const (
	alive   = 15 * time.Second
	answers = 5 * time.Second
)

// AtWork says that the holder is taken for one that is at work, for whoever asks what stands still. Its silence may be shorter than that
// though it is dead: nobody can know.
func (h Holder) AtWork(now time.Time) bool {
	return !h.Ended && h.Damaged == "" && now.Sub(h.Heartbeat) < max(alive, 2*h.Beat+answers)
}

// MarkerTTL is how long a marker on a host is respected after its last heartbeat. It is long, because the way to the host
// may be away for minutes.
const MarkerTTL = 5 * time.Minute

// HeldError says that somebody else holds the lease.
type HeldError struct {
	Holder Holder
	// Marker is the host whose marker says so, "" for the lock of this state.
	Marker string
}

func (e *HeldError) Error() string {
	h, at := e.Holder, ""
	if e.Marker != "" {
		at = ", says the marker on " + e.Marker
	}
	if h.Damaged != "" && h.Fence == 0 {
		return "the deployment is locked" + at + ", and nobody can say by whom: " + h.Damaged
	}
	s := "the deployment is locked by " + h.By + "@" + h.Host + ", run " + h.Run + ", since " + h.Started.UTC().Format(time.RFC3339)
	if h.Doing != "" {
		s += ", last at: " + h.Doing
	}
	if h.Damaged != "" {
		s += "; " + h.Damaged
	}
	return s + at
}

// Hint says what to do about it.
func (e *HeldError) Hint() string {
	if e.Marker != "" {
		return fmt.Sprintf("wait for it to end: without a heartbeat for %v it is taken over; if that run is dead, `meshrotate unlock --marker` shows what it was doing and removes its marker", MarkerTTL)
	}
	if e.Holder.Damaged != "" && e.Holder.Fence == 0 {
		return "make sure that no meshrotate is at work, then remove the lock: `meshrotate unlock`"
	}
	return "wait for it to end; if that run is dead, `meshrotate unlock` shows what it was doing and removes its lock"
}

// AwayError says that what keeps the state was not reached, or did not answer. Later it may.
type AwayError struct{ Err error }

func (e *AwayError) Error() string { return e.Err.Error() }

// Unwrap returns what happened.
func (e *AwayError) Unwrap() error { return e.Err }

// LostError says that a lease is no longer held by the one who acquired it: it was broken, or taken over.
type LostError struct {
	Fence uint64 // of the lease that was lost
	// Holder has the lease now; its Fence is 0 when nobody does, or when it is not known.
	Holder Holder
	// Err is why the lease could not be renewed, nil when somebody took it away.
	Err error
	// Marker is the host whose marker was lost, "" for the lock of the state.
	Marker string
}

func (e *LostError) Error() string {
	s := fmt.Sprintf("the lock (fence %d) was lost", e.Fence)
	if e.Marker != "" {
		s = "the marker on " + e.Marker + " was lost"
	}
	switch h := e.Holder; {
	case h.Fence != 0:
		s += fmt.Sprintf(": now held by %s@%s, run %s (fence %d)", h.By, h.Host, h.Run, h.Fence)
	case e.Err != nil:
		s += ": it could not be renewed: " + e.Err.Error()
	default:
		s += ": it was removed, or a run that took it over has ended"
	}
	return s
}

// Unwrap returns why the lease could not be renewed.
func (e *LostError) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *LostError) Hint() string {
	return "this run stops before its next effect; when nobody else is at work, run `meshrotate plan` to see what is left"
}
