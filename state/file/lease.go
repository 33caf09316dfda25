package file

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"

	"meshrotate/state"
	"meshrotate/state/durable"
	"meshrotate/state/process"
)

// Acquire takes the lease. Zero Host, PID and Started of the holder are filled in with this machine, this process and
// the present time.
func (s *Store) Acquire(ctx context.Context, holder state.Holder) (state.Lease, error) {
	if err := s.fillIn(&holder); err != nil {
		return nil, err
	}
	var mine leaseFile
	err := s.locked(ctx, "lease.lock", func() error {
		held, ok, err := s.readLease()
		if err != nil {
			return err
		}
		if ok && !held.Ended {
			return &state.HeldError{Holder: held.Holder}
		}
		s.giveUpRoom() // of a run that died
		if err := s.begin(); err != nil {
			return err
		}
		holder.Fence, err = s.nextFence(ctx, held.Fence)
		if err != nil {
			return err
		}
		mine = leaseFile{Holder: holder, Process: process.Of(holder.PID), Token: rand.Text(), TTL: s.ttl().Seconds()}
		mine.Heartbeat = s.now()
		return s.writeLease(mine)
	})
	if err != nil {
		return nil, fmt.Errorf("acquire the lock: %w", err)
	}
	return hold(s, mine), nil
}

func (s *Store) fillIn(h *state.Holder) error {
	h.Ended, h.Silent, h.Damaged = false, false, "" // that is for readers to say
	if h.Host == "" {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("acquire the lock: %w", err)
		}
		h.Host = host
	}
	if h.PID == 0 {
		h.PID = os.Getpid()
	}
	if h.Started.IsZero() {
		h.Started = s.now()
	}
	return nil
}

// Current returns the present holder, and whether it has ended.
func (s *Store) Current(ctx context.Context) (state.Holder, bool, error) {
	if err := ctx.Err(); err != nil {
		return state.Holder{}, false, err
	}
	l, ok, err := s.readLease()
	return l.Holder, ok, err
}

// Break removes the lease of the given fence.
func (s *Store) Break(ctx context.Context, fence uint64) error {
	err := s.locked(ctx, "lease.lock", func() error {
		l, ok, err := s.readLease()
		switch {
		case err != nil:
			return err
		case !ok:
			return errors.New("nobody holds it")
		case l.Fence != fence && l.Fence == 0:
			return &hinted{errors.New(l.Damaged), "it has fence 0, which nothing but an unreadable lease has"}
		case l.Fence != fence:
			return fmt.Errorf("it has fence %d now, held by %s@%s, run %s", l.Fence, l.By, l.Host, l.Run)
		}
		return s.removeLease()
	})
	if err != nil {
		return fmt.Errorf("break the lock with fence %d: %w", fence, err)
	}
	return nil
}

// nextFence is higher than every fence before, and durable before it is used: it outlives Release and Break. The ledger knows
// those of the runs that did something, where the file was lost, or is older than the ledger.
func (s *Store) nextFence(ctx context.Context, held uint64) (uint64, error) {
	last, err := s.readFence()
	if err != nil {
		return 0, err
	}
	entries, err := s.Entries(ctx)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		last = max(last, e.Fence)
	}
	next := max(last, held) + 1
	if next == 0 {
		return 0, &hinted{fmt.Errorf("%s: no number is higher than that", s.path("fence")), "write into it one that is higher than every fence in ledger.jsonl"}
	}
	return next, durable.Replace(s.path("fence"), []byte(strconv.FormatUint(next, 10)+"\n"))
}

// readFence is 0 where there is none.
func (s *Store) readFence() (uint64, error) {
	data, err := durable.ReadFile(s.path("fence"), smallLimit)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil
	case err != nil:
		return 0, unfit(err)
	}
	last, err := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 64)
	if err != nil || last == math.MaxUint64 { // after which there is no next one
		return 0, state.Damaged(fmt.Errorf("%s is not a number that a fence can have", s.path("fence")),
			"write into it a number higher than every fence in ledger.jsonl")
	}
	return last, nil
}
