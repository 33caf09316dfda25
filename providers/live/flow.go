package live

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"meshrotate/providers/limits"
	"meshrotate/providers/winrm"
)

// flow lets hosts in, as many at once as they and this machine bear, and never more than its ceiling. It begins with some. Every answer
// lets one more in, while answers come about as soon as they did and this machine keeps up; a quota, a time-out or a limit of this
// machine's halves it, once for all that was under way by then. Who waits comes in in turn.
type flow struct {
	now  func() time.Time
	busy func() bool // this machine does not keep up; nil: it does
	// patience is how long those who wait do so without any answer coming: then twice as many are let in, for who is in hangs. Zero:
	// without end.
	patience time.Duration

	mu        sync.Mutex
	most      int // the ceiling
	width     int // how many may be in
	in        int
	waiting   []chan struct{}
	shrunk    time.Time
	tempos    map[string]*tempo // by kind of work
	answers   int               // that came
	reviewing bool              // somebody looks whether any come
}

// tempo is how long answers of one kind take of late, about, and the least that it was.
type tempo struct{ last, best time.Duration }

// Begins is how many hosts are let in at first.
const Begins = 100

// In the switch, where every second counts, it begins with as many as this machine's processors serve in about a second. More would
// crowd each other: what is stopped would wait for its start.
const (
	everybody    = 1 << 20 // is more than there are
	rushEach     = 500     // processor
	rushPatience = 5 * time.Second
)

func newFlow(begins, most int, patience time.Duration, now func() time.Time, busy func() bool) *flow {
	return &flow{most: most, width: min(most, begins), patience: patience, now: now, busy: busy, tempos: map[string]*tempo{}}
}

// enter waits for a turn. It is to be given back by leave.
func (f *flow) enter(ctx context.Context) (began time.Time, err error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, err
	}
	f.mu.Lock()
	if f.in < f.width && len(f.waiting) == 0 {
		f.in++
		f.mu.Unlock()
		return f.now(), nil
	}
	turn := make(chan struct{})
	f.waiting = append(f.waiting, turn)
	if f.patience > 0 && !f.reviewing {
		f.reviewing = true
		go f.review()
	}
	f.mu.Unlock()
	select {
	case <-turn:
		return f.now(), nil
	case <-ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := slices.Index(f.waiting, turn); i >= 0 {
		f.waiting = slices.Delete(f.waiting, i, i+1)
	} else { // let in just now
		f.in--
		f.admit()
	}
	return time.Time{}, ctx.Err()
}

// leave gives back a turn, with what was done and what came of it.
func (f *flow) leave(what string, began time.Time, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.in--
	f.answers++
	switch {
	case congested(err):
		if began.After(f.shrunk) || f.shrunk.IsZero() {
			f.width, f.shrunk = max(1, f.width/2), f.now()
		}
	case err == nil && f.soon(what, f.now().Sub(began)) && f.keepsUp():
		f.width = min(f.most, f.width+1)
	}
	f.admit()
}

// soon notes how long an answer took, and says whether they come about as soon as they did.
func (f *flow) soon(what string, took time.Duration) bool {
	t := f.tempos[what]
	if t == nil {
		t = &tempo{took, took}
		f.tempos[what] = t
	}
	t.last += (took - t.last) / 8
	t.best = min(t.best, t.last)
	return t.last <= 2*t.best
}

func (f *flow) keepsUp() bool { return f.busy == nil || !f.busy() }

func (f *flow) admit() {
	for f.in < f.width && len(f.waiting) > 0 {
		f.in++
		close(f.waiting[0])
		f.waiting = f.waiting[1:]
	}
}

// review lets in more where no answers come, until nobody waits.
func (f *flow) review() {
	for waits, came := true, -1; waits; {
		f.mu.Lock()
		if f.answers == came {
			f.width = min(f.most, 2*f.width)
			f.admit()
		}
		came, waits = f.answers, len(f.waiting) > 0
		f.reviewing = waits
		f.mu.Unlock()
		if waits {
			time.Sleep(f.patience)
		}
	}
}

// congested says that there was too much at once: for a host, for what stands before it, or for this machine.
func congested(err error) bool {
	var e *winrm.Error
	return limits.Met(err) != nil || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &e) && (e.Class == winrm.Quota || e.Class == winrm.Local)
}
