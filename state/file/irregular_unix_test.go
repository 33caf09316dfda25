//go:build unix

package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"meshrotate/state"
)

// A FIFO in the place of a file made every run wait without end; a link to /dev/zero filled the memory.
func TestWhatIsNoFile(t *testing.T) {
	for _, name := range []string{"ledger.jsonl", "ledger.head", "ledger.lock", "lease.json", "lease.lock", "fence", "salt", "values/k/7.age"} {
		for what, put := range map[string]func(path string) error{
			"a FIFO":             func(path string) error { return syscall.Mkfifo(path, 0o600) },
			"a link to a device": func(path string) error { return os.Symlink("/dev/zero", path) },
		} {
			dir, _ := written(t, 1)
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			_ = os.Remove(path)
			if err := put(path); err != nil {
				t.Skip(err)
			}
			if !failsSomewhere(t, dir) {
				t.Errorf("%s as %s: nobody noticed", what, name)
			}
		}
	}
}

// failsSomewhere uses everything that a state keeps.
func failsSomewhere(t *testing.T, dir string) bool {
	s := open(t, dir)
	_, read := s.Entries(t.Context())
	written := s.Append(t.Context(), state.Entry{Outcome: state.Done})
	lease, held := s.Acquire(t.Context(), state.Holder{})
	if held == nil {
		held = lease.Release(t.Context())
	}
	_, salt := s.Salt(t.Context())
	_, _, current := s.Current(t.Context())
	_, value := s.Read(t.Context(), "k/7.age")
	if errors.Is(value, os.ErrNotExist) {
		value = nil
	}
	return errors.Join(read, written, held, salt, current, value) != nil
}
