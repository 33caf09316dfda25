package memory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"meshrotate/state"
)

// lease is one that a process holds, or held.
type lease struct {
	process *Process
	holder  state.Holder // without heartbeat
}

// present is the lease that is held now, with its heartbeat, nil when there is none.
func (s *Store) present() (h state.Holder, ok bool) {
	if s.held == nil {
		return state.Holder{}, false
	}
	h = s.held.holder
	h.Heartbeat = now()
	if killed := s.held.process.killed; !killed.IsZero() {
		h.Heartbeat = killed
		h.Ended = time.Since(killed) > TTL
		h.Silent = h.Ended
	}
	return h, true
}

// Acquire takes the lease. Zero Host, PID and Started of the holder are filled in.
func (p *Process) Acquire(ctx context.Context, holder state.Holder) (state.Lease, error) {
	var l *lease
	err := p.do(ctx, func(s *Store) error {
		if held, ok := s.present(); ok && !held.Ended {
			return &state.HeldError{Holder: held}
		}
		if holder.Host == "" {
			holder.Host = "memory"
		}
		if holder.PID == 0 {
			holder.PID = 1
		}
		if holder.Started.IsZero() {
			holder.Started = now()
		}
		s.fence++
		holder.Fence, holder.Heartbeat, holder.Ended, holder.Damaged = s.fence, time.Time{}, false, ""
		l = &lease{p, holder}
		s.held = l
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("acquire the lock: %w", err)
	}
	return l, nil
}

// Current returns the present holder.
func (p *Process) Current(ctx context.Context) (h state.Holder, ok bool, err error) {
	err = p.do(ctx, func(s *Store) error {
		h, ok = s.present()
		return nil
	})
	return h, ok, err
}

// Break removes the lease of the given fence.
func (p *Process) Break(ctx context.Context, fence uint64) error {
	err := p.do(ctx, func(s *Store) error {
		switch h, ok := s.present(); {
		case !ok:
			return errors.New("nobody holds it")
		case h.Fence != fence:
			return fmt.Errorf("it has fence %d now, held by %s@%s, run %s", h.Fence, h.By, h.Host, h.Run)
		}
		s.held = nil
		return nil
	})
	if err != nil {
		return fmt.Errorf("break the lock with fence %d: %w", fence, err)
	}
	return nil
}

// Fence never changes.
func (l *lease) Fence() uint64 { return l.holder.Fence }

// ours runs do while the lease is held.
func (l *lease) ours(ctx context.Context, do func(*Store)) error {
	err := l.process.do(ctx, func(s *Store) error {
		if s.held != l {
			present, _ := s.present()
			return &state.LostError{Fence: l.holder.Fence, Holder: present}
		}
		do(s)
		return nil
	})
	if errors.Is(err, ErrKilled) {
		return &state.LostError{Fence: l.Fence(), Err: err}
	}
	return err
}

// Check says whether the lease is still ours.
func (l *lease) Check(ctx context.Context) error { return l.ours(ctx, func(*Store) {}) }

// Regain takes the lease anew where nobody has had it since.
func (l *lease) Regain(ctx context.Context) error {
	err := l.process.do(ctx, func(s *Store) error {
		if present, held := s.present(); s.held != l && (held || s.fence != l.holder.Fence) {
			return &state.LostError{Fence: l.holder.Fence, Holder: present}
		}
		s.held = l
		return nil
	})
	if err != nil {
		return fmt.Errorf("take the lock anew: %w", err)
	}
	return nil
}

// Doing records what the holder is at.
func (l *lease) Doing(ctx context.Context, what string) error {
	return l.ours(ctx, func(*Store) { l.holder.Doing = what })
}

// Release gives the lease back, also when ctx is done.
func (l *lease) Release(ctx context.Context) error {
	if err := l.ours(context.WithoutCancel(ctx), func(s *Store) { s.held = nil }); err != nil {
		return fmt.Errorf("release the lock: %w", err)
	}
	return nil
}
