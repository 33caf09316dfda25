package mssql

import (
	"context"
	"fmt"
	"time"

	"meshrotate/state"
)

// How long one attempt may take; for how long a failing connection is tried anew; and how long between.
const (
	attempt   = 10 * time.Second
	patience  = 15 * time.Second
	firstWait = 100 * time.Millisecond
	mostWait  = 2 * time.Second
)

// idleMost is how long a session is kept that nobody uses.
const idleMost = 5 * time.Second

// resting is a session that will be closed.
type resting struct {
	Session
	end *time.Timer
}

// insist runs do on a session. What do does may have been done by an attempt before whose answer was lost: do must look. Who
// was never reached is not waited for: a wrong name is told at once.
func (s *Store) insist(ctx context.Context, what string, do func(context.Context, Session) error) error {
	until := time.Now().Add(patience)
	for wait := firstWait; ; wait = min(2*wait, mostWait) {
		err := s.try(ctx, do)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		case !s.config.Passes(err):
			return fmt.Errorf("%s: %w", what, err)
		case len(s.reached) == 0 || time.Now().Add(wait).After(until):
			return &state.AwayError{Err: fmt.Errorf("%s: %w", what, err)}
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// try is one attempt.
func (s *Store) try(ctx context.Context, do func(context.Context, Session) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	x, err := s.session(ctx)
	if err != nil {
		return err
	}
	if err := do(ctx, x); err != nil {
		x.Close() // with its transaction
		return err
	}
	s.rest(x)
	return nil
}

// session is one that rests, or a new one.
func (s *Store) session(ctx context.Context) (Session, error) {
	select {
	case r := <-s.idle:
		if r.end.Stop() {
			return r.Session, nil
		}
	default:
	}
	return s.signIn(ctx)
}

func (s *Store) signIn(ctx context.Context) (Session, error) {
	x, err := s.config.SignIn(ctx)
	if err == nil {
		select {
		case s.reached <- struct{}{}:
		default:
		}
	}
	return x, err
}

// rest keeps a session for the next, who comes soon.
func (s *Store) rest(x Session) {
	r := resting{x, time.AfterFunc(idleMost, x.Close)}
	select {
	case s.idle <- r:
	default:
		if r.end.Stop() {
			x.Close()
		}
	}
}
