// Package scheduler lets one thing happen at a time, in an order that a seed decides.
//
// It is for simulations in a bubble of testing/synctest. Whatever may come sooner or later, and whatever may go wrong, passes
// the scheduler under a name of its own: a message before it is sent, an op on a host, a write to the ledger. There it waits.
// When nothing else in the bubble goes on, one of those that wait is picked, its fate is decided, and it goes on alone until
// it waits again. So the order of goroutines decides nothing, and one seed is one story: the trace of a second life is the
// same, line by line.
//
// The clock stands still while anything waits here, but for a moment before each pick. These moments differ: so no two timers
// that were set by different events end at the same instant, and which of them is first is decided too.
package scheduler

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing/synctest"
	"time"
)

// Event is something whose turn it is.
type Event struct {
	// N counts all events, from 1.
	N int
	// Name is what it passed under.
	Name string
	// What is what the caller of Pass told about it.
	What any
	// At is how long the scheduler has run, on the bubble's clock.
	At time.Duration
}

// Fate is what is decided about an event. The zero Fate lets it happen.
type Fate[V any] struct {
	// Value is what Pass returns.
	Value V
	// Text tells it in the trace, "" for nothing.
	Text string
	// Before is called first, and what it sets going has come to rest before the event happens; nil: nothing is to be done.
	Before func()
	// After is called when the event has happened and nothing goes on any more; nil: nothing is to be done.
	After func()
}

// Scheduler is one bubble's. Its methods are safe for concurrent use, but for Trace.
type Scheduler[V any] struct {
	random *rand.Rand
	decide func(Event) Fate[V]
	begun  time.Time
	quit   chan struct{}
	ended  chan struct{}
	// arrived holds a token when something has come to wait.
	arrived chan struct{}

	mu      sync.Mutex
	waiting []*waiting[V]
	stopped bool

	n     int
	trace []string
}

// waiting is an event whose turn has not come.
type waiting[V any] struct {
	name string
	what any
	turn chan V
}

// jitter is the longest moment before a pick.
const jitter = time.Millisecond

// Start begins to schedule, in a bubble. Decide is asked about each event when its turn comes, while nothing else goes on; it
// must not wait. Stop ends it.
func Start[V any](seed uint64, decide func(Event) Fate[V]) *Scheduler[V] {
	s := &Scheduler[V]{random: rand.New(rand.NewPCG(seed, 0x5eed)), decide: decide, begun: time.Now(),
		quit: make(chan struct{}), ended: make(chan struct{}), arrived: make(chan struct{}, 1)}
	go s.run()
	return s
}

// Pass waits for its turn and returns what was decided. Of what waits at the same time each has a name of its own. After
// Stop it returns the zero value at once.
func (s *Scheduler[V]) Pass(name string, what any) V {
	w := &waiting[V]{name, what, make(chan V, 1)}
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		var zero V
		return zero
	}
	s.waiting = append(s.waiting, w)
	s.mu.Unlock()
	select {
	case s.arrived <- struct{}{}:
	default:
	}
	return <-w.turn
}

// Note adds a line to the trace. Only what is going on alone may call it: decide, After, and who has just passed.
func (s *Scheduler[V]) Note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trace = append(s.trace, fmt.Sprintf("%12.6f       "+format, append([]any{time.Since(s.begun).Seconds()}, args...)...))
}

// Stop lets everything pass from now on, undecided.
func (s *Scheduler[V]) Stop() {
	close(s.quit)
	<-s.ended
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for _, w := range s.waiting {
		var zero V
		w.turn <- zero
	}
	s.waiting = nil
}

// Events counts what has passed.
func (s *Scheduler[V]) Events() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}

// Trace is everything that has passed, in order. Call it after Stop.
func (s *Scheduler[V]) Trace() []string { return s.trace }

func (s *Scheduler[V]) run() {
	defer close(s.ended)
	for {
		synctest.Wait() // a token may be left of something that has passed: then nobody waits
		if s.idle() {
			select {
			case <-s.arrived:
			case <-s.quit:
				return
			}
			continue
		}
		time.Sleep(time.Duration(1 + s.random.Int64N(int64(jitter))))
		synctest.Wait() // a timer may have ended meanwhile
		w, e := s.pick()
		f := s.decide(e)
		if f.Text != "" {
			f.Text = "  <- " + f.Text
		}
		s.mu.Lock()
		s.trace = append(s.trace, fmt.Sprintf("%12.6f %5d %s%s", e.At.Seconds(), e.N, e.Name, f.Text))
		s.mu.Unlock()
		if f.Before != nil {
			f.Before()
			synctest.Wait()
		}
		w.turn <- f.Value
		if f.After != nil {
			synctest.Wait()
			f.After()
		}
	}
}

func (s *Scheduler[V]) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting) == 0
}

// pick takes one of those that wait. In which order they came says nothing.
func (s *Scheduler[V]) pick() (*waiting[V], Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortFunc(s.waiting, func(a, b *waiting[V]) int { return cmp.Compare(a.name, b.name) })
	for i := range s.waiting[1:] {
		if s.waiting[i].name == s.waiting[i+1].name {
			panic("scheduler: two things wait under one name, and nobody can tell which is which: " + s.waiting[i].name)
		}
	}
	i := s.random.IntN(len(s.waiting))
	w := s.waiting[i]
	s.waiting = slices.Delete(s.waiting, i, i+1)
	s.n++
	return w, Event{N: s.n, Name: w.name, What: w.what, At: time.Since(s.begun)}
}
