package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	"meshrotate/providers/winrm"
)

// slowError is a limit that was reached, in words that say which.
type slowError struct {
	limit   time.Duration
	setting string // that holds it, "" where none does
}

func (e *slowError) Error() string {
	if e.setting == "" {
		return fmt.Sprintf("no answer within %s", e.limit)
	}
	return fmt.Sprintf("not done within %s (%s)", e.limit, e.setting)
}

func (e *slowError) Unwrap() error { return context.DeadlineExceeded }

// Hint is what a person can do about it.
func (e *slowError) Hint() string {
	hint := "look at what slows it down: its processors, its disk, a virus scanner"
	if e.setting != "" {
		hint += "; or raise " + e.setting
	}
	return hint
}

// within is a context that ends after the limit, and says so.
func within(ctx context.Context, limit time.Duration, setting string) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit, &slowError{limit, setting})
}

const hostTimeout = "policy.hostTimeout"

// slow says that a limit of the document's was reached: the same again would reach it again.
func slow(err error) bool {
	var e *slowError
	return errors.As(err, &e) && e.setting != ""
}

// looked marks what became of a look: whatever went wrong with it, nothing was changed.
func looked(err error) error {
	var e *winrm.Error
	if errors.As(err, &e) {
		e.Looked = true
	}
	return err
}
