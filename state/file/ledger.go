package file

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"meshrotate/state"
	"meshrotate/state/durable"
)

// tornMark ends a line that a crash tore. It is added by the next Append, so that the rest of the line stays readable
// for people, is never joined to the next entry, and is told apart from damage.
const tornMark = "#torn"

// Append writes the entries with one write and one flush.
func (s *Store) Append(ctx context.Context, entries ...state.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	lines, err := encode(entries)
	if err != nil {
		return err
	}
	err = s.locked(ctx, "ledger.lock", func() error { return s.appendLines(lines) })
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("append to %s: %w", s.path("ledger.jsonl"), err)
	case err != nil:
		return &hinted{fmt.Errorf("append to %s: %w", s.path("ledger.jsonl"), err),
			"nothing may be changed without a record: see that the folder can be written and the disk has room"}
	}
	return nil
}

func encode(entries []state.Entry) ([]byte, error) {
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines) // ends every entry with a newline, and escapes those within
	enc.SetEscapeHTML(false)
	for _, e := range entries {
		e.Time = e.Time.UTC()
		if err := enc.Encode(e); err != nil {
			return nil, fmt.Errorf("ledger entry about %s %s: %w", e.Secret, e.Version, err)
		}
	}
	return lines.Bytes(), nil
}

func (s *Store) appendLines(lines []byte) (err error) {
	f, created, err := openAppend(s.path("ledger.jsonl"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if created {
		if err := durable.SyncDir(s.dir); err != nil {
			return err
		}
	}
	closing, err := closeTorn(f)
	if err != nil {
		return err
	}
	if _, err := f.Write(append(closing, lines...)); err != nil {
		return err
	}
	return f.Sync()
}

// openAppend also says whether the file's name may not be durable yet: it is when the file has content, since that
// was written after the folder was flushed.
func openAppend(path string) (f *os.File, created bool, err error) {
	f, err = os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, false, errors.Join(err, f.Close())
	}
	return f, info.Size() == 0, nil
}

// closeTorn returns what must be written first to end a last line that has no newline.
func closeTorn(f *os.File) ([]byte, error) {
	last, err := lastLine(f)
	switch {
	case err != nil || len(last) == 0:
		return nil, err
	case isEntry(last):
		return []byte("\n"), nil // only the newline was torn off
	default:
		return []byte(tornMark + "\n"), nil
	}
}

func isEntry(line []byte) bool {
	_, ok := parse(line)
	return ok
}

// parse reads one line. An entry without an outcome says nothing, so it is none.
func parse(line []byte) (e state.Entry, ok bool) {
	err := json.Unmarshal(line, &e)
	return e, err == nil && e.Outcome != ""
}

// lastLine is what stands after the last newline.
func lastLine(f *os.File) ([]byte, error) {
	const block = 4096
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	var tail []byte
	for at := end; at > 0; {
		n := min(at, block)
		at -= n
		buf := make([]byte, n, int(n)+len(tail))
		if _, err := f.ReadAt(buf, at); err != nil {
			return nil, err
		}
		if i := bytes.LastIndexByte(buf, '\n'); i >= 0 {
			return append(buf[i+1:], tail...), nil
		}
		tail = append(buf, tail...)
	}
	return tail, nil
}

// Entries reads the whole ledger. Fields that this version does not know are ignored. A line that cannot be read,
// other than one torn by a crash, is an error that names it: a ledger with a hole proves nothing.
func (s *Store) Entries(ctx context.Context) ([]state.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(s.path("ledger.jsonl"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	entries := make([]state.Entry, 0, bytes.Count(data, []byte("\n")))
	for number := 1; len(data) > 0; number++ {
		line, rest, whole := bytes.Cut(data, []byte("\n"))
		data, line = rest, bytes.TrimSpace(line)
		e, ok := parse(line)
		switch {
		case ok:
			entries = append(entries, e)
		case len(line) == 0:
		case !whole || bytes.HasSuffix(line, []byte(tornMark)):
			// Torn: its Append never returned, so nobody relied on it.
		default:
			return nil, &hinted{fmt.Errorf("%s:%d: this line is damaged", s.path("ledger.jsonl"), number),
				"restore the file from a backup, or mend the line by hand: nothing is changed while the record has a hole"}
		}
	}
	return entries, nil
}
