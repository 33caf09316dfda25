package mssql

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"meshrotate/state"
)

// A heartbeat comes every few seconds, so that people see who is alive, and six at least within the time to live.
const (
	mostBeat = 5 * time.Second
	renewals = 6
)

// How long Check and Doing wait for a server that was there a moment ago; and how long an attempt of the heartbeat takes.
const (
	checkPatience = time.Second
	beatPatience  = 5 * time.Second
)

// releaseTries bounds how often an interrupted run tries to give its lease back to a server that is away.
const releaseTries = 2

// held is a lease that we hold, or held. One goroutine at a time speaks on its session: the one that acquires it, then the
// heartbeat, then the one that releases it.
type held struct {
	store   *Store
	token   string
	fence   int64
	session Session // nil while the server is away
	locked  bool    // the session holds the application lock

	asks chan ask
	stop chan struct{}
	once sync.Once
	done chan struct{} // closed when the heartbeat has stopped

	regaining sync.Mutex

	mu      sync.Mutex
	mark    mark
	renewed time.Time // when the last heartbeat that was written was sent, by our clock
	away    bool      // the last attempt had no answer
	lost    *state.LostError
}

// ask wants to know whether the lease is ours, now.
type ask struct {
	write  bool // a heartbeat, too
	answer chan bool
}

func (h *held) start() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asks, h.stop, h.done = make(chan ask), make(chan struct{}), make(chan struct{})
	go h.keep(h.asks, h.stop, h.done)
}

// keep renews the lease until it is lost or given back. All who ask at the same time have one answer, to a question that was
// sent after they asked: ten thousand checks cost a few round trips, and none is stale.
func (h *held) keep(asks chan ask, stop, done chan struct{}) {
	defer close(done)
	every := time.NewTicker(min(h.store.ttl()/renewals, mostBeat))
	defer every.Stop()
	for {
		var asked []ask
		write := false
		select {
		case <-stop:
			return
		case a := <-asks:
			asked, write = append(asked, a), a.write
		case <-every.C:
			write = true
		}
		for more := true; more; {
			select {
			case a := <-asks:
				asked, write = append(asked, a), write || a.write
			default:
				more = false
			}
		}
		ours := h.beat(write)
		for _, a := range asked {
			a.answer <- ours
		}
		if h.isLost() != nil {
			return
		}
	}
}

// beat is true when the lease is certainly ours. A session that was cut is no answer: a new one is tried at once.
func (h *held) beat(write bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), beatPatience)
	defer cancel()
	had := h.session != nil
	ours, err := h.renew(ctx, write)
	if err != nil {
		h.hangUp()
	}
	if err != nil && had && ctx.Err() == nil {
		if ours, err = h.renew(ctx, write); err != nil {
			h.hangUp()
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away = err != nil
	return ours
}

// present signs in, unless there is a session, and sees that it holds the application lock.
func (h *held) present(ctx context.Context) (err error) {
	if h.session == nil {
		if h.session, err = h.store.signIn(ctx); err != nil {
			h.session = nil
			return err
		}
		h.locked = false
	}
	if !h.locked {
		return h.lock(ctx, h.session)
	}
	return nil
}

// renew writes a heartbeat, or looks. A server that cannot write at the moment can still be asked.
func (h *held) renew(ctx context.Context, write bool) (ours bool, err error) {
	if err := h.present(ctx); err != nil {
		return false, err
	}
	if write {
		sent := time.Now()
		n, err := one(ctx, h.session, h.store.sql(renewLease), h.text(), h.fence, h.token)
		switch {
		case err != nil && (ctx.Err() != nil || h.store.config.Passes(err)):
			return false, err
		case err == nil && n == 1:
			h.mu.Lock()
			h.renewed = sent.Round(0) // wall time: the other clock stops while a machine sleeps
			h.mu.Unlock()
			return true, nil
		}
	}
	l, err := h.store.lease(ctx, h.session)
	if err != nil {
		return false, err
	}
	if l.token.String == h.token && l.fence == h.fence {
		return true, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lost = h.lostTo(l)
	return false, nil
}

// lostTo says who has the lease.
func (h *held) lostTo(l lease) *state.LostError {
	by, _ := l.holder()
	lost := &state.LostError{Fence: h.Fence(), Holder: by}
	if by.Damaged != "" && by.Fence == 0 {
		lost.Err = errors.New(by.Damaged)
	}
	return lost
}

func (h *held) text() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mark.text()
}

func (h *held) isLost() *state.LostError {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lost
}

// Fence never changes.
func (h *held) Fence() uint64 { return uint64(h.fence) }

// Check asks the server. While it is away nobody waits for it: the lease is ours until its time is over, as nobody takes it
// over before.
func (h *held) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if h.ask(ctx, false) {
		return nil
	}
	if lost := h.isLost(); lost != nil {
		return lost
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if age := time.Now().Round(0).Sub(h.renewed); age > h.store.ttl() {
		return &state.LostError{Fence: h.Fence(), Err: fmt.Errorf("no heartbeat has reached the database for %v", age.Round(time.Second))}
	}
	return nil
}

// Regain writes the lease anew, with its fence, if none was given out since.
func (h *held) Regain(ctx context.Context) error {
	h.regaining.Lock()
	defer h.regaining.Unlock()
	if h.isLost() == nil {
		return nil
	}
	<-h.done // whose session is ours now
	ctx, cancel := context.WithTimeout(ctx, beatPatience)
	defer cancel()
	if err := h.retake(ctx); err != nil {
		return fmt.Errorf("take the lock anew: %w", err)
	}
	h.mu.Lock()
	h.lost, h.away = nil, false
	h.mu.Unlock()
	h.start()
	return nil
}

func (h *held) retake(ctx context.Context) error {
	if err := h.present(ctx); err != nil {
		return err
	}
	l, err := h.store.lease(ctx, h.session)
	if err != nil || l.token.String == h.token && l.fence == h.fence {
		return err // an attempt before may have won without knowing
	}
	if _, held := l.holder(); held || max(l.fence, l.recorded.Int64) != h.fence {
		return h.lostTo(l)
	}
	sent := time.Now()
	n, err := one(ctx, h.session, h.store.sql(takeLease), h.fence, h.token, h.text(), int64(h.store.ttl()/time.Second), l.beats)
	if err == nil && n == 0 {
		err = h.lostTo(l) // somebody else was first
	}
	if err == nil {
		h.mu.Lock()
		h.renewed = sent.Round(0)
		h.mu.Unlock()
	}
	return err
}

// Doing records what the holder is at. A server that is away is told later.
func (h *held) Doing(ctx context.Context, what string) error {
	h.mu.Lock()
	h.mark.Holder.Doing = what
	h.mu.Unlock()
	h.ask(ctx, true)
	if lost := h.isLost(); lost != nil {
		return lost
	}
	return nil
}

// ask is true when the lease is ours for certain; unknown is false.
func (h *held) ask(ctx context.Context, write bool) bool {
	h.mu.Lock()
	away, asks, done := h.away, h.asks, h.done
	h.mu.Unlock()
	if away {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	a := ask{write, make(chan bool, 1)}
	select {
	case asks <- a:
	case <-done:
		return false
	case <-ctx.Done():
		h.isAway()
		return false
	}
	select {
	case ours := <-a.answer:
		return ours
	case <-ctx.Done():
		h.isAway()
		return false
	}
}

// isAway keeps others from waiting, until the server answers again.
func (h *held) isAway() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away = true
}

// Release stops the heartbeat and removes the lease, also when ctx is done.
func (h *held) Release(ctx context.Context) error {
	h.once.Do(func() { close(h.stop) })
	<-h.done
	if lost := h.isLost(); lost != nil {
		h.hangUp()
		return fmt.Errorf("release the lock: %w", lost)
	}
	defer h.hangUp()
	sent := false
	var err error
	for range releaseTries {
		if err = h.store.insist(context.WithoutCancel(ctx), "release the lock", func(ctx context.Context, x Session) error { return h.drop(ctx, x, &sent) }); !h.store.config.Passes(err) {
			return err
		}
	}
	return err
}

// drop is one attempt to remove the lease.
func (h *held) drop(ctx context.Context, x Session, sent *bool) error {
	before := *sent
	*sent = true
	n, err := one(ctx, x, h.store.sql(dropLease), h.fence, h.token)
	if err != nil || n == 1 {
		return err
	}
	l, err := h.store.lease(ctx, x)
	if err != nil || before && l.fence == h.fence && !l.token.Valid && !l.text.Valid {
		return err
	}
	return h.lostTo(l)
}

func (h *held) hangUp() {
	if h.session != nil {
		h.session.Close()
		h.session = nil
	}
}
