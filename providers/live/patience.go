package live

import (
	"context"
	"errors"
	"time"

	"meshrotate/providers/winhost"
	"meshrotate/providers/winrm"
)

// lookPatience is how long a host is asked again in a look. Within a run Config.Patience says it: a restart of WinRM, as group policy
// and updates do it, lasts 2 to 20 s; a proxy's bad minute is one. Only after that its silence means anything. A look is asked for a
// shorter time: nothing is down while it waits, and thousands of hosts may be away for good.
const lookPatience = 5 * time.Second

// The pauses between two tries.
const (
	firstPause = 250 * time.Millisecond
	mostPause  = 5 * time.Second
)

// passes says that the same request may be answered a little later: the host was not reached, its answer was lost, or what
// answered was not WinRM. A refusal does not pass.
func passes(err error) bool {
	var e *winrm.Error
	if errors.As(err, new(*winhost.OpError)) {
		return false // the host has answered
	}
	if errors.As(err, new(fitfulError)) {
		return true
	}
	if lostLease(err) || errors.Is(err, winhost.ErrUnsupported) || errors.Is(err, winhost.ErrScript) {
		return false
	}
	if passing, sql := passesSQL(err); sql {
		return passing
	}
	if !errors.As(err, &e) {
		return true // a reply that is no reply
	}
	switch e.Class {
	case winrm.Unknown, winrm.Unreachable, winrm.Protocol, winrm.Quota, winrm.Local:
		return true
	default:
		return false
	}
}

// fitfulError is a refusal of a host that has let this run in before: WinRM, or what stands before it, may be restarting.
type fitfulError struct{ error }

func (e fitfulError) Unwrap() error { return e.error }

// fitful says so of an error of a host.
func (h *host) fitful(err error) error {
	var e *winrm.Error
	if !h.heard || !errors.As(err, &e) || errors.Is(err, winhost.ErrUnsupported) || errors.Is(err, winhost.ErrScript) {
		return err
	}
	switch e.Class {
	case winrm.Denied, winrm.TLS, winrm.OperationsQuota, winrm.Unsupported, winrm.Rejected, winrm.Ticket:
		return fitfulError{err}
	}
	return err
}

// insist tries until it works, the failure does not pass, or the patience is over, and at least for half of it after the first
// failure: that may have come late. It returns the first error of those that pass, which says most, or else the last.
func insist(ctx context.Context, patience time.Duration, now func() time.Time, try func() error) error {
	until := now().Add(patience)
	wait := firstPause
	var first error
	for {
		err := try()
		if err == nil || !passes(err) || slow(err) {
			return err
		}
		if first == nil {
			first = err
			if late := now().Add(patience / 2); late.After(until) {
				until = late
			}
		}
		left := until.Sub(now())
		if left <= 0 || pause(ctx, min(wait, left)) != nil { // the last try is at the end
			return first
		}
		wait = min(2*wait, mostPause)
	}
}
