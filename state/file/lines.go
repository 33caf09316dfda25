package file

import (
	"bytes"
	"fmt"

	"meshrotate/state"
	"meshrotate/state/chain"
)

// lines is what was read of a ledger.
type lines struct {
	entries []state.Entry // unless the chain is told to forget
	number  int           // of lines
	chain   chain.Chain
	atHead  string // the link of the entry that the head knows as the last
	closing []byte // what the next Append must write first
	// written is how far this process has written, and atWritten the link of that entry.
	written   head
	atWritten string
}

// read takes whole lines, and a last one that may be torn, in.
func (s *Store) read(l *lines, h head, data []byte) error {
	l.mark(h)
	for len(data) > 0 {
		l.number++
		text, rest, whole := bytes.Cut(data, []byte("\n"))
		data, text = rest, bytes.TrimSpace(text)
		if len(text) == 0 && whole || whole && bytes.HasSuffix(text, []byte(tornMark)) {
			continue // torn: its Append never returned, so nobody relied on it
		}
		e, err := l.chain.Decode(text)
		switch {
		case err != nil && !whole:
			l.closing = []byte(tornMark + "\n")
			continue
		case err != nil:
			return s.damage(l.number, err, l.chain.Entries >= h.Entries && h.Entries > 0)
		case !whole:
			l.closing = []byte("\n") // only the newline was torn off
		}
		if l.mark(h); !l.chain.Forget {
			l.entries = append(l.entries, e)
		}
	}
	return nil
}

// mark notes the link that the head must know, and the one that was written last.
func (l *lines) mark(h head) {
	if l.chain.Entries == l.written.Entries && l.written.Entries > 0 {
		l.atWritten = l.chain.Last
	}
	if l.chain.Entries == h.Entries && h.Entries > 0 {
		l.atHead = l.chain.Last
	}
}

// damage is an error about a line.
func (s *Store) damage(number int, err error, unconfirmed bool) error {
	hint := "restore the file from a backup: nothing is changed while the record has a hole"
	if unconfirmed {
		hint = fmt.Sprintf("ledger.head confirms every line before it, and nobody relied on it or on what follows: "+
			"cut the file after line %d, or restore it from a backup", number-1)
	}
	return state.Damaged(fmt.Errorf("%s:%d: %w", s.path("ledger.jsonl"), number, err), hint)
}
