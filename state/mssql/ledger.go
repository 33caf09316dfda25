package mssql

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"meshrotate/state"
	"meshrotate/state/chain"
)

// tail is how far this process knows the ledger.
type tail struct {
	chain chain.Chain
	// sent is the last link of an attempt to append whose answer was lost, and found says that it is there.
	sent  string
	found bool
}

// Append inserts the entries and moves the head, in one transaction for every 200 of them. It says which head they follow
// from: when somebody else was first, it is read again. After a lost answer the ledger is looked at; what was sent and comes
// in later finds another head, and does nothing.
func (s *Store) Append(ctx context.Context, entries ...state.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	select {
	case s.appending <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("append to the ledger: %w", context.Cause(ctx))
	}
	defer func() { <-s.appending }()
	for some := range slices.Chunk(entries, rowsAtOnce) {
		sent := ""
		err := s.insist(ctx, "append to the ledger", func(ctx context.Context, x Session) error {
			err := s.append(ctx, x, some, &sent)
			if err != nil {
				s.tail = nil // nobody knows what is there now
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) append(ctx context.Context, x Session, entries []state.Entry, sent *string) error {
	if err := s.begin(ctx, x); err != nil {
		return err
	}
	for {
		t := s.tail
		if t == nil {
			t = &tail{chain: chain.New()}
			t.chain.Forget = true
		}
		s.tail, t.sent = nil, *sent
		if _, err := s.read(ctx, x, t); err != nil {
			return err
		}
		if t.found {
			s.tail = &tail{chain: t.chain}
			return nil
		}
		moved, err := s.insert(ctx, x, t, entries, sent)
		if err != nil {
			return err
		}
		if moved {
			s.tail = &tail{chain: t.chain}
			return nil
		}
	}
}

// insert is one attempt; false means that somebody else was first.
func (s *Store) insert(ctx context.Context, x Session, t *tail, entries []state.Entry, sent *string) (moved bool, err error) {
	before := []any{t.chain.Entries, linkOf(t.chain)}
	lines, err := t.chain.Encode(entries)
	if err != nil {
		return false, err
	}
	args := append([]any{t.chain.Entries, t.chain.Last}, before...)
	at := t.chain.Entries - len(entries)
	for i, text := range bytes.Split(bytes.TrimSuffix(lines, []byte("\n")), []byte("\n")) {
		args = append(args, row(at+i+1, entries[i].Recorded(), text)...)
	}
	*sent = t.chain.Last // also when the head has moved: an attempt before may have come in just now
	n, err := one(ctx, x, s.sql(appendRows(len(entries))), args...)
	return n == 1, err
}

// linkOf is the head's of a chain.
func linkOf(c chain.Chain) string {
	if c.Entries == 0 {
		return ""
	}
	return c.Last
}

// row is what is inserted for an entry. The columns beside the text are for people.
func row(n int, e state.Entry, text []byte) []any {
	return []any{n, chain.Link(text), e.Time.Format("2006-01-02T15:04:05.0000000"), short(e.Run, 200), short(e.Secret, 400), short(e.Version, 400), short(e.Step, 400),
		short(string(e.Outcome), 20), int64(min(e.Fence, math.MaxInt64)), string(text)}
}

// short is what fits into a column, in UTF-16.
func short(text string, most int) string {
	n := 0
	for i, r := range text {
		if n++; r > 0xffff {
			n++
		}
		if n > most {
			return text[:i]
		}
	}
	return text
}

// Reserve inserts as many bytes as are to come, and takes them back: the server's log has room for them now. That it is kept
// until then nobody can promise.
func (s *Store) Reserve(ctx context.Context, size int) error {
	return s.insist(ctx, "see that there is room for the ledger", func(ctx context.Context, x Session) error {
		if err := s.begin(ctx, x); err != nil {
			return err
		}
		return x.Select(ctx, s.sql(rehearse), []any{make([]byte, size)}, nothing)
	})
}

// Entries reads the whole ledger. A row that is not as it was written, or where it was written, is an error that names it, and
// so is one that the head does not know: a ledger with a hole proves nothing.
func (s *Store) Entries(ctx context.Context) (entries []state.Entry, err error) {
	err = s.insist(ctx, "read the ledger", func(ctx context.Context, x Session) error {
		entries, err = s.read(ctx, x, &tail{chain: chain.New()})
		return err
	})
	return entries, err
}

// read goes on from a tail to the end.
func (s *Store) read(ctx context.Context, x Session, t *tail) (entries []state.Entry, err error) {
	before, ok, err := s.head(ctx, x)
	if err != nil || !ok {
		return nil, err
	}
	if before.entries < t.chain.Entries {
		return nil, s.damage(before.entries+1, errors.New("the head has gone back: it knew of more"))
	}
	var after head
	atHead := linkOf(t.chain)
	err = x.Select(ctx, s.sql(readRows), []any{t.chain.Entries}, func(result int, scan func(...any) error) error {
		if result == 1 {
			return after.scan(scan)
		}
		var n int
		var text []byte
		if err := scan(&n, &text); err != nil {
			return err
		}
		if n != t.chain.Entries+1 {
			return s.damage(t.chain.Entries+1, errors.New("this row is missing"))
		}
		e, err := t.chain.Decode(text)
		if err != nil {
			return s.damage(n, err)
		}
		if n == before.entries {
			atHead = t.chain.Last
		}
		t.found = t.found || t.chain.Last == t.sent
		if !t.chain.Forget {
			entries = append(entries, e)
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case t.chain.Entries < before.entries:
		return nil, s.damage(t.chain.Entries+1, fmt.Errorf("this row is missing: the head knows of %d", before.entries))
	case t.chain.Entries > after.entries:
		return nil, s.damage(after.entries+1, errors.New("the head does not know this row: it was added by somebody else"))
	case atHead != before.chain:
		return nil, s.damage(before.entries, errors.New("this row is not the one that the head knows"))
	}
	return entries, nil
}

func (s *Store) damage(n int, err error) error {
	return state.Damaged(fmt.Errorf("%s, n = %d: %w", s.sql("{ledger}"), n, err), "restore the database from a backup: nothing is changed while the record has a hole")
}
