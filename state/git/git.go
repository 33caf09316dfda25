// Package git keeps the state of a deployment on a branch of a Git repository, so that machines without a shared disk share it.
//
//	BRANCH        ledger.jsonl   one entry per line, as in a folder
//	              ledger.head    how many entries there are, and the hash of the last
//	              salt           the key of fingerprints in plans
//	              values/        sealed values, NAME/VERSION.age
//	BRANCH-lock   lease.json     who is changing the deployment
//	              fence          the highest fence ever given out
//
// Every change is one commit on top of the one that it follows from, pushed if nobody was faster: else it is made anew on top of
// theirs. So the log of BRANCH is the change-log, and of two runs that begin at once one has the lock. An answer that was lost is
// no trouble: what was sent is looked for before it is sent again.
//
// A push takes seconds, and a server may be away. So from the moment at which a run has kept room for what it still has to write
// until it gives its lease back, entries go into a journal on the local disk, and from there to the branch beside the run:
// whoever is down waits for no push. How a run ended goes there too, whenever it is told. What a run that died had not published yet
// is read, and published, by the next one on the same machine; where somebody else went on with a secret meanwhile, its ending alone.
package git

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"

	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// Config says where a state is.
type Config struct {
	// URL is the repository's, as git takes it, or a folder.
	URL string
	// Branch is its short name.
	Branch string
	// Auth is how to sign in; nil, or a nil method, is not at all. It is asked once.
	Auth func(ctx context.Context) (transport.AuthMethod, error)
	// CAs are authorities in PEM to trust for https beside the system's; nil is none. They are asked for once.
	CAs func() ([]byte, error)
	// Journal is a folder of the local disk.
	Journal string
	// Now is the clock; nil is time.Now. Leases are judged by it, so machines must agree on the time to within a minute.
	Now func() time.Time
	// TTL is how long our leases are respected after their last heartbeat; 0 is DefaultTTL.
	TTL time.Duration
}

// Store is a branch. It is safe for concurrent use.
type Store struct {
	config Config
	main   *branch
	lock   *branch

	tail *tail // of the ledger, nil when it is not known; who has main's turn has it

	mu      sync.Mutex
	journal *journal        // of the lease that we hold, nil before there is room for it
	fence   uint64          // of that lease, 0 without one
	taken   []state.Journal // what this process has published of others
	waits   time.Duration   // how long the end of a run waits for a server that is away
	record  *head           // how far the branch has the ledger at least; nil when it was not read
}

// Open returns a store. It contacts nobody and creates nothing.
func Open(c Config) *Store {
	if c.TTL <= 0 {
		c.TTL = DefaultTTL
	}
	r := &remote{config: c}
	return &Store{config: c, waits: endMost, main: newBranch(r, c.Branch), lock: newBranch(r, c.Branch+"-lock")}
}

var (
	_ state.Ledger  = (*Store)(nil)
	_ state.Lock    = (*Store)(nil)
	_ state.Salt    = (*Store)(nil)
	_ state.Blobs   = (*Store)(nil)
	_ state.Records = (*Store)(nil)
)

// State is the store as everything that it keeps.
func (s *Store) State() state.State {
	return state.State{Ledger: s, Lock: s, Salt: s, Values: s, Records: s}
}

// Place is where it is, for people.
func (s *Store) Place() string { return fmt.Sprintf("%s, branch %s", s.config.URL, s.config.Branch) }

// saltSize is in bytes: as long as the output of SHA-256.
const saltSize = 32

const saltFile = "salt"

// Salt returns 32 random bytes, made once for the life of the branch.
func (s *Store) Salt(ctx context.Context) (salt secret.Value, err error) {
	fresh := randomBytes()
	err = s.main.change(ctx, "make the salt", func(t *tip) (c change, err error) {
		if salt, err = t.salt(); !errors.Is(err, errNoSalt) {
			return c, err
		}
		if err := s.maybeBegun(ctx, t); err != nil {
			return c, err
		}
		salt = secret.New(fresh)
		return change{files: map[string][]byte{saltFile: fresh}, message: "Begin the state"}, nil
	})
	return salt, err
}

// maybeBegun refuses to begin a state where the lock knows of one: its branch was deleted, and another one in its place would be in the
// way of whoever pushes it again.
func (s *Store) maybeBegun(ctx context.Context, t *tip) error {
	if _, there := t.files[ledgerFile]; there {
		return nil
	}
	return s.lock.look(ctx, "look at the lock", func(t *tip) error {
		record, err := t.record()
		if err != nil {
			return err
		}
		return s.hasAll(record, nil)
	})
}

// PresentSalt is Salt for a look that is compared with no other: where none was made yet it writes nothing, and returns
// another one each time.
func (s *Store) PresentSalt(ctx context.Context) (salt secret.Value, err error) {
	err = s.main.look(ctx, "read the salt", func(t *tip) error {
		if salt, err = t.salt(); errors.Is(err, errNoSalt) {
			salt, err = secret.New(randomBytes()), nil
		}
		return err
	})
	return salt, err
}

var errNoSalt = errors.New("there is no salt")

func (t *tip) salt() (secret.Value, error) {
	salt, ok, err := t.read(saltFile)
	switch {
	case err != nil:
		return secret.Value{}, err
	case !ok:
		return secret.Value{}, errNoSalt
	case len(salt) != saltSize:
		return secret.Value{}, state.Damaged(fmt.Errorf("the salt has %d bytes, not %d", len(salt), saltSize),
			"take it back to what an earlier commit of the branch has, or remove it: plans that were saved before must then be made again")
	}
	return secret.New(salt), nil
}

func randomBytes() []byte {
	fresh := make([]byte, saltSize)
	_, _ = rand.Read(fresh) // never fails: see its documentation
	return fresh
}

// Present looks at both branches.
func (s *Store) Present(ctx context.Context) (is state.Present, err error) {
	is.Place = s.Place()
	err = s.main.look(ctx, "look at the state", func(t *tip) error {
		_, is.Begun = t.files[ledgerFile]
		salt, err := t.salt()
		switch {
		case errors.Is(err, errNoSalt):
		case err != nil:
			return err
		default:
			is.Salt = state.SaltID(salt)
		}
		return nil
	})
	if err != nil {
		return is, err
	}
	var alive uint64
	err = s.lock.look(ctx, "look at the lock", func(t *tip) error {
		is.Fence, err = t.fence()
		is.Begun = is.Begun || is.Fence > 0
		if l, err := t.lease(); err == nil {
			if l = s.judged(l); !l.Free && !l.Ended {
				alive = l.Fence
			}
		}
		return err
	})
	if err == nil {
		is.Journals, err = s.journals(ctx, alive)
	}
	return is, err
}

// now is wall time only: the monotonic clock stops while a machine sleeps, and others do not wait for it.
func (s *Store) now() time.Time {
	if s.config.Now != nil {
		return s.config.Now().UTC().Round(0)
	}
	return time.Now().UTC().Round(0)
}

// hinted is an error that says what to do.
type hinted struct {
	error
	hint string
}

func (h *hinted) Hint() string  { return h.hint }
func (h *hinted) Unwrap() error { return h.error }
