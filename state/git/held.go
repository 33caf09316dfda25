package git

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"meshrotate/state"
)

// A heartbeat comes so often that people see who is alive, and that several may be late before anybody takes the lease over.
const (
	mostBeat = 20 * time.Second
	renewals = 6
)

func (s *Store) every() time.Duration { return min(mostBeat, s.config.TTL/renewals) }

// How long Check and Doing wait for a server; how old an answer may be while services may be down; and how often it is asked
// then, and while it is away.
const (
	checkPatience = 2 * time.Second
	doingPatience = 10 * time.Second
	fresh         = 6 * time.Second
	often         = 2 * time.Second
)

// held is a lease that we hold, or held.
type held struct {
	store *Store
	fence uint64
	stop  context.CancelFunc
	wake  chan struct{}
	done  chan struct{} // closed when the heartbeat has stopped

	asking    chan struct{} // had by who asks
	regaining sync.Mutex

	mu       sync.Mutex
	mine     lease
	began    uint64    // questions
	answered uint64    // the latest question that was answered
	answer   time.Time // when it was asked
	renewed  time.Time // when the last heartbeat that was pushed was made
	away     bool      // the last attempt had no answer
	lost     *state.LostError
}

func hold(s *Store, mine lease) *held {
	h := &held{store: s, fence: mine.Fence, wake: make(chan struct{}, 1), asking: make(chan struct{}, 1), mine: mine, renewed: mine.Heartbeat, answer: time.Now()}
	s.mu.Lock()
	s.fence, s.journal = mine.Fence, nil
	s.mu.Unlock()
	h.start()
	return h
}

func (h *held) start() {
	ctx, stop := context.WithCancel(context.Background())
	h.stop, h.done = stop, make(chan struct{})
	go h.beat(ctx, h.done)
}

// beat renews the lease, and asks often whether it is ours while nobody may wait for an answer.
func (h *held) beat(ctx context.Context, done chan struct{}) {
	defer close(done)
	every := time.NewTicker(min(often, h.store.every()))
	defer every.Stop()
	for h.isLost() == nil {
		write := false
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
			write = true
		case <-every.C:
			h.mu.Lock()
			age, away := h.store.now().Sub(h.renewed), h.away
			h.mu.Unlock()
			write = age > h.store.every()
			if !write && !away && h.store.journaling() == nil {
				continue
			}
		}
		one, cancel := context.WithTimeout(context.WithoutCancel(ctx), attempt)
		if write {
			_ = h.renew(one)
		} else {
			h.ask(one)
		}
		cancel()
	}
}

// renew pushes a heartbeat.
func (h *held) renew(ctx context.Context) error {
	now := h.store.now()
	err := h.store.lock.change(ctx, "renew the lock", func(t *tip) (c change, err error) {
		present, err := t.lease()
		h.mu.Lock()
		defer h.mu.Unlock()
		if err != nil || !h.judge(present) {
			return c, err
		}
		h.mine.Heartbeat = now
		return h.store.put(h.mine, fmt.Sprintf("Run %s is at work: %s", h.mine.Run, h.mine.Holder.Doing))
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away = err != nil; err == nil && h.lost == nil {
		h.renewed = now
	}
	if err == nil && h.lost != nil {
		return h.lost
	}
	return err
}

// judge says whether the present lease is ours, and remembers when it is not. Who has mu calls it.
func (h *held) judge(present lease) bool {
	if h.mine.same(present) {
		return true
	}
	if h.lost == nil {
		h.lost = &state.LostError{Fence: h.fence}
		if present.Damaged != "" {
			h.lost.Err = errors.New(present.Damaged)
		} else if !present.Free {
			h.lost.Holder = present.Holder
		}
	}
	return false
}

// ask asks whether the lease is ours. All who ask at the same time have one answer, to a question that was sent after they asked.
func (h *held) ask(ctx context.Context) {
	h.mu.Lock()
	before := h.began
	h.mu.Unlock()
	select {
	case h.asking <- struct{}{}:
		defer func() { <-h.asking }()
	case <-ctx.Done():
		return
	}
	h.mu.Lock()
	done := h.answered > before
	h.began++
	number, at := h.began, time.Now()
	h.mu.Unlock()
	if done {
		return
	}
	err := h.store.lock.look(ctx, "look at the lock", func(t *tip) error {
		present, err := t.lease()
		h.mu.Lock()
		defer h.mu.Unlock()
		if err == nil {
			h.judge(present)
		}
		return err
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away = err != nil; err == nil {
		h.answered, h.answer = number, at
	}
}

func (h *held) isLost() *state.LostError {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lost
}

// Fence never changes.
func (h *held) Fence() uint64 { return h.fence }

// Check asks the server. While services may be down an answer of some seconds ago will do, and while the server is away nobody
// waits for it: the lease is ours until its time is over, as nobody takes it over before.
func (h *held) Check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	h.mu.Lock()
	skip := h.away || h.store.journaling() != nil && time.Since(h.answer) < fresh
	h.mu.Unlock()
	if !skip {
		soon, cancel := context.WithTimeout(ctx, checkPatience)
		h.ask(soon)
		cancel()
	}
	if lost := h.isLost(); lost != nil {
		return lost
	}
	h.mu.Lock()
	age := h.store.now().Sub(h.renewed)
	h.mu.Unlock()
	if age <= h.store.config.TTL {
		return nil
	}
	// The machine slept: as long as the lease is still ours, nobody else was let in.
	soon, cancel := context.WithTimeout(ctx, doingPatience)
	defer cancel()
	err := h.renew(soon)
	var lost *state.LostError
	if err == nil || errors.As(err, &lost) {
		return err
	}
	return &state.LostError{Fence: h.fence, Err: err}
}

// Regain pushes the lease anew, with its fence, if none was given out since.
func (h *held) Regain(ctx context.Context) error {
	h.regaining.Lock()
	defer h.regaining.Unlock()
	lost := h.isLost()
	if lost == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, doingPatience)
	defer cancel()
	var now time.Time
	err := h.store.lock.change(ctx, "take the lock anew", func(t *tip) (c change, err error) {
		present, err := t.lease()
		if err != nil || h.mine.same(present) {
			return c, err // an attempt before has won without knowing
		}
		last, err := t.fence()
		if err != nil {
			return c, err
		}
		if !present.Free || max(last, present.Fence) != h.fence {
			return c, lost
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		now = h.store.now()
		h.mine.Heartbeat = now
		return h.store.put(h.mine, fmt.Sprintf("Run %s, whose lock was taken away, has it again for its way back", h.mine.Run))
	})
	if err != nil {
		return err
	}
	h.stop()
	<-h.done
	h.mu.Lock()
	h.lost, h.away = nil, false
	if !now.IsZero() {
		h.renewed = now
	}
	h.mu.Unlock()
	h.start()
	return nil
}

// Doing records what the holder is at. While services may be down it is pushed beside the run.
func (h *held) Doing(ctx context.Context, what string) error {
	h.mu.Lock()
	h.mine.Holder.Doing = what
	h.mu.Unlock()
	if lost := h.isLost(); lost != nil {
		return lost
	}
	if h.store.journaling() != nil {
		select {
		case h.wake <- struct{}{}:
		default:
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, doingPatience)
	defer cancel()
	return h.renew(ctx)
}
