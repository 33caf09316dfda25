// Package memory keeps the state of a deployment in this process: for tests, simulations and demonstrations.
//
// A Store is the storage, and a Process is somebody who uses it. A process that is killed does nothing any more, and
// its lease is respected until its time to live is over, as one of another machine. Nothing runs in the background: a
// living process is taken to have renewed its lease just now. The clock is time.Now, so a Store works on the virtual
// clock of testing/synctest.
package memory

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// TTL is how long the lease of a killed process is respected.
const TTL = 30 * time.Second

// Store is the storage of one deployment. It is safe for concurrent use.
type Store struct {
	mu      sync.Mutex
	entries []state.Entry
	blobs   map[string][]byte
	salt    []byte
	fence   uint64 // the highest ever given out
	held    *lease // nil when nobody holds it
}

// New returns an empty store.
func New() *Store { return &Store{blobs: map[string][]byte{}} }

// Process uses a Store. It is a ledger, a lock, a salt and blobs.
type Process struct {
	store  *Store
	killed time.Time // zero while it lives
}

var (
	_ state.Ledger = (*Process)(nil)
	_ state.Lock   = (*Process)(nil)
	_ state.Salt   = (*Process)(nil)
	_ state.Blobs  = (*Process)(nil)
)

// ErrKilled is what a killed process is told, if anybody still asks.
var ErrKilled = errors.New("this process was killed")

// Open returns another process.
func (s *Store) Open() *Process { return &Process{store: s} }

// State is the store as everything that it keeps, in the hands of the process.
func (p *Process) State() state.State {
	return state.State{Ledger: p, Lock: p, Salt: p, Values: p, Records: p}
}

// Kill ends the process now, whatever it was doing: what it wrote stays, and it writes nothing more.
func (p *Process) Kill() {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	if p.killed.IsZero() {
		p.killed = now()
	}
}

// do runs an operation of a living process.
func (p *Process) do(ctx context.Context, op func(*Store) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	if !p.killed.IsZero() {
		return ErrKilled
	}
	return op(p.store)
}

func now() time.Time { return time.Now().UTC().Round(0) }

// Append keeps the entries, all or none.
func (p *Process) Append(ctx context.Context, entries ...state.Entry) error {
	return p.do(ctx, func(s *Store) error {
		for _, e := range entries {
			s.entries = append(s.entries, e.Recorded())
		}
		return nil
	})
}

// Reserve has nothing to do: there is room.
func (p *Process) Reserve(ctx context.Context, _ int) error {
	return p.do(ctx, func(*Store) error { return nil })
}

// Entries returns everything, oldest first.
func (p *Process) Entries(ctx context.Context) (entries []state.Entry, err error) {
	err = p.do(ctx, func(s *Store) error {
		entries = slices.Clone(s.entries)
		return nil
	})
	return entries, err
}

// saltSize is in bytes.
const saltSize = 32

// Salt is made once for the life of the store.
func (p *Process) Salt(ctx context.Context) (v secret.Value, err error) {
	err = p.do(ctx, func(s *Store) error {
		if s.salt == nil {
			s.salt = fresh()
		}
		v = secret.New(s.salt)
		return nil
	})
	return v, err
}

// PresentSalt is Salt where one was made, and another one each time before.
func (p *Process) PresentSalt(ctx context.Context) (v secret.Value, err error) {
	err = p.do(ctx, func(s *Store) error {
		v = secret.New(fresh())
		if s.salt != nil {
			v = secret.New(s.salt)
		}
		return nil
	})
	return v, err
}

// Present says what is there.
func (p *Process) Present(ctx context.Context) (is state.Present, err error) {
	err = p.do(ctx, func(s *Store) error {
		is = state.Present{Begun: s.fence > 0 || len(s.entries) > 0, Fence: s.fence, Place: p.Place()}
		if s.salt != nil {
			is.Salt = state.SaltID(secret.New(s.salt))
		}
		return nil
	})
	return is, err
}

func fresh() []byte {
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails: see its documentation
	return salt
}

// Create keeps a blob unless there is one.
func (p *Process) Create(ctx context.Context, name string, content []byte) error {
	return p.do(ctx, func(s *Store) error {
		if err := state.CheckBlob(name); err != nil {
			return err
		}
		if _, there := s.blobs[name]; there {
			return &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
		}
		s.blobs[name] = slices.Clone(content)
		return nil
	})
}

// Read returns a blob.
func (p *Process) Read(ctx context.Context, name string) (content []byte, err error) {
	err = p.do(ctx, func(s *Store) error {
		if err := state.CheckBlob(name); err != nil {
			return err
		}
		kept, there := s.blobs[name]
		if !there {
			return &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
		}
		content = slices.Clone(kept)
		return nil
	})
	return content, err
}

// Remove takes a blob away.
func (p *Process) Remove(ctx context.Context, name string) error {
	return p.do(ctx, func(s *Store) error {
		if _, there := s.blobs[name]; !there {
			return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
		}
		delete(s.blobs, name)
		return nil
	})
}

// List names the blobs in a folder.
func (p *Process) List(ctx context.Context, folder string) (names []string, err error) {
	err = p.do(ctx, func(s *Store) error {
		if err := state.CheckFolder(folder); err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(s.blobs)) {
			if strings.HasPrefix(name, folder+"/") {
				names = append(names, name)
			}
		}
		return nil
	})
	return names, err
}

// Folders names those with a blob.
func (p *Process) Folders(ctx context.Context) (folders []string, err error) {
	err = p.do(ctx, func(s *Store) error {
		for name := range s.blobs {
			folder, _, _ := strings.Cut(name, "/")
			folders = append(folders, folder)
		}
		return nil
	})
	slices.Sort(folders)
	return slices.Compact(folders), err
}

// Check finds room always.
func (p *Process) Check(ctx context.Context) error {
	return p.do(ctx, func(*Store) error { return nil })
}

// Place is nowhere that lasts.
func (p *Process) Place() string { return "the memory of this process" }
