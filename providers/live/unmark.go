package live

import (
	"context"
	"encoding/json"
	"fmt"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// Break removes the marker of the given fence. A run that is alive goes on until it has seen that: so long another marker stands
// in the place of its own, and nobody else gets in.
func (m *marker) Break(ctx context.Context, fence uint64) error {
	c := m.dial()
	defer c.hangUp(ctx)
	var held string // the hash of the marker that is there instead
	err := c.insists(ctx, lookPatience, func() (refused, err error) {
		for try, done := 0, false; !done && refused == nil && err == nil && try < markerTries; try++ { // it may be renewed in between
			done, held, refused, err = c.takeAway(ctx, fence, held)
		}
		return refused, err
	})
	if err == nil && held != "" {
		err = c.giveUp(ctx, held)
	}
	if err != nil {
		return fmt.Errorf("remove the marker %s on %s: %w", m.path, m.host, err)
	}
	return nil
}

// giveUp removes the marker that stands in the place of a run's, when that run must have noticed, if it has not done so itself.
func (c line) giveUp(ctx context.Context, held string) error {
	for until := c.site.config.Now().Add(markerSeen); c.site.config.Now().Before(until); {
		if err := pause(ctx, followEvery); err != nil {
			return reconciler.Hinted(fmt.Errorf("that run may not have noticed yet: %w", err), "run it again: until then nobody else gets in")
		}
		if p, err := c.look(ctx); err == nil && p.err == nil && p.sha != held {
			return nil
		}
	}
	return c.insists(ctx, markerGone, func() (refused, err error) {
		_, refused, err = c.remove(ctx, held)
		return refused, err
	})
}

// unlocking is the run whose name a marker has that stands in the place of another run's.
func unlocking(run string) string { return "unlock of " + run }

// takeAway removes the marker that has this fence, or puts another in its place, with the hash held, when its holder is alive.
// Before is what an earlier try whose answer was lost may have put there.
func (c line) takeAway(ctx context.Context, fence uint64, before string) (done bool, held string, refused, err error) {
	p, err := c.look(ctx)
	switch {
	case err != nil:
		return false, before, nil, err
	case before != "" && p.sha == before:
		return true, before, nil, nil
	case !p.there:
		return true, "", nil, nil // that run has ended meanwhile
	case p.err != nil:
		return false, "", p.err, nil
	case p.holder.Fence != fence:
		return false, "", fmt.Errorf("it has fence %d now, of %s@%s, run %s", p.holder.Fence, p.holder.By, p.holder.Host, p.holder.Run), nil
	case p.holder.Damaged != "" || c.site.config.Now().Sub(p.holder.Heartbeat) > markerSeen:
		done, refused, err = c.remove(ctx, p.sha)
		return done, "", refused, err
	}
	content, _ := json.MarshalIndent(state.Holder{Run: unlocking(p.holder.Run), Doing: "waiting until run " + p.holder.Run + " has noticed that its marker was taken away",
		By: p.holder.By, Host: p.holder.Host, Started: p.holder.Started, Heartbeat: c.site.config.Now().UTC(), Fence: fence}, "", "  ") // of texts, numbers and times
	done, refused, err = c.put(ctx, p.sha, content)
	return done, hash(content), refused, err
}
