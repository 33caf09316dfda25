package git

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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
		local, err := file.Open(s.journalOf(fence))
		if err != nil {
			return fmt.Errorf("keep a journal: %w", err)
		}
		background, stop := context.WithCancel(context.Background())
		j = &journal{store: s, dir: s.journalOf(fence), local: local, publishing: make(chan struct{}, 1), wake: make(chan struct{}, 1), stop: stop, done: make(chan struct{})}
		if err := local.Reserve(ctx, size); err != nil {
			stop()
			return err
		}
		go j.keep(background)
		s.mu.Lock()
		s.journal = j
		s.mu.Unlock()
		return nil
	}
	return j.local.Reserve(ctx, size)
}

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
	if err := j.store.publish(ctx, batch); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.pending = j.pending[len(batch):]
	return nil
}

// endMost is for how long the end of a run waits for a server that is away.
const endMost = time.Minute

// end publishes everything, and removes the journal.
func (j *journal) end(ctx context.Context) error {
	defer func() { j.stop(); <-j.done }()
	var err error
	for until := time.Now().Add(endMost); ; {
		err = j.flush(ctx)
		var away *state.AwayError
		if !errors.As(err, &away) || time.Now().After(until) || pause(ctx, again) != nil {
			break
		}
	}
	if err != nil {
		return &hinted{fmt.Errorf("what this run has recorded is in %s and not on the branch yet: %w", j.dir, err),
			"the next run on this machine publishes it; keep the folder until then"}
	}
	return os.RemoveAll(j.dir)
}

const journalName = "journal-"

func (s *Store) journalOf(fence uint64) string {
	return filepath.Join(s.config.Journal, journalName+strconv.FormatUint(fence, 10))
}

// leftover is a journal on this machine with what the branch has not got.
type leftover struct {
	dir  string
	rest []state.Entry
	// outdated: somebody else went on without it.
	outdated bool
}

// leftovers are those of other processes, and of this one, beyond what is published.
func (s *Store) leftovers(ctx context.Context, published []state.Entry) (all []leftover, err error) {
	dirs, err := os.ReadDir(s.config.Journal)
	if errors.Is(err, fs.ErrNotExist) || s.config.Journal == "" {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for journals: %w", err)
	}
	highest := state.NewHistory(published).Fence()
	for _, d := range dirs {
		text, ours := strings.CutPrefix(d.Name(), journalName)
		fence, err := strconv.ParseUint(text, 10, 64)
		if !ours || err != nil {
			continue
		}
		l := leftover{dir: filepath.Join(s.config.Journal, d.Name()), outdated: highest > fence}
		local, err := file.Open(l.dir)
		if err != nil {
			return nil, err
		}
		entries, err := local.Entries(ctx)
		if err != nil {
			return nil, err
		}
		if l.rest, err = beyond(published, entries); err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// beyond are the entries of a journal after the last that is published: they are published in their order.
func beyond(published, entries []state.Entry) ([]state.Entry, error) {
	there := map[string]bool{}
	for _, e := range published {
		text, err := json.Marshal(e)
		if err != nil {
			return nil, err
		}
		there[string(text)] = true
	}
	for len(entries) > 0 {
		text, err := json.Marshal(entries[0])
		if err != nil {
			return nil, err
		}
		if !there[string(text)] {
			break
		}
		entries = entries[1:]
	}
	return entries, nil
}

// takeOver publishes what runs on this machine that died have left, under the lock. What somebody else went on without is set
// aside: it is not lost, and it is no news.
func (s *Store) takeOver(ctx context.Context) error {
	var published []state.Entry
	err := s.main.look(ctx, "read the ledger", func(t *tip) (err error) {
		_, published, err = decode(t, func(string) {})
		return err
	})
	if err != nil {
		return err
	}
	left, err := s.leftovers(ctx, published)
	if err != nil {
		return err
	}
	for _, l := range left {
		if l.outdated && len(l.rest) > 0 {
			aside := filepath.Join(s.config.Journal, "aside-"+filepath.Base(l.dir)+"-"+s.now().Format("20060102-150405"))
			if err := os.Rename(l.dir, aside); err != nil {
				return err
			}
			continue
		}
		if len(l.rest) > 0 {
			if err := s.publish(ctx, l.rest); err != nil {
				return err
			}
		}
		if err := os.RemoveAll(l.dir); err != nil {
			return err
		}
	}
	return nil
}
