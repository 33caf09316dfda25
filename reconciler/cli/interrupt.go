package cli

import (
	"context"
	"errors"
	"fmt"

	"meshrotate/reconciler/session"
)

// interrupted says what ended a context, which its cause knows: "interrupted by Ctrl-C", "terminated", "the terminal hung
// up".
func interrupted(ctx context.Context) string {
	cause := context.Cause(ctx)
	switch {
	case ctrlC(ctx):
		return "interrupted by Ctrl-C"
	case cause == nil || errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded):
		return "interrupted"
	default:
		return cause.Error()
	}
}

func ctrlC(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return cause != nil && cause.Error() == "Ctrl-C"
}

// named is the error of a look that was interrupted, with what interrupted it; any other error as it is.
func named(ctx context.Context, err error) error {
	if !errors.Is(err, session.ErrInterrupted) {
		return err
	}
	return fmt.Errorf("%s while looking; nothing was changed", interrupted(ctx))
}
