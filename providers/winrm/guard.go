package winrm

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// guardPatience is how long one login may hold up the others. A host that takes a connection and then says nothing must
// not stop a fleet; the price is one more login with a password that nobody has accepted yet.
const guardPatience = 3 * time.Second

// Guard keeps one credential from being locked out. All sessions with that credential share it. Until the first login
// has succeeded they log in one after the other, so a wrong password is tried once and not once per host. After a
// refusal nobody logs in with it again. A nil Guard guards nothing.
//
// The zero Guard is ready for a credential that was not tried yet.
type Guard struct {
	mu      sync.Mutex
	turn    chan struct{} // holds one element while a session logs in; made when needed
	proven  bool
	refused error
}

// Err is the refusal that closed this Guard, nil while the credential may be used.
func (g *Guard) Err() error {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refused
}

// enter waits for the caller's turn to log in. The caller passes the outcome to leave, which must be called.
func (g *Guard) enter(ctx context.Context) (leave func(error), err error) {
	if g == nil {
		return func(error) {}, nil
	}
	if open, err := g.state(); open || err != nil {
		return g.learn, err
	}
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if open, err := g.state(); open || err != nil {
		<-g.turn
		return g.learn, err
	}
	pass := sync.OnceFunc(func() { <-g.turn })
	late := time.AfterFunc(guardPatience, pass)
	return func(err error) {
		late.Stop()
		g.learn(err)
		pass()
	}, nil
}

func (g *Guard) state() (open bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.turn == nil {
		g.turn = make(chan struct{}, 1)
	}
	if g.refused != nil {
		return false, &guardError{g.refused}
	}
	return g.proven, nil
}

func (g *Guard) learn(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var e *Error
	switch {
	case err == nil:
		g.proven = true
	case g.refused == nil && errors.As(err, &e) && e.Class == Credential:
		g.refused = err
	}
}

// A guardError says that a host was not asked because another one refused the credential.
type guardError struct{ first error }

func (e *guardError) Error() string {
	return fmt.Sprintf("not tried here, because it was refused elsewhere (%v)", e.first)
}

func (e *guardError) Unwrap() error { return e.first }

func (s *Session) refusedByGuard(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return s.lost(ctx, opHandshake, err)
	}
	return s.fail(opHandshake, Credential, err)
}
