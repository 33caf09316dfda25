package live

import (
	"errors"

	"meshrotate/providers/winhost"
	"meshrotate/providers/winrm"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// failed is one report of a definite failure: the batch ends with it.
func failed(err error) []reconciler.Report {
	return []reconciler.Report{{Outcome: state.Failed, Err: err}}
}

func done(evidence string) reconciler.Report {
	return reconciler.Report{Outcome: state.Done, Evidence: evidence}
}

// refused is the report of what changed nothing for certain.
func refused(err error) reconciler.Report {
	return reconciler.Report{Outcome: state.Failed, Refused: true, Err: err, Unreachable: reachSQL(err) == reconciler.Unreachable}
}

// lost is the report of a request that got no proper answer. Whether anything was done is unknown, unless the transport
// knows that no command ran.
func lost(err error) reconciler.Report {
	r := reconciler.Report{Outcome: state.Unknown, Err: err}
	var e *winrm.Error
	if errors.As(err, &e) && !e.Ran || errors.Is(err, winhost.ErrUnsupported) || errors.Is(err, winhost.ErrScript) {
		r.Outcome = state.Failed
		r.Unreachable = e != nil && e.Class == winrm.Unreachable
	}
	return r
}

// unseen is lost of a proof: who was not reached, or lets nobody in, has refuted nothing.
func unseen(err error) reconciler.Report {
	r := lost(err)
	r.Outcome = state.Unknown
	return r
}

func lostLease(err error) bool {
	var lost *state.LostError
	return errors.As(err, &lost)
}

// reach says how a look ended that failed as a whole.
func reach(err error) reconciler.Reach {
	var e *winrm.Error
	if errors.As(err, &e) && e.Class == winrm.Unreachable {
		return reconciler.Unreachable
	}
	return reconciler.Broken
}
