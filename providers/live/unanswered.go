package live

import (
	"errors"
	"fmt"

	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// unansweredError is a question of a proof that its host answered with a failure of its own: somebody holds the file, access is
// denied, the service manager is busy. It says nothing of what was to be proven, and it may pass.
type unansweredError struct{ text string }

func (e *unansweredError) Error() string { return e.text }

// unanswered is such a failure among the answers to a proof's questions.
func unanswered(steps []reconciler.Step, ops []winhost.Op, results []winhost.Result) error {
	if len(steps) == 0 || steps[0].Phase != reconciler.Verify {
		return nil
	}
	for i, r := range results {
		if saysNothing(ops[i], r) {
			return &unansweredError{r.Err(ops[i]).Error()}
		}
	}
	return nil
}

// saysNothing: an op that only looks, and could not.
func saysNothing(op winhost.Op, r winhost.Result) bool {
	switch op.(type) {
	case winhost.ServiceQuery, winhost.FileRead, winhost.EnvironmentRead, winhost.MachineIdentity, winhost.LogonRead, winhost.SignaturesRead:
	default:
		return false
	}
	switch r.Code {
	case winhost.Denied, winhost.Sharing, winhost.DiskFull, winhost.Timeout, winhost.Failed:
		return true
	}
	return false
}

// failedAs is how a step ended one of whose ops failed.
func failedAs(s reconciler.Step, op winhost.Op, r winhost.Result) state.Outcome {
	switch {
	case r.Code == winhost.Skipped:
		return "" // the op before it failed, and was reported
	case s.Phase == reconciler.Verify && saysNothing(op, r):
		return state.Unknown
	}
	return state.Failed
}

// answered is what became of questions that were asked for a while: of those that nobody could answer the last answers count.
func answered(err, last error) error {
	var e *unansweredError
	if !errors.As(err, &e) {
		return err
	}
	if errors.As(last, &e) {
		return nil
	}
	return fmt.Errorf("%w; before that: %w", last, err)
}
