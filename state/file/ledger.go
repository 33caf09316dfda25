package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"meshrotate/state"
	"meshrotate/state/chain"
	"meshrotate/state/durable"
)

// tornMark ends a line that a crash tore. It is added by the next Append, so that the rest of the line stays readable
// for people, is never joined to the next entry, and is told apart from damage.
const tornMark = "#torn"

// ledgerLimit is in bytes: some thousand rotations of a fleet whose names do not count up.
const ledgerLimit = 256 << 20

// Append writes the entries with one write and one flush, and then the head. In this order, because the head must never
// know of an entry that is not durable: a crash between the two leaves a ledger that is longer than its head, which is
// fine, for Append has not returned. Once it has, the end of the ledger cannot vanish unnoticed.
func (s *Store) Append(ctx context.Context, entries ...state.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	err := s.locked(ctx, "ledger.lock", func() error {
		s.appending.Lock()
		defer s.appending.Unlock()
		err := s.appendEntries(entries)
		if err != nil {
			s.tail = nil // nobody knows what is in the file now
		}
		return err
	})
	var h interface{ Hint() string }
	switch {
	case err != nil && (ctx.Err() != nil || errors.As(err, &h)):
		return fmt.Errorf("append to %s: %w", s.path("ledger.jsonl"), err)
	case err != nil:
		return &hinted{fmt.Errorf("append to %s: %w", s.path("ledger.jsonl"), err),
			"nothing may be changed without a record: see that the folder can be written and the disk has room"}
	}
	return nil
}

func (s *Store) appendEntries(entries []state.Entry) (err error) {
	if err := s.begin(); err != nil {
		return err
	}
	s.began.Store(true)
	f, err := durable.OpenFile(s.path("ledger.jsonl"), os.O_RDWR|os.O_APPEND|os.O_CREATE)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	t, err := s.catchUp(f)
	if err != nil {
		return err
	}
	text, err := t.chain.Encode(entries)
	if err != nil {
		return err
	}
	text = append(t.closing, text...)
	if t.size+int64(len(text)) > ledgerLimit {
		return &hinted{fmt.Errorf("it would have more than %d bytes", ledgerLimit), "keep the state folder as an archive and begin another"}
	}
	written := 0
	err = s.roomy(func() error {
		n, err := f.Write(text[written:])
		written += n // a full disk takes a part
		return errors.Join(err, f.Sync())
	})
	if err != nil {
		return err
	}
	if err := s.sameFolder(f, t.head); err != nil {
		return err
	}
	if err := s.roomy(func() error { return s.writeHead(t.chain) }); err != nil {
		return err
	}
	s.written = headOf(t.chain)
	s.tail = &tail{chain: t.chain, number: t.number + len(entries), size: t.size + int64(len(text)), file: t.file}
	return nil
}

// tail is what a Store knows of the end of its ledger, so that it need not read everything for each Append.
type tail struct {
	chain   chain.Chain
	number  int   // of lines
	size    int64 // of the file
	file    os.FileInfo
	closing []byte // must be written first, to end a last line that has no newline
	head    head   // as it was read before
}

// catchUp reads what others have appended since, or everything, and checks it.
func (s *Store) catchUp(f *os.File) (*tail, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() == 0 {
		// The file's name may not be durable yet. It is when there is content: that was written after this flush.
		if err := durable.SyncDir(s.dir); err != nil {
			return nil, err
		}
	}
	t := s.tail
	s.tail = nil
	if t == nil || !os.SameFile(t.file, info) || info.Size() < t.size {
		t = &tail{chain: chain.New()}
		t.chain.Forget = true
	}
	if info.Size() > ledgerLimit {
		return nil, fmt.Errorf("it has more than %d bytes", ledgerLimit)
	}
	data := make([]byte, info.Size()-t.size)
	if _, err := io.ReadFull(io.NewSectionReader(f, t.size, int64(len(data))), data); err != nil {
		return nil, err
	}
	h, _, err := s.readHead() // nobody appends now
	if err != nil {
		return nil, err
	}
	l := lines{chain: t.chain, number: t.number, written: s.written}
	if err := s.read(&l, h, data); err != nil {
		return nil, err
	}
	if h.Entries > t.chain.Entries || t.size == 0 { // else it was checked, and was longer than the head already
		if err := s.agrees(h, l); err != nil {
			return nil, err
		}
	}
	if t.size == 0 && l.atWritten != s.written.Chain {
		return nil, s.exchanged()
	}
	return &tail{chain: l.chain, number: l.number, size: info.Size(), file: info, closing: l.closing, head: h}, nil
}

// sameFolder says that the ledger and its head are those that were opened and read: a folder that takes the place of another does
// so at any moment, and is not to have the other's head.
func (s *Store) sameFolder(f *os.File, then head) error {
	opened, err := f.Stat()
	if err != nil {
		return err
	}
	present, err := os.Stat(s.path("ledger.jsonl"))
	if err != nil {
		return err
	}
	if h, _, err := s.readHead(); err != nil || h != then || !os.SameFile(opened, present) {
		return errors.Join(err, s.exchanged())
	}
	return nil
}

// stillKnown says that the ledger ends with what this process has written last.
func (s *Store) stillKnown() error {
	s.appending.Lock()
	defer s.appending.Unlock()
	h, _, err := s.readHead()
	if err == nil && h != s.written {
		err = s.exchanged()
	}
	return err
}

func (s *Store) exchanged() error {
	return &hinted{fmt.Errorf("%s is not the one that this run has written in: another folder is in its place, or somebody has written there", s.path("ledger.jsonl")),
		"put the folder back that was there; nothing more is written into this one"}
}

// Entries reads the whole ledger. Fields that this version does not know are ignored. A line that cannot be read, other
// than one torn by a crash, is an error that names it, and so is one that is not as it was written, or where it was
// written: a ledger with a hole proves nothing. Entries with the same hosts share them.
func (s *Store) Entries(ctx context.Context) ([]state.Entry, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		// The head first: what is appended meanwhile makes the ledger longer than the head, never shorter.
		h, began, err := s.readHead()
		if err != nil {
			return nil, fmt.Errorf("read the ledger: %w", err)
		}
		l, err := s.readLines(h)
		if err == nil && began {
			err = s.agrees(h, l)
		}
		if err != nil {
			return nil, err
		}
		if began {
			s.began.Store(true)
			return l.entries, nil
		}
		trace, err := s.trace()
		if trace == "" || err != nil {
			return nil, err
		}
		if _, began, err := s.readHead(); !began && err == nil {
			return nil, s.lost(trace)
		}
		// Another process began while this one read.
	}
}

func (s *Store) readLines(h head) (lines, error) {
	l := lines{chain: chain.New()}
	data, err := durable.ReadFile(s.path("ledger.jsonl"), ledgerLimit)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return l, fmt.Errorf("read the ledger: %w", unfit(err))
	}
	l.entries = make([]state.Entry, 0, bytes.Count(data, []byte("\n")))
	if err := s.read(&l, h, data); err != nil {
		return lines{}, err
	}
	return l, nil
}
