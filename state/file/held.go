package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"meshrotate/state"
	"meshrotate/state/durable"
)

// renewals is how many heartbeats fit into a time to live: several may be late before anybody takes the lease over.
const renewals = 6

// releaseTimeout bounds the wait for lease.lock when a lease is given back by an interrupted run.
const releaseTimeout = 10 * time.Second

// lease is a lease that we hold, or held.
type lease struct {
	store *Store
	fence uint64
	stop  context.CancelFunc
	done  chan struct{} // closed when the heartbeat has stopped

	regaining sync.Mutex

	mu      sync.Mutex
	mine    leaseFile
	written []byte // of mine; nil: not by this lease
}

// hold starts the heartbeat.
func hold(s *Store, mine leaseFile) *lease {
	l := &lease{store: s, fence: mine.Fence, mine: mine}
	l.written, _ = mine.bytes()
	l.start()
	return l
}

func (l *lease) start() {
	ctx, stop := context.WithCancel(context.Background())
	l.stop, l.done = stop, make(chan struct{})
	go l.beat(ctx, l.done)
}

func (l *lease) beat(ctx context.Context, done chan struct{}) {
	defer close(done)
	every := time.NewTicker(l.store.ttl() / renewals)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		var lost *state.LostError
		if err := l.renew(ctx, nil); errors.As(err, &lost) {
			return // Check finds the same
		}
	}
}

// Fence never changes.
func (l *lease) Fence() uint64 { return l.fence }

// Check reads the lease again. When the heartbeat is overdue, because the machine slept or the disk was full, it is
// renewed first: as long as the file is still ours, nobody else was let in. That it cannot be read says nothing, while it was
// renewed of late.
func (l *lease) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	data, err := durable.ReadFile(l.store.path("lease.json"), smallLimit)
	if err == nil && l.asWritten(data) && !l.overdue() {
		return nil
	}
	present, ok, err := l.store.judged(data, err)
	if err != nil && !l.overdue() {
		return nil // it could not be read now: this machine's own limit, or its disk. Nobody is let in before it is overdue
	}
	if err != nil {
		return &state.LostError{Fence: l.fence, Err: err}
	}
	if lost := l.lost(present, ok); lost != nil {
		return lost
	}
	if !l.overdue() {
		return nil
	}
	err = l.renew(ctx, nil)
	var lost *state.LostError
	if err == nil || errors.As(err, &lost) {
		return err
	}
	return &state.LostError{Fence: l.fence, Err: err}
}

// asWritten says that this is what we wrote last. It is asked before each of ten thousand hosts' batches, so nothing is decoded.
func (l *lease) asWritten(data []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Equal(data, l.written)
}

func (l *lease) overdue() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.store.now().Sub(l.mine.Heartbeat) > l.store.ttl()
}

// Doing records what the holder is at. It renews the heartbeat too.
func (l *lease) Doing(ctx context.Context, what string) error {
	return l.renew(ctx, &what)
}

// renew writes a new heartbeat, and what is being done unless it is nil.
func (l *lease) renew(ctx context.Context, doing *string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := l.mine
	if doing != nil {
		next.Holder.Doing = *doing
	}
	err := l.ifOurs(ctx, func() error {
		next.Heartbeat = l.store.now()
		return l.store.writeLease(next)
	})
	if err != nil {
		return fmt.Errorf("renew the lock: %w", err)
	}
	l.mine = next
	l.written, _ = next.bytes()
	return nil
}

// Regain writes the lease anew, with its fence, if none was given out since and this is still the folder that it was in.
func (l *lease) Regain(ctx context.Context) error {
	l.regaining.Lock()
	defer l.regaining.Unlock()
	var next leaseFile
	err := l.store.locked(ctx, "lease.lock", func() error {
		present, ok, err := l.store.readLease()
		if err != nil {
			return err
		}
		if ok {
			return l.lost(present, ok)
		}
		last, err := l.store.readFence()
		if err == nil && last != l.fence {
			err = l.lost(present, ok)
		}
		if err == nil {
			err = l.store.stillKnown()
		}
		if err != nil {
			return err
		}
		l.mu.Lock()
		next = l.mine
		l.mu.Unlock()
		next.Heartbeat = l.store.now()
		return l.store.writeLease(next)
	})
	if err != nil {
		return fmt.Errorf("take the lock anew: %w", err)
	}
	if next.Fence == 0 {
		return nil // it was ours
	}
	l.mu.Lock()
	l.mine = next
	l.written, _ = next.bytes()
	l.mu.Unlock()
	l.stop()
	<-l.done
	l.start()
	return nil
}

// Release stops the heartbeat and removes the lease.
func (l *lease) Release(ctx context.Context) error {
	l.stop()
	<-l.done
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if err := l.ifOurs(ctx, l.store.removeLease); err != nil {
		return fmt.Errorf("release the lock: %w", err)
	}
	return nil
}

// ifOurs runs do under lease.lock when the lease is still ours.
func (l *lease) ifOurs(ctx context.Context, do func() error) error {
	return l.store.locked(ctx, "lease.lock", func() error {
		present, ok, err := l.store.readLease()
		if err != nil {
			return err
		}
		if lost := l.lost(present, ok); lost != nil {
			return lost
		}
		return do()
	})
}

// lost is an error unless the present lease is ours. What cannot be read may be somebody else's.
func (l *lease) lost(present leaseFile, ok bool) error {
	switch {
	case ok && present.Fence == l.fence && present.Run == l.mine.Run && present.Token == l.mine.Token: // neither ever changes
		return nil
	case ok && present.Fence == 0:
		return &state.LostError{Fence: l.fence, Err: errors.New(present.Damaged)}
	}
	return &state.LostError{Fence: l.fence, Holder: present.Holder}
}
