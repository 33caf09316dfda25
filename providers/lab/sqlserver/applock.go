package sqlserver

import (
	"context"
	"slices"
	"strings"
	"time"
)

// resource is what an application lock locks: a name, compared in binary, in a database.
type resource struct{ database, name string }

// appLock is a lock that a session holds, so many times over.
type appLock struct {
	session     *Session
	mode        string
	transaction bool // its owner is the transaction, not the session
	count       int
}

// The answers of sp_getapplock.
const (
	lockGranted   = 0
	lockWaited    = 1
	lockTimedOut  = -1
	lockCancelled = -2
	lockBadCall   = -999
)

// modes are what each mode of a lock goes together with.
func modes() map[string][]string {
	return map[string][]string{
		"exclusive": nil, "update": {"shared", "intentshared"}, "shared": {"shared", "update", "intentshared"},
		"intentshared": {"shared", "update", "intentshared", "intentexclusive"}, "intentexclusive": {"intentshared", "intentexclusive"},
	}
}

// take waits for a lock.
func (x *Session) take(ctx context.Context, r resource, mode string, transaction bool, wait time.Duration) int {
	var timer <-chan time.Time
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		timer = t.C
	}
	for answer := lockGranted; ; answer = lockWaited {
		freed, ok := x.try(r, mode, transaction)
		switch {
		case ok:
			return answer
		case wait == 0:
			return lockTimedOut
		}
		select {
		case <-freed:
		case <-timer:
			return lockTimedOut
		case <-ctx.Done():
			return lockCancelled
		}
	}
}

// try takes a lock that is free, or says when to try again.
func (x *Session) try(r resource, mode string, transaction bool) (freed <-chan struct{}, ok bool) {
	s := x.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.ended {
		return s.freed, false
	}
	var mine *appLock
	for _, l := range s.locks[r] {
		if l.session != x && !slices.Contains(modes()[l.mode], mode) {
			return s.freed, false
		}
		if l.session == x && l.transaction == transaction {
			mine = l
		}
	}
	if mine == nil {
		mine = &appLock{session: x, mode: mode, transaction: transaction}
		s.locks[r] = append(s.locks[r], mine)
	}
	if mode == "exclusive" {
		mine.mode = mode
	}
	mine.count++
	return nil, true
}

// free says whether another session's locks would let this one have its own, as APPLOCK_TEST tells it.
func (x *Session) free(r resource, mode string) bool {
	x.server.mu.Lock()
	defer x.server.mu.Unlock()
	return !slices.ContainsFunc(x.server.locks[r], func(l *appLock) bool { return l.session != x && !slices.Contains(modes()[l.mode], mode) })
}

// release gives a lock back once; false when the session does not hold it.
func (x *Session) release(r resource, transaction bool) bool {
	s := x.server
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.locks[r] {
		if l.session == x && l.transaction == transaction {
			if l.count--; l.count == 0 {
				x.freeLocks(func(o *appLock) bool { return o == l })
			}
			return true
		}
	}
	return false
}

// freeLocks gives back the session's locks that which chooses. It is called with the server's mutex held.
func (x *Session) freeLocks(which func(*appLock) bool) {
	s, any := x.server, false
	for r, all := range s.locks {
		left := slices.DeleteFunc(all, func(l *appLock) bool { return l.session == x && which(l) })
		any = any || len(left) != len(all)
		s.locks[r] = left
		if len(left) == 0 {
			delete(s.locks, r)
		}
	}
	if any {
		close(s.freed)
		s.freed = make(chan struct{})
	}
}

// held is the mode in which the session itself holds a lock, as APPLOCK_MODE tells it.
func (x *Session) held(r resource, transaction bool) string {
	x.server.mu.Lock()
	defer x.server.mu.Unlock()
	for _, l := range x.server.locks[r] {
		if l.session == x && l.transaction == transaction {
			return strings.ToUpper(l.mode[:1]) + l.mode[1:]
		}
	}
	return "NoLock"
}

// getAppLock is sp_getapplock.
func (x *Session) getAppLock(ctx context.Context, a arguments) (int, *Error) {
	name, mode := a.text("Resource", 0), strings.ToLower(a.text("LockMode", 1))
	transaction, wait := true, x.run.lockTimeout
	if o := a.text("LockOwner", 2); o != "" {
		transaction = same(o, "Transaction")
		if !transaction && !same(o, "Session") {
			return lockBadCall, fail(15600, "An invalid parameter or option was specified for procedure 'sys.sp_getapplock'.")
		}
	}
	if n, ok := a.number("LockTimeout", 3); ok {
		wait = time.Duration(n) * time.Millisecond
	}
	if _, ok := modes()[mode]; !ok || name == "" {
		return lockBadCall, fail(15600, "An invalid parameter or option was specified for procedure 'sys.sp_getapplock'.")
	}
	if transaction && x.run.depth == 0 {
		return lockBadCall, fail(1220, "The statement or function must be executed in the context of a user transaction.")
	}
	return x.take(ctx, resource{x.Database(), cut(name, 255)}, mode, transaction, wait), nil
}

// releaseAppLock is sp_releaseapplock.
func (x *Session) releaseAppLock(a arguments) (int, *Error) {
	name, transaction := a.text("Resource", 0), !same(a.text("LockOwner", 1), "Session")
	if !x.release(resource{x.Database(), cut(name, 255)}, transaction) {
		return lockBadCall, fail(1223, "Cannot release the application lock (Database Principal: 'public', Resource: '%s') because it is not currently held.", cut(name, 32))
	}
	return 0, nil
}

func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}
