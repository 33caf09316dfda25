// Package mssql keeps the state of a deployment in a schema of a SQL Server database, so that several machines share it.
//
//	state    one row: the schema's version, the salt, the ledger's head, who holds the lease
//	ledger   one row for each entry, with the hash of those before it, only ever inserted
//	kept     sealed values, only ever inserted
//
// An entry is the same line that a folder's ledger.jsonl holds; the columns beside it are for people's queries, and are not
// read. Reading creates nothing. The schema is made when something is first written, by whoever may, or by the database's
// administrator from Script; then a principal of the role NAME_runner cannot change or remove what is recorded.
//
// A change is one transaction that says what it follows from. So an answer that was lost is no trouble: the same is sent
// again, and finds what the first one did. A connection that fails is not the end: it is signed in anew for a while.
package mssql

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	driver "github.com/microsoft/go-mssqldb"

	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// DefaultSchema is where the tables are unless another is named.
const DefaultSchema = "meshrotate"

// Session is one connection that has signed in to the database.
type Session interface {
	// Select sends a batch and gives its rows to row, with the number of the result that they are of. It ends with the
	// context, and the session with it.
	Select(ctx context.Context, batch string, args []any, row func(result int, scan func(...any) error) error) error
	// Close ends the connection at once, with whatever transaction was open.
	Close()
}

// Config says where a state is.
type Config struct {
	// SignIn opens a connection to the database.
	SignIn func(ctx context.Context) (Session, error)
	// Passes says of an error of SignIn or of a Session that another attempt, on a new connection, may do better. What became
	// of what was sent is not known then.
	Passes func(error) bool
	// Schema is the tables'; "" is DefaultSchema.
	Schema string
	// Place is the server and the database, for people.
	Place string
	// TTL is how long our leases are respected after their last heartbeat; 0 is DefaultTTL.
	TTL time.Duration
}

// Store is a schema. It is safe for concurrent use.
type Store struct {
	config Config
	text   *strings.Replacer // of statements

	idle      chan resting  // a session that nobody uses
	appending chan struct{} // held while tail is in use
	tail      *tail         // of the ledger, nil when it is not known
	reached   chan struct{} // closed when somebody has signed in once
}

// Open returns a store. It contacts nobody.
func Open(c Config) *Store {
	if c.Schema == "" {
		c.Schema = DefaultSchema
	}
	return &Store{config: c, text: names(c.Schema), idle: make(chan resting, 1), appending: make(chan struct{}, 1), reached: make(chan struct{}, 1)}
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
func (s *Store) Place() string {
	return fmt.Sprintf("%s, schema %s", s.config.Place, s.config.Schema)
}

// head is what the row of the state says, but for the lease.
type head struct {
	version int
	salt    []byte
	entries int
	chain   string // the link of the last entry, "" for none
}

func (h *head) scan(scan func(...any) error) error {
	return scan(&h.version, &h.salt, &h.entries, &h.chain)
}

// head reads the row; ok is false where there is no schema yet.
func (s *Store) head(ctx context.Context, x Session) (h head, ok bool, err error) {
	err = x.Select(ctx, s.sql(readHead), nil, func(_ int, scan func(...any) error) error {
		ok = true
		return h.scan(scan)
	})
	switch {
	case has(err, noObject):
		_, err := s.there(ctx, x)
		return head{}, false, err
	case err != nil:
		return head{}, false, err
	case !ok:
		return head{}, false, state.Damaged(fmt.Errorf("the row of %s is gone", s.sql("{state}")), "restore the database from a backup: nothing is changed while the record has a hole")
	case h.version > len(migrations):
		return head{}, false, &hinted{fmt.Errorf("%s has version %d of its tables, and this program knows %d", s.Place(), h.version, len(migrations)), "use the newer meshrotate"}
	}
	return h, true, nil
}

// there says whether the tables are there. A lost one among others is an error.
func (s *Store) there(ctx context.Context, x Session) (yes bool, err error) {
	err = x.Select(ctx, s.sql(findTables), nil, func(_ int, scan func(...any) error) error {
		var own, ledger, kept sql.NullInt64
		err := scan(&own, &ledger, &kept)
		if yes = own.Valid; err != nil || yes || !ledger.Valid && !kept.Valid {
			return err
		}
		return state.Damaged(fmt.Errorf("%s is missing, or may not be seen, and other tables show that it was there", s.sql("{state}")),
			"grant the role "+s.config.Schema+"_runner to this login, or restore the database from a backup")
	})
	return yes, err
}

// Salt returns 32 random bytes, made once for the life of the schema.
func (s *Store) Salt(ctx context.Context) (salt secret.Value, err error) {
	fresh := randomBytes()
	err = s.insist(ctx, "make the salt", func(ctx context.Context, x Session) error {
		if err := s.begin(ctx, x); err != nil {
			return err
		}
		h, _, err := s.head(ctx, x)
		if err == nil && h.salt == nil {
			if err = x.Select(ctx, s.sql(makeSalt), []any{fresh}, nothing); err == nil {
				h, _, err = s.head(ctx, x) // another process may have been first
			}
		}
		if err != nil {
			return err
		}
		salt, err = h.checked()
		return err
	})
	return salt, err
}

// PresentSalt is Salt for a look that is compared with no other: where none was made yet it writes nothing, and returns
// another one each time.
func (s *Store) PresentSalt(ctx context.Context) (salt secret.Value, err error) {
	err = s.insist(ctx, "read the salt", func(ctx context.Context, x Session) error {
		h, _, err := s.head(ctx, x)
		if err == nil && h.salt == nil {
			h.salt = randomBytes()
		}
		if err == nil {
			salt, err = h.checked()
		}
		return err
	})
	return salt, err
}

// saltSize is in bytes: as long as the output of SHA-256.
const saltSize = 32

func (h head) checked() (secret.Value, error) {
	if len(h.salt) != saltSize {
		return secret.Value{}, state.Damaged(fmt.Errorf("the salt has %d bytes, not %d", len(h.salt), saltSize),
			"restore it from a backup, or set it to NULL: plans that were saved before must then be made again")
	}
	return secret.New(h.salt), nil
}

func randomBytes() []byte {
	fresh := make([]byte, saltSize)
	_, _ = rand.Read(fresh) // never fails: see its documentation
	return fresh
}

// Present looks at the tables.
func (s *Store) Present(ctx context.Context) (is state.Present, err error) {
	err = s.insist(ctx, "look at the state", func(ctx context.Context, x Session) error {
		is = state.Present{Place: s.Place()}
		h, ok, err := s.head(ctx, x)
		if err == nil && !ok {
			is.Unable, err = s.mayBegin(ctx, x)
		}
		if err != nil || !ok {
			return err
		}
		l, err := s.lease(ctx, x)
		if err != nil {
			return err
		}
		is.Fence, is.Begun = uint64(l.fence), l.fence > 0 || h.entries > 0
		if h.salt != nil {
			salt, err := h.checked()
			if err != nil {
				return err
			}
			is.Salt = state.SaltID(salt)
		}
		return nil
	})
	return is, err
}

// The server's errors that mean something here. Source: "Database Engine events and errors" of Microsoft's documentation.
const (
	noObject  = 208
	denied    = 229
	duplicate = 2627
)

// has says whether the server answered with an error of this number.
func has(err error, number int32) bool {
	var e interface{ Has(number int32) bool }
	return errors.As(err, &e) && e.Has(number)
}

func nothing(int, func(...any) error) error { return nil }

// names puts the tables' names into a statement.
func names(schema string) *strings.Replacer {
	id := driver.TSQLQuoter{}.ID
	return strings.NewReplacer("{schema}", id(schema), "{state}", id(schema)+".[state]", "{ledger}", id(schema)+".[ledger]", "{kept}", id(schema)+".[kept]",
		"{runner}", id(schema+"_runner"), "{reader}", id(schema+"_reader"),
		"'{state name}'", driver.TSQLQuoter{}.Value(id(schema)+".[state]"), "'{ledger name}'", driver.TSQLQuoter{}.Value(id(schema)+".[ledger]"), "'{kept name}'", driver.TSQLQuoter{}.Value(id(schema)+".[kept]"))
}

func (s *Store) sql(statement string) string { return s.text.Replace(statement) }

// hinted is an error that says what to do.
type hinted struct {
	error
	hint string
}

func (h *hinted) Hint() string  { return h.hint }
func (h *hinted) Unwrap() error { return h.error }
