package file

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"meshrotate/state"
	"meshrotate/state/durable"
)

// leaseFile is the content of lease.json.
type leaseFile struct {
	state.Holder
	// Process tells the holder's process from a later one with the same number, "" when that cannot be known.
	Process string `json:"process,omitempty"`
	// TTL is the holder's promise, in seconds: it renews the heartbeat more often than that.
	TTL float64 `json:"ttl"`
}

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
		if ok && !s.dead(held) {
			return &state.HeldError{Holder: held.Holder}
		}
		holder.Fence, err = s.nextFence(held.Fence)
		if err != nil {
			return err
		}
		mine = leaseFile{Holder: holder, Process: processOf(holder.PID), TTL: s.ttl().Seconds()}
		mine.Heartbeat = s.now()
		return s.writeLease(mine)
	})
	if err != nil {
		return nil, fmt.Errorf("acquire the lock: %w", err)
	}
	return hold(s, mine), nil
}

func (s *Store) fillIn(h *state.Holder) error {
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

// dead says that a holder has certainly ended, or broke its promise to renew.
func (s *Store) dead(l leaseFile) bool {
	if s.now().Sub(l.Heartbeat) > time.Duration(l.TTL*float64(time.Second)) {
		return true
	}
	host, err := os.Hostname()
	return err == nil && host == l.Host && ended(l.PID, l.Process)
}

// Current returns the present holder, and whether it has ended.
func (s *Store) Current(ctx context.Context) (state.Holder, bool, error) {
	if err := ctx.Err(); err != nil {
		return state.Holder{}, false, err
	}
	l, ok, err := s.readLease()
	l.Holder.Ended = ok && s.dead(l)
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

func (s *Store) readLease() (l leaseFile, ok bool, err error) {
	data, err := durable.ReadFile(s.path("lease.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return l, false, nil
	}
	if err != nil {
		return l, false, err
	}
	if err := json.Unmarshal(data, &l); err != nil || l.Fence == 0 {
		return leaseFile{}, false, &hinted{fmt.Errorf("%s cannot be read", s.path("lease.json")),
			"remove the file if no run is alive"}
	}
	return l, true, nil
}

func (s *Store) writeLease(l leaseFile) error {
	data, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	return durable.Replace(s.path("lease.json"), append(data, '\n'))
}

func (s *Store) removeLease() error {
	return errors.Join(os.Remove(s.path("lease.json")), durable.SyncDir(s.dir))
}

// nextFence is higher than every fence before, and durable before it is used: it outlives Release and Break.
func (s *Store) nextFence(held uint64) (uint64, error) {
	data, err := durable.ReadFile(s.path("fence"))
	var last uint64
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return 0, err
	default:
		last, err = strconv.ParseUint(strings.TrimSpace(string(data)), 10, 64)
		if err != nil {
			return 0, &hinted{fmt.Errorf("%s is not a number", s.path("fence")),
				"write into it a number higher than every fence in ledger.jsonl"}
		}
	}
	next := max(last, held) + 1
	return next, durable.Replace(s.path("fence"), []byte(strconv.FormatUint(next, 10)+"\n"))
}
