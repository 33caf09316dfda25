package mssql

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"meshrotate/state"
	"meshrotate/state/process"
)

// DefaultTTL is how long a lease is respected after its last heartbeat. It is long, because a server that restarts or fails
// over may be away for minutes, and a run in its switch must not lose its lease meanwhile.
const DefaultTTL = 5 * time.Minute

// maxTTL bounds what a lease may promise: a damaged number must not keep everybody out for ever.
const maxTTL = 24 * time.Hour

// A lease is the row's fence, token, holder and heartbeat; times are the server's. Beside it its session holds an application
// lock that is named by the fence. So a lease whose heartbeat cannot be written, as the log is full, is still seen to be
// alive; and a lease whose session is gone is respected until its time is over: its holder may only be cut off.
type lease struct {
	fence, beats int64
	token        sql.NullString
	text         sql.NullString // the holder
	age          sql.NullInt64  // of the heartbeat, in seconds
	ttl          int64          // in seconds
	free         int64          // 1 when no other session holds the application lock
	recorded     sql.NullInt64  // the highest fence of the ledger
}

// mark is a holder as it is written.
type mark struct {
	state.Holder
	// Process tells the holder's process from a later one with the same number, "" when that cannot be known.
	Process string `json:"process,omitempty"`
}

func (s *Store) lease(ctx context.Context, x Session) (l lease, err error) {
	there := false
	err = x.Select(ctx, s.sql(readLease), []any{s.resource()}, func(_ int, scan func(...any) error) error {
		there = true
		return scan(&l.fence, &l.beats, &l.token, &l.text, &l.age, &l.ttl, &l.free, &l.recorded)
	})
	if err == nil && !there {
		err = fmt.Errorf("the row of %s is gone", s.sql("{state}"))
	}
	return l, err
}

// resource is what names of application locks begin with.
func (s *Store) resource() string { return "meshrotate " + s.config.Schema + " lease " }

// holder judges who holds a lease; ok is false when nobody does.
func (l lease) holder() (h state.Holder, ok bool) {
	if !l.text.Valid && !l.token.Valid {
		return state.Holder{}, false
	}
	var m mark
	if err := json.Unmarshal([]byte(l.text.String), &m); err != nil || !l.token.Valid || !l.age.Valid || l.fence < 1 || l.ttl < 1 || l.ttl > int64(maxTTL/time.Second) {
		return state.Holder{Damaged: "the lease in the database cannot be read"}, true
	}
	h = m.Holder
	h.Fence, h.Heartbeat = uint64(l.fence), time.Now().UTC().Round(0).Add(-time.Duration(l.age.Int64)*time.Second)
	switch {
	case processEnded(m):
		h.Ended = true
	case l.free == 1 && l.age.Int64 > l.ttl:
		h.Ended, h.Silent = true, true
	case l.free == 1 && l.age.Int64 < -l.ttl:
		h.Damaged = "its heartbeat lies in the future: the server's clock was set back, so nobody can say whether it is alive"
	}
	return h, true
}

func processEnded(m mark) bool {
	host, err := os.Hostname()
	return err == nil && host == m.Host && process.Ended(m.PID, m.Process)
}

// Acquire takes the lease. Zero Host, PID and Started of the holder are filled in with this machine, this process and
// the present time.
func (s *Store) Acquire(ctx context.Context, holder state.Holder) (state.Lease, error) {
	m, err := s.mark(holder)
	if err != nil {
		return nil, fmt.Errorf("acquire the lock: %w", err)
	}
	h := &held{store: s, token: token(), mark: m}
	err = s.insist(ctx, "acquire the lock", func(ctx context.Context, _ Session) error { return h.acquire(ctx) })
	if err != nil {
		return nil, err
	}
	h.start()
	return h, nil
}

func (s *Store) mark(h state.Holder) (mark, error) {
	h.Fence, h.Heartbeat, h.Ended, h.Silent, h.Damaged = 0, time.Time{}, false, false, "" // that is for readers to say
	if h.Host == "" {
		host, err := os.Hostname()
		if err != nil {
			return mark{}, err
		}
		h.Host = host
	}
	if h.PID == 0 {
		h.PID = os.Getpid()
	}
	if h.Started.IsZero() {
		h.Started = time.Now().UTC().Round(0)
	}
	return mark{h, process.Of(h.PID)}, nil
}

func (m mark) text() string {
	text, _ := json.Marshal(m) // of texts, numbers and times
	return string(text)
}

// token tells a lease from every other.
func token() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails: see its documentation
	return hex.EncodeToString(b)
}

// acquire is one attempt, on a session that is then the lease's. An attempt before may have won without knowing.
func (h *held) acquire(ctx context.Context) error {
	s := h.store
	x, err := s.signIn(ctx)
	if err != nil {
		return err
	}
	err = s.begin(ctx, x)
	for won := false; err == nil && !won; {
		won, err = h.take(ctx, x)
	}
	if err != nil {
		x.Close()
		return err
	}
	h.session = x
	return nil
}

// take is false when somebody else was first, and may have gone already.
func (h *held) take(ctx context.Context, x Session) (won bool, err error) {
	s := h.store
	l, err := s.lease(ctx, x)
	if err != nil {
		return false, err
	}
	if l.token.String == h.token && l.fence == h.fence && h.fence > 0 {
		h.renewed = time.Now().Round(0).Add(-time.Duration(l.age.Int64+1) * time.Second)
		return true, nil
	}
	if by, ok := l.holder(); ok && !by.Ended {
		return false, &state.HeldError{Holder: by}
	}
	last := max(l.fence, l.recorded.Int64)
	if last == math.MaxInt64 {
		return false, &hinted{errors.New("no fence is higher than that of the ledger"), "keep the schema as an archive and begin another"}
	}
	h.fence = last + 1
	sent := time.Now()
	if err := h.lock(ctx, x); err != nil {
		return false, err
	}
	n, err := one(ctx, x, s.sql(takeLease), h.fence, h.token, h.mark.text(), int64(s.ttl()/time.Second), l.beats)
	if err != nil || n == 0 {
		return false, err
	}
	h.renewed = sent.Round(0)
	return true, nil
}

// lock takes the application lock of the lease's fence, if nobody else has it. A session of ours that the server has not
// missed yet may: then it is tried again.
func (h *held) lock(ctx context.Context, x Session) error {
	r, err := one(ctx, x, lockLease, fmt.Sprint(h.store.resource(), h.fence))
	h.locked = err == nil && r >= 0
	return err
}

func (s *Store) ttl() time.Duration {
	if s.config.TTL > 0 {
		return min(max(s.config.TTL, time.Second), maxTTL)
	}
	return DefaultTTL
}

// Current returns the present holder, and whether it has ended. Its heartbeat is by our clock: its age is the server's word.
func (s *Store) Current(ctx context.Context) (h state.Holder, ok bool, err error) {
	err = s.insist(ctx, "look at the lock", func(ctx context.Context, x Session) error {
		h, ok = state.Holder{}, false
		if _, there, err := s.head(ctx, x); err != nil || !there {
			return err
		}
		l, err := s.lease(ctx, x)
		if err == nil {
			h, ok = l.holder()
		}
		return err
	})
	return h, ok, err
}

// Break removes the lease of the given fence.
func (s *Store) Break(ctx context.Context, fence uint64) error {
	sent := false
	return s.insist(ctx, fmt.Sprintf("break the lock with fence %d", fence), func(ctx context.Context, x Session) error {
		for {
			l, ok := lease{}, false
			_, there, err := s.head(ctx, x)
			if err == nil && there {
				l, err = s.lease(ctx, x)
			}
			if err != nil {
				return err
			}
			var h state.Holder
			if there {
				h, ok = l.holder()
			}
			switch {
			case !ok && sent:
				return nil // by an attempt before
			case !ok:
				return errors.New("nobody holds it")
			case h.Fence != fence && h.Fence == 0:
				return &hinted{errors.New(h.Damaged), "it has fence 0, which nothing but an unreadable lease has"}
			case h.Fence != fence:
				return fmt.Errorf("it has fence %d now, held by %s@%s, run %s", h.Fence, h.By, h.Host, h.Run)
			}
			sent = true
			if n, err := one(ctx, x, s.sql(breakLease), l.beats); err != nil || n > 0 {
				return err
			}
		}
	})
}
