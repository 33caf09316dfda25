package live

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// watchEvery is how often it is asked whether Admin's service still runs, while its API is waited for. A service manager starts
// a service again within seconds: only what is stopped twice in a row is not waited for any more.
const watchEvery = 10 * time.Second

// whileRunning is a context that ends, with the reason as its cause, when what the API comes from has stopped: then nobody need
// wait for an answer. Call end when it is waited for no more.
func (a *api) whileRunning(ctx context.Context) (watched context.Context, end func()) {
	return whileRunning(ctx, a.ended)
}

func whileRunning(ctx context.Context, ended func(context.Context) error) (watched context.Context, end func()) {
	watched, cancel := context.WithCancelCause(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		var before error
		for pause(watched, watchEvery) == nil {
			why := ended(watched)
			if why != nil && before != nil {
				cancel(why)
				return
			}
			before = why
		}
	}()
	return watched, func() { cancel(nil); <-over }
}

// stoppedError is a service that was started by this run and runs no more, or could not be started.
type stoppedError struct{ error }

// stoppedSince is the cause of a context of whileRunning, nil when that was not why it ended.
func stoppedSince(ctx context.Context) error {
	if e, ok := context.Cause(ctx).(stoppedError); ok {
		return e.error
	}
	return nil
}

// adminEnded is endedOn Admin's host.
func (s *Site) adminEnded(ctx context.Context) error {
	if s.config.MarkerHost == "" {
		return nil
	}
	return s.endedOn(ctx, s.config.MarkerHost, "its API")
}

// endedOn says which service on a host is stopped, of those that this run has started there, could not start, or
// keeps down; nil when none is, or when nobody can say now.
func (s *Site) endedOn(ctx context.Context, host, waited string) error {
	h := s.host(host)
	if !h.mu.TryLock() {
		return nil // a batch is under way there
	}
	defer h.mu.Unlock()
	ours := map[string]bool{}
	for name := range h.failed {
		ours[name] = true
	}
	for name := range h.running.all() {
		ours[name] = true
	}
	for name, is := range h.stopped.all() { // it is not to be started any more: what it would do does not come
		ours[name] = ours[name] || is
	}
	maps.DeleteFunc(ours, func(_ string, is bool) bool { return !is })
	ctx, cancel := context.WithTimeout(ctx, markerTry)
	defer cancel()
	stopped := h.whichStopped(ctx, slices.Sorted(maps.Keys(ours)))
	if len(stopped) == 0 {
		return nil
	}
	name := slices.Min(slices.Collect(maps.Keys(stopped)))
	if why := h.failed[name]; why != nil {
		return stoppedError{reconciler.Hinted(fmt.Errorf("%w: %s is not waited for", why, waited), reconciler.HintOf(why))}
	}
	hint := "look at the Application log and at the service's own log on the host: " + site.EndedBy(stopped[name])
	if h.stopped.of(name) {
		hint = notStartedYet
	}
	return stoppedError{reconciler.Hinted(fmt.Errorf("%s: service %s is stopped (exit code %d): %s is not waited for", h.name, name, stopped[name], waited), hint)}
}
