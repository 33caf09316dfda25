package winrm

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/gofrs/uuid"
)

const (
	shellAttempts = 5                      // Create is tried this often while the host has too many shells
	shellBackoff  = 500 * time.Millisecond // before the second attempt; doubles, with jitter
	deleteTimeout = 10 * time.Second       // the longest Close waits for the host
	signalTimeout = deleteTimeout / 2      // of which so much for a Signal, which Delete makes up for
)

// create makes the shell. While the host answers that the user has too many, it deletes one that a dead process has left there;
// without any it waits and asks again.
func (s *Session) create(ctx context.Context) error {
	wait := shellBackoff
	for attempt := 1; ; {
		err := s.createOnce(ctx)
		var e *Error
		if err == nil || !errors.As(err, &e) || e.Class != Quota {
			return err
		}
		if s.free(ctx) {
			continue
		}
		if attempt == shellAttempts || s.cfg.Sleep(ctx, wait/2+rand.N(wait)) != nil {
			return err
		}
		attempt++
		wait *= 2
	}
}

// createOnce asks for a shell by a name of our own, so that one whose answer is lost can be deleted. A host too old to take
// the name gives one of its own.
func (s *Session) createOnce(ctx context.Context) error {
	id, err := uuid.NewV4()
	if err != nil {
		return s.fail(opCreate, Refused, err)
	}
	own := strings.ToUpper(id.String())
	s.values.shell = own
	s.cfg.Record.made(s.cfg.Address, own)
	r, err := s.exchange(ctx, opCreate, &s.values)
	switch {
	case err == nil && r.shell != own:
		s.cfg.Record.made(s.cfg.Address, r.shell)
		s.cfg.Record.ended(s.cfg.Address, own)
		fallthrough
	case err == nil:
		s.values.shell = r.shell
	case !mayExist(err):
		s.cfg.Record.ended(s.cfg.Address, own)
		s.values.shell = ""
	}
	return err
}

// free deletes a shell that a dead process has left on the host.
func (s *Session) free(ctx context.Context) bool {
	return s.cfg.Record.free(s.cfg.Address, func(id string) (bool, error) {
		v := s.values
		v.shell = id
		_, err := s.exchange(ctx, opDelete, &v)
		if isGone(err) {
			return false, nil
		}
		return err == nil, err
	})
}

// isGone says that the host does not know the shell.
func isGone(err error) bool {
	var f *Fault
	return errors.As(err, &f) && f.Code == codeInvalidSelectors
}

// mayExist says of a Create that failed that the host may have made the shell.
func mayExist(err error) bool {
	var e *Error
	var f *Fault
	switch {
	case !errors.As(err, &e) || e.Doing != opCreate.name || errors.As(err, new(*unsentError)):
		return false // it was not sent
	case errors.As(err, &f):
		return !f.refuses()
	}
	return e.Class == Unreachable || e.Class == Canceled || e.Class == Protocol || e.Class == Local
}

// shellIsSpent says that the command was refused because of its shell, so that it may run in another one.
func shellIsSpent(err error) bool {
	var f *Fault
	return errors.As(err, &f) && (f.Code == codeOperationsQuota || f.Code == codeInvalidSelectors)
}

// renew replaces the shell. The old one is deleted first: it counts against the user's quota.
func (s *Session) renew(ctx context.Context) error {
	var f *Fault
	if err := s.deleteShell(ctx); err != nil && !errors.As(err, &f) {
		return err
	}
	return s.create(ctx)
}

// terminate ends these processes, or says of those that have ended that nobody asks for them any more (MS-WSMV 3.1.4.14).
// What goes wrong is Delete's to make good.
func (s *Session) terminate(ctx context.Context, which func(*Process) bool) {
	var left []*Process
	for _, p := range s.processes {
		if !which(p) {
			left = append(left, p)
			continue
		}
		limited, cancel := context.WithTimeout(ctx, signalTimeout)
		v := p.values()
		_, _ = s.exchange(limited, opSignal, &v)
		cancel()
	}
	s.processes = left
}

func (s *Session) deleteShell(ctx context.Context) error {
	_, err := s.exchange(ctx, opDelete, &s.values)
	var e *Error
	if errors.As(err, &e) && e.Class == Unreachable && ctx.Err() == nil {
		_, err = s.exchange(ctx, opDelete, &s.values) // deleting twice does no harm
	}
	if isGone(err) {
		err = nil
	}
	if err == nil {
		s.cfg.Record.ended(s.cfg.Address, s.values.shell)
		s.values.shell, s.processes = "", nil
	}
	return err
}
