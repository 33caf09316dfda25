package live

import (
	"context"
	"fmt"
	"time"

	"meshrotate/providers/adminapi"
)

// silence is what is known of an API that was waited for in vain. Who waits next does not wait as long again: timeouts of one
// silence are not added up.
type silence struct {
	heard time.Time // its last answer, whatever it said
	since time.Time // a wait was given up in which it gave none; zero when it was not, or it has answered since
}

// note takes the end of a call.
func (a *api) note(err error) {
	switch adminapi.KindOf(err) {
	case "", adminapi.Unreachable, adminapi.Local, adminapi.Lost, adminapi.Server: // the last is a proxy's, too
		if err != nil {
			return
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.silence = silence{heard: a.now()}
}

// gaveUp notes that a wait has ended which began then, if nothing was heard in it.
func (a *api) gaveUp(began time.Time) {
	_, known := a.silent()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.silence.heard.Before(began) && !known {
		a.silence.since = a.now()
	}
}

// silent is since when nobody waits for the API as long as usual. A service that was started again since, and is not one of many,
// is a new beginning.
func (a *api) silent() (since time.Time, is bool) {
	a.mu.Lock()
	since = a.silence.since
	a.mu.Unlock()
	if since.IsZero() {
		return since, false
	}
	fleet := a.fleet()
	for host, at := range a.restarts() {
		if _, one := fleet[host]; !one && at.After(since) {
			return since, false
		}
	}
	return since, true
}

// within is a context for a wait for the API, with this limit. After one that was in vain all further ones have patience together,
// unless it answers.
func (a *api) within(ctx context.Context, limit time.Duration) (context.Context, func()) {
	ctx, expire := context.WithTimeout(ctx, limit)
	since, is := a.silent()
	if !is {
		return ctx, expire
	}
	ctx, cancel := context.WithCancelCause(ctx)
	end := func() {
		if since, still := a.silent(); still {
			cancel(fmt.Errorf("it was waited for until %s, and does not answer", since.UTC().Format(time.TimeOnly+" UTC")))
		}
	}
	left := since.Add(patience).Sub(a.now())
	if left <= 0 {
		end()
		return ctx, expire
	}
	over := time.AfterFunc(left, end)
	return ctx, func() { over.Stop(); expire() }
}
