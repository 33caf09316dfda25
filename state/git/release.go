package git

import (
	"context"
	"errors"
	"fmt"
	"time"

	"meshrotate/state"
)

// releaseTimeout bounds how long a lease is given back to a server that is away, and releaseSoon where it was waited for already.
const (
	releaseTimeout = 30 * time.Second
	releaseSoon    = 5 * time.Second
)

// Release publishes what the run has recorded, stops the heartbeat and gives the lease back, also when ctx is done.
func (h *held) Release(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	s := h.store
	s.mu.Lock()
	j := s.journal
	if s.fence == h.fence {
		s.fence, s.journal = 0, nil
	}
	s.mu.Unlock()
	var unpublished error
	if j != nil {
		unpublished = j.end(ctx)
	}
	h.stop()
	<-h.done
	if lost := h.isLost(); lost != nil {
		return errors.Join(unpublished, fmt.Errorf("release the lock: %w", lost))
	}
	var away *state.AwayError
	patience := releaseTimeout
	if errors.As(unpublished, &away) {
		patience = releaseSoon
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	sent := false
	err := s.lock.change(ctx, "release the lock", func(t *tip) (c change, err error) {
		present, err := t.lease()
		if err != nil || sent && present.Free && present.Fence == h.fence {
			return c, err
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if !h.judge(present) {
			return c, h.lost
		}
		sent = true
		return s.put(lease{Holder: state.Holder{Fence: h.fence}, Free: true}, fmt.Sprintf("Run %s gives the lock back", h.mine.Run))
	})
	if unpublished != nil && err != nil {
		return fmt.Errorf("%w; %w", unpublished, err) // on one line: it is told among others
	}
	return errors.Join(unpublished, err)
}
