package git

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"meshrotate/state"
	"meshrotate/state/file"
)

const journalName = "journal-"

func (s *Store) journalOf(fence uint64) string {
	return filepath.Join(s.config.Journal, journalName+strconv.FormatUint(fence, 10))
}

// leftover is a journal on this machine.
type leftover struct {
	dir   string
	fence uint64
	rest  []state.Entry // what the branch has not got, and is still to have
	late  bool          // a run that began later is on the branch
}

// leftovers are those of other processes, and of this one.
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
		l := leftover{dir: filepath.Join(s.config.Journal, d.Name()), fence: fence, late: highest > fence}
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
		l.rest = stillTrue(published, l.rest)
		all = append(all, l)
	}
	return all, nil
}

// beyond are the entries that are not published yet.
func beyond(published, entries []state.Entry) (rest []state.Entry, err error) {
	there := map[string]bool{}
	for _, e := range published {
		text, err := json.Marshal(e)
		if err != nil {
			return nil, err
		}
		there[string(text)] = true
	}
	for _, e := range entries {
		text, err := json.Marshal(e)
		if err != nil {
			return nil, err
		}
		if !there[string(text)] {
			rest = append(rest, e)
		}
	}
	return rest, nil
}

// stillTrue leaves out what a run did for a secret that a later run has begun with: that one has looked, and knows better. How the
// run ended, and what it measured, stays true.
func stillTrue(published, rest []state.Entry) []state.Entry {
	fences := map[string]uint64{}
	for _, e := range published {
		fences[e.Secret] = max(fences[e.Secret], e.Fence)
	}
	return slices.DeleteFunc(rest, func(e state.Entry) bool { return e.Fence < fences[e.Secret] && !ends(e) })
}

// takeOver publishes what runs on this machine that died, or did not reach the server, have left, under the lock.
func (s *Store) takeOver(ctx context.Context) error {
	published, err := s.published(ctx)
	if err != nil {
		return err
	}
	left, err := s.leftovers(ctx, published)
	if err != nil {
		return err
	}
	for _, l := range left {
		if len(l.rest) > 0 {
			if err := s.publishRest(ctx, l.rest); err != nil {
				return err
			}
			s.mu.Lock()
			s.taken = append(s.taken, l.told(true))
			s.mu.Unlock()
		}
		if err := os.RemoveAll(l.dir); err != nil {
			return err
		}
	}
	return nil
}

// published is what the branch has.
func (s *Store) published(ctx context.Context) (entries []state.Entry, err error) {
	err = s.main.look(ctx, "read the ledger", func(t *tip) (err error) {
		_, entries, err = decode(t, func(string) {})
		return err
	})
	return entries, err
}

// told is what people are told of it.
func (l leftover) told(published bool) state.Journal {
	says, _, _ := strings.Cut(message(l.rest), "\n")
	return state.Journal{Place: l.dir, Run: l.rest[0].Run, Says: says, Late: l.late, Published: published}
}

// journals are what this process has published of others, and what is still to be published. What a living run has not pushed yet is
// its own.
func (s *Store) journals(ctx context.Context, alive uint64) (all []state.Journal, err error) {
	s.mu.Lock()
	all = slices.Clone(s.taken)
	s.mu.Unlock()
	if none, err := filepath.Glob(filepath.Join(s.config.Journal, journalName+"*")); err == nil && len(none) == 0 {
		return all, nil
	}
	published, err := s.published(ctx)
	if err != nil {
		return nil, err
	}
	left, err := s.leftovers(ctx, published)
	for _, l := range left {
		if len(l.rest) > 0 && l.fence != alive {
			all = append(all, l.told(false))
		}
	}
	return all, err
}
