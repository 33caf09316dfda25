// Package file keeps the state of a deployment in a folder of the local disk.
//
//	ledger.jsonl   one entry per line, each with the hash of those before it, only ever appended to
//	ledger.head    how many entries there are at least, and the hash of the last
//	ledger.lock    held while appending
//	ledger.room    what a run keeps of the disk, to give it up when the disk is full; absent between runs
//	lease.json     who is changing the deployment; absent when nobody is
//	lease.lock     held while lease.json changes
//	fence          the highest fence ever given out
//	salt           the key of fingerprints in plans
//	values/        sealed values, NAME/VERSION.age
//
// Reading creates nothing, so plan, status and history work on a folder that is read-only or not there yet. Two
// processes may use one folder at the same time, on one machine or over a file system that supports locks.
package file

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"

	"meshrotate/reconciler/secret"
	"meshrotate/state"
	"meshrotate/state/durable"
)

// DefaultTTL is how long a lease is respected after its last heartbeat.
const DefaultTTL = 30 * time.Second

// smallLimit and blobLimit are in bytes: a lease, a fence or a salt; a sealed value, which may be a license or a PFX.
const (
	smallLimit = 64 << 10
	blobLimit  = 16 << 20
)

// saltSize is in bytes: as long as the output of SHA-256.
const saltSize = 32

// Store is a folder. It is safe for concurrent use. Change its fields before the first use only.
type Store struct {
	// Now is the clock; nil is time.Now. Leases are judged by it, so machines that share a folder must agree on the
	// time to within a few seconds.
	Now func() time.Time
	// TTL is how long our leases are respected after their last heartbeat, a day at most; 0 is DefaultTTL.
	TTL time.Duration

	dir string
	// began: there was a ledger in the folder.
	began atomic.Bool

	appending sync.Mutex // tail; ledger.lock is taken before it
	tail      *tail      // of the ledger, nil when it is not known
	written   head       // how far this process has written; zero: not yet
}

var (
	_ state.Ledger = (*Store)(nil)
	_ state.Lock   = (*Store)(nil)
	_ state.Salt   = (*Store)(nil)
	_ state.Blobs  = (*Store)(nil)
)

// State is the store as everything that it keeps.
func (s *Store) State() state.State {
	return state.State{Ledger: s, Lock: s, Salt: s, Values: s, Records: s}
}

// Open returns the store in a folder, which need not exist yet. It creates nothing.
func Open(dir string) (*Store, error) {
	if dir == "" {
		return nil, errors.New("the state has no folder")
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("state: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("state: %s is not a folder", dir)
	}
	return &Store{dir: dir}, nil
}

// Salt returns 32 random bytes, made once for the life of the folder. They key the fingerprints of what a plan saw, so
// that a reader of the plan cannot test guesses of a low-entropy file against them.
func (s *Store) Salt(context.Context) (secret.Value, error) {
	salt, err := s.readSalt()
	if !errors.Is(err, fs.ErrNotExist) {
		return salt, err
	}
	fresh := make([]byte, saltSize)
	_, _ = rand.Read(fresh) // never fails: see its documentation
	err = durable.MkdirAll(s.dir)
	if err == nil {
		err = durable.Create(s.path("salt"), fresh)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return secret.Value{}, &hinted{fmt.Errorf("make %s: %w", s.path("salt"), err),
			"a plan needs it once: run the first plan where " + s.dir + " can be written, and keep the folder"}
	}
	return s.readSalt() // another process may have been first
}

// PresentSalt is Salt for a look that is compared with no other: where none was made yet it writes nothing, and returns
// another one each time.
func (s *Store) PresentSalt(context.Context) (secret.Value, error) {
	salt, err := s.readSalt()
	if !errors.Is(err, fs.ErrNotExist) {
		return salt, err
	}
	fresh := make([]byte, saltSize)
	_, _ = rand.Read(fresh) // never fails: see its documentation
	return secret.New(fresh), nil
}

// Present looks at the folder.
func (s *Store) Present(ctx context.Context) (state.Present, error) {
	p := state.Present{Place: s.dir}
	if err := ctx.Err(); err != nil {
		return p, err
	}
	var err error
	if _, p.Begun, err = s.readHead(); err != nil {
		return p, err
	}
	if salt, err := s.readSalt(); err == nil {
		p.Salt = state.SaltID(salt)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return p, err
	}
	if err := misplaced(s.Place()); err != nil {
		return p, err
	}
	for _, name := range []string{"ledger.lock", "lease.lock"} {
		if info, err := os.Lstat(s.path(name)); err == nil && !info.Mode().IsRegular() {
			return p, state.Damaged(fmt.Errorf("%s is no file: nothing can be locked with it", s.path(name)), "remove it: it is made again")
		}
	}
	p.Fence, err = s.readFence()
	return p, err
}

func (s *Store) readSalt() (secret.Value, error) {
	salt, err := durable.ReadFile(s.path("salt"), smallLimit)
	if err != nil {
		return secret.Value{}, unfit(err)
	}
	if len(salt) != saltSize {
		return secret.Value{}, state.Damaged(fmt.Errorf("%s: has %d bytes, not %d", s.path("salt"), len(salt), saltSize),
			"restore it from a backup, or remove it: plans that were saved before must then be made again")
	}
	return secret.New(salt), nil
}

// misplaced says of a folder whether something else stands in its place: a file, or a link that leads nowhere.
func misplaced(folder string) error {
	info, err := os.Stat(folder)
	if err != nil {
		if astray(folder) {
			return nowhere(folder)
		}
		if info, err = os.Lstat(folder); err != nil || info.IsDir() {
			return nil // there is none yet, or it is another trouble
		}
	}
	if !info.IsDir() {
		return state.Damaged(fmt.Errorf("%s is not a folder: what was kept is gone", folder), "restore the state folder from the backup")
	}
	return nil
}

// astray says of a path that it is a link, and that what it leads to is not there.
func astray(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != fs.ModeSymlink {
		return false
	}
	_, err = os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// nowhere is why nothing is read there: what was moved to a volume that is not mounted is not known to be gone.
func nowhere(path string) error {
	return state.Damaged(fmt.Errorf("%s is a link that leads nowhere: what was kept there cannot be read", path),
		"bring back what it leads to, as when a volume is not mounted; or restore the state folder from the backup")
}

// unfit says of a part of the record that something else stands in its place.
func unfit(err error) error {
	if errors.Is(err, durable.ErrUnfit) {
		return state.Damaged(err, "restore it from a backup")
	}
	return err
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, name) }

// now is wall time only: the monotonic clock stops while a machine sleeps, and others do not wait for it.
func (s *Store) now() time.Time {
	if s.Now != nil {
		return s.Now().UTC().Round(0)
	}
	return time.Now().UTC().Round(0)
}

func (s *Store) ttl() time.Duration {
	if s.TTL > 0 {
		return min(s.TTL, maxTTL)
	}
	return DefaultTTL
}

// lockMost bounds the wait for another process that writes, which takes milliseconds.
const lockMost = 20 * time.Second

// folder makes the folder if need be. One that had a ledger and has gone since is not made anew, nor is an empty one in its place
// begun: a share may be away, and comes back.
func (s *Store) folder() error {
	if !s.began.Load() {
		return durable.MkdirAll(s.dir)
	}
	if _, ok, err := s.readHead(); ok || err != nil {
		return err
	}
	if trace, err := s.trace(); trace != "" || err != nil {
		return err // the head alone is lost, and whoever reads says so
	}
	return &hinted{fmt.Errorf("the state has gone from %s", s.dir), "put the folder back, or mount it again; nothing is begun anew in its place"}
}

// locked runs do while it holds the named lock file. The folder is made if need be.
func (s *Store) locked(ctx context.Context, name string, do func() error) error {
	if err := s.folder(); err != nil {
		return err
	}
	if info, err := os.Stat(s.path(name)); err == nil && !info.Mode().IsRegular() {
		return &hinted{fmt.Errorf("lock %s: it is not a regular file", s.path(name)), "remove it: it is made again"} // a FIFO would be waited for
	}
	lock := flock.New(s.path(name))
	waiting, cancel := context.WithTimeout(ctx, lockMost)
	defer cancel()
	if _, err := lock.TryLockContext(waiting, time.Millisecond); err != nil {
		if ctx.Err() == nil && waiting.Err() != nil {
			return &hinted{fmt.Errorf("lock %s: another process has held it for %v", s.path(name), lockMost),
				"a write takes milliseconds: see which process has the file open (`fuser`, `lsof`), and whether it is suspended"}
		}
		return fmt.Errorf("lock %s: %w", s.path(name), err)
	}
	return errors.Join(do(), lock.Close())
}

// hinted is an error that says what to do.
type hinted struct {
	error
	hint string
}

func (h *hinted) Hint() string  { return h.hint }
func (h *hinted) Unwrap() error { return h.error }
