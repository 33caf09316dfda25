package git

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"meshrotate/state"
	"meshrotate/state/process"
)

// DefaultTTL is how long a lease is respected after its last heartbeat. It is long, because each heartbeat is a commit, and a
// server may be away for minutes.
const DefaultTTL = 5 * time.Minute

// maxTTL bounds what a lease may promise: a damaged number must not keep everybody out for ever.
const maxTTL = 24 * time.Hour

// fenceFile has the highest fence ever given out, also when nobody can read the lease.
const leaseFile, fenceFile = "lease.json", "fence"

// recordFile has the head of the ledger as whoever held the lock knew it last: the other branch by itself does not show that it was
// deleted, or taken back to an earlier commit.
const recordFile = "record"

// lease is the content of lease.json.
type lease struct {
	state.Holder
	// Free says that nobody holds it.
	Free bool `json:"free,omitempty"`
	// Process tells the holder's process from a later one with the same number, "" when that cannot be known.
	Process string `json:"process,omitempty"`
	// Token tells a lease from every other.
	Token string `json:"token,omitempty"`
	// TTL is the holder's promise, in seconds: it renews the heartbeat more often than that.
	TTL float64 `json:"ttl"`
}

// lease is the one on the branch; without one nobody has ever held it. What cannot be read is damaged.
func (t *tip) lease() (l lease, err error) {
	text, ok, err := t.read(leaseFile)
	if err != nil {
		return l, err
	}
	if !ok {
		return lease{Free: true}, nil
	}
	if json.Unmarshal(text, &l) != nil || l.Fence == 0 || !l.Free && !(0 < l.TTL && l.TTL <= maxTTL.Seconds()) {
		return lease{Holder: state.Holder{Damaged: leaseFile + " on the branch cannot be read"}}, nil
	}
	return l, nil
}

// put is the change that writes a lease.
func (l lease) put(message string) (change, error) {
	text, err := json.MarshalIndent(l, "", "  ")
	return change{files: map[string][]byte{leaseFile: append(text, '\n'), fenceFile: fmt.Appendln(nil, l.Fence)}, message: message}, err
}

// put is the change that writes a lease of ours, with how far we know the ledger.
func (s *Store) put(l lease, message string) (change, error) {
	c, err := l.put(message)
	record := s.known()
	if err != nil || record == nil {
		return c, err
	}
	c.files[recordFile], err = record.text()
	return c, err
}

// record is how far the ledger went at least, nil when nobody has said so.
func (t *tip) record() (*head, error) {
	text, ok, err := t.read(recordFile)
	if err != nil || !ok {
		return nil, err
	}
	var h head
	if json.Unmarshal(text, &h) != nil {
		return nil, state.Damaged(errors.New("the file record on the branch of the lock cannot be read"), "remove it: the next run writes it anew")
	}
	return &h, nil
}

// fence is the highest ever given out, 0 before the first.
func (t *tip) fence() (n uint64, err error) {
	text, ok, err := t.read(fenceFile)
	if err != nil || !ok {
		return 0, err
	}
	n, err = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n == math.MaxUint64 { // after which there is no next one
		return 0, state.Damaged(errors.New("the fence on the branch is not a number that a fence can have"), "write into it a number higher than every fence in ledger.jsonl")
	}
	return n, nil
}

// judged is a lease with what can be said about its holder: that it has ended, or why nobody can say.
func (s *Store) judged(l lease) lease {
	if l.Free || l.Damaged != "" {
		return l
	}
	age, ttl := s.now().Sub(l.Heartbeat), time.Duration(l.TTL*float64(time.Second))
	l.Beat = min(mostBeat, ttl/renewals)
	host, err := os.Hostname()
	switch {
	case err == nil && host == l.Host && process.Ended(l.PID, l.Process):
		l.Ended = true
	case age > ttl:
		l.Ended, l.Silent = true, true
	case age < -ttl:
		l.Damaged = fmt.Sprintf("its heartbeat lies %v in the future: the clock of %s or of this machine is wrong, so nobody can say whether it is alive", (-age).Round(time.Second), l.Host)
	}
	return l
}

// Acquire takes the lease. Zero Host, PID and Started of the holder are filled in with this machine, this process and
// the present time.
func (s *Store) Acquire(ctx context.Context, holder state.Holder) (state.Lease, error) {
	mine, err := s.newLease(holder)
	if err != nil {
		return nil, fmt.Errorf("acquire the lock: %w", err)
	}
	entries, err := s.Entries(ctx) // their fences outlive a lock that was lost
	if err != nil {
		return nil, fmt.Errorf("acquire the lock: %w", err)
	}
	recorded := state.NewHistory(entries).Fence()
	err = s.lock.change(ctx, "acquire the lock", func(t *tip) (c change, err error) {
		present, err := t.lease()
		if err != nil || mine.Fence > 0 && mine.same(present) {
			return c, err // an attempt before has won without knowing
		}
		if present = s.judged(present); !present.Free && !present.Ended {
			return c, &state.HeldError{Holder: present.Holder}
		}
		last, err := t.fence()
		if err != nil {
			return c, err
		}
		if last = max(last, present.Fence, recorded); last == math.MaxUint64 {
			return c, &hinted{errors.New("no fence is higher than the last one"), "keep the branch as an archive and begin another"}
		}
		mine.Fence, mine.Heartbeat = last+1, s.now()
		return s.put(mine, fmt.Sprintf("Run %s of %s@%s has the lock\n\nfence %d", mine.Run, mine.By, mine.Host, mine.Fence))
	})
	if err != nil {
		return nil, err
	}
	h := hold(s, mine)
	if err := s.takeOver(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("publish what an earlier run has left in %s: %w", s.config.Journal, err), h.Release(ctx))
	}
	return h, nil
}

func (s *Store) newLease(h state.Holder) (lease, error) {
	h.Fence, h.Ended, h.Silent, h.Damaged = 0, false, false, "" // that is for readers to say
	if h.Host == "" {
		host, err := os.Hostname()
		if err != nil {
			return lease{}, err
		}
		h.Host = host
	}
	if h.PID == 0 {
		h.PID = os.Getpid()
	}
	if h.Started.IsZero() {
		h.Started = s.now()
	}
	return lease{Holder: h, Token: rand.Text(), Process: process.Of(h.PID), TTL: min(s.config.TTL, maxTTL).Seconds()}, nil
}

// same says that two are of one holding.
func (l lease) same(other lease) bool {
	return !other.Free && l.Fence == other.Fence && l.Token == other.Token
}

// Current returns the present holder, and whether it has ended.
func (s *Store) Current(ctx context.Context) (h state.Holder, ok bool, err error) {
	err = s.lock.look(ctx, "look at the lock", func(t *tip) error {
		l, err := t.lease()
		l = s.judged(l)
		h, ok = l.Holder, !l.Free
		return err
	})
	if !ok {
		h = state.Holder{}
	}
	return h, ok, err
}

// Break removes the lease of the given fence.
func (s *Store) Break(ctx context.Context, fence uint64) error {
	sent := false
	return s.lock.change(ctx, fmt.Sprintf("break the lock with fence %d", fence), func(t *tip) (c change, err error) {
		l, err := t.lease()
		switch {
		case err != nil:
			return c, err
		case l.Free && sent:
			return c, nil
		case l.Free:
			return c, errors.New("nobody holds it")
		case l.Fence != fence && l.Fence == 0:
			return c, &hinted{errors.New(l.Damaged), "it has fence 0, which nothing but an unreadable lease has"}
		case l.Fence != fence:
			return c, fmt.Errorf("it has fence %d now, held by %s@%s, run %s", l.Fence, l.By, l.Host, l.Run)
		}
		sent = true
		if fence == 0 {
			return change{files: map[string][]byte{leaseFile: nil}, message: "Remove a lock that cannot be read"}, nil
		}
		return lease{Holder: state.Holder{Fence: fence}, Free: true}.put(fmt.Sprintf("Break the lock of run %s", l.Run))
	})
}
