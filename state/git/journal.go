package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"meshrotate/state"
	"meshrotate/state/file"
)

// journal takes the entries of a run that has kept room, and publishes them beside it.
type journal struct {
	store *Store
	dir   string
	local *file.Store

	publishing chan struct{} // had by who publishes
	wake       chan struct{}
	stop       context.CancelFunc
	done       chan struct{}

	mu      sync.Mutex
	pending []state.Entry // not published yet
}

// again is how long a publisher waits after a failure.
const again = 2 * time.Second

// journaling is the journal of the lease that we hold, nil while entries are pushed at once.
func (s *Store) journaling() *journal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.journal
}

// Reserve publishes what there is, and keeps room on the local disk for what is to come. So whatever is begun after it has its
// start on the branch. Without a lease it is asked whether the branch can be pushed to.
func (s *Store) Reserve(ctx context.Context, size int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	j, fence := s.journal, s.fence
	s.mu.Unlock()
	switch {
	case fence == 0:
		return s.Check(ctx)
	case j != nil:
		if err := j.flush(ctx); err != nil {
			return err
		}
	default:
		_, err := s.begin(ctx, fence, size)
		return err
	}
	return j.local.Reserve(ctx, size)
}

// begin begins the journal of our lease, with room for so many bytes.
func (s *Store) begin(ctx context.Context, fence uint64, size int) (*journal, error) {
	local, err := file.Open(s.journalOf(fence))
	if err == nil && size > 0 {
		err = local.Reserve(ctx, size)
	}
	if err != nil {
		return nil, fmt.Errorf("keep a journal: %w", err)
	}
	background, stop := context.WithCancel(context.Background())
	j := &journal{store: s, dir: s.journalOf(fence), local: local, publishing: make(chan struct{}, 1), wake: make(chan struct{}, 1), stop: stop, done: make(chan struct{})}
	go j.keep(background)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal = j
	return j, nil
}

// ending is the journal for entries that tell how a rotation ended, nil for others and without a lease. Nothing is done that hangs on
// them, so they need not be on the branch; and a server that is away must not take them from whoever asks later.
func (s *Store) ending(ctx context.Context, entries []state.Entry) *journal {
	s.mu.Lock()
	fence := s.fence
	s.mu.Unlock()
	if fence == 0 || !slices.ContainsFunc(entries, ends) {
		return nil
	}
	j, err := s.begin(ctx, fence, 0)
	if err != nil {
		return nil // then they are pushed
	}
	return j
}

// ends says that an entry tells how a rotation ended.
func ends(e state.Entry) bool { return e.Secret != "" && e.Step == "" && e.Outcome != state.Started }

// append makes entries durable here. A disk that refuses is no reason to lose them: then they are pushed.
func (j *journal) append(ctx context.Context, entries []state.Entry) error {
	err := j.local.Append(ctx, entries...)
	j.mu.Lock()
	for _, e := range entries {
		j.pending = append(j.pending, e.Recorded())
	}
	j.mu.Unlock()
	if err != nil {
		return j.flush(ctx)
	}
	select {
	case j.wake <- struct{}{}:
	default:
	}
	return nil
}

// keep publishes in the background.
func (j *journal) keep(ctx context.Context) {
	defer close(j.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-j.wake:
		}
		for j.flush(ctx) != nil {
			if pause(ctx, again) != nil {
				return
			}
		}
	}
}

// flush publishes what is pending.
func (j *journal) flush(ctx context.Context) error {
	select {
	case j.publishing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-j.publishing }()
	j.mu.Lock()
	batch := j.pending
	j.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	if err := j.store.publishRest(ctx, batch); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.pending = j.pending[len(batch):]
	return nil
}

// endMost is for how long the end of a run waits for a server that is away.
const endMost = 50 * time.Second

// end publishes everything, and removes the journal. A server that is away is waited for until ctx is done.
func (j *journal) end(ctx context.Context) error {
	defer func() { j.stop(); <-j.done }()
	ctx, cancel := context.WithTimeout(ctx, j.store.waits)
	defer cancel()
	var err error
	for {
		last := j.flush(ctx)
		if last == nil {
			return os.RemoveAll(j.dir)
		}
		var away *state.AwayError
		if err == nil || ctx.Err() == nil {
			err = last // and not that we do not wait any more
		}
		if !errors.As(last, &away) || pause(ctx, again) != nil {
			break
		}
	}
	hint := "the next `meshrotate apply` on this machine publishes it; keep the folder until then"
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		hint = h.Hint() + "; then " + hint
	}
	return &hinted{fmt.Errorf("what this run has recorded is in %s and not on the branch yet: %w", j.dir, err), hint}
}
