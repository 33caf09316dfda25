package live

import (
	"context"
	"maps"
	"slices"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// followEvery is how often Admin's list is asked for while the relays start: the end of an outage is as exact as that.
const followEvery = time.Second

// follow looks, from the moment at which Admin is ready until its relays are proven, when each that was started again is first
// seen to work: its outage ends then, and not when the last relay has come or was given up. It proves nothing.
func (a *api) follow(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, a.limit)
	over := make(chan struct{})
	a.mu.Lock()
	a.first, a.late, a.endFollow = map[string]time.Time{}, map[string]bool{}, func() { cancel(); <-over }
	a.mu.Unlock()
	go func() {
		defer close(over)
		defer cancel()
		for pause(ctx, followEvery) == nil {
			a.noteFirst(ctx)
		}
	}()
}

// unfollow ends what follow began, and says when relays were first seen to work.
func (a *api) unfollow() map[string]time.Time {
	a.mu.Lock()
	end := a.endFollow
	a.endFollow = nil
	a.mu.Unlock()
	if end != nil {
		end()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.first)
}

// lastFollow is how long Admin's list is waited for before a way back.
const lastFollow = 2 * time.Second

// Worked are the relays that were seen to work, when they were first. It looks once more: what comes next may stop them again.
func (s *Site) Worked(ctx context.Context) reconciler.Report {
	ctx, cancel := context.WithTimeout(ctx, lastFollow)
	defer cancel()
	if s.api.following() {
		s.api.noteFirst(ctx)
	}
	s.api.mu.Lock()
	defer s.api.mu.Unlock()
	return reconciler.Report{Outcome: state.Done, Up: maps.Clone(s.api.first), Bounds: maps.Clone(s.api.late)}
}

func (a *api) following() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.endFollow != nil
}

// notSeen are the relays that were started again and not seen to work since, and when they were.
func (a *api) notSeen() map[string]time.Time {
	since := a.fleet()
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(since, func(host string, at time.Time) bool { return a.first[host].After(at) })
	return since
}

func (a *api) noteFirst(ctx context.Context) {
	since := a.notSeen()
	if len(since) == 0 {
		return
	}
	list, err := a.relays(ctx)
	if err != nil {
		return
	}
	w := waiting{since: since, missing: slices.Sorted(maps.Keys(since)), up: map[string]time.Time{}, late: map[string]bool{}}
	w.names, w.skews, w.admin = a.names(w.missing), a.clocks(), a.host
	a.mu.Lock()
	defer a.mu.Unlock()
	w.before = a.lists[1]
	w.check(list, a.clock, a.now())
	maps.Copy(a.first, w.up)
	maps.Copy(a.late, w.late)
}
