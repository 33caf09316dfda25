//go:build unix

package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"meshrotate/state/durable"
)

// Some of what /proc shows is a regular file that is waited for without end.
func TestAFileThatDoesNotEnd(t *testing.T) {
	const log = "/proc/kmsg"
	if f, err := os.Open(log); err != nil {
		t.Skip(err)
	} else if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := durable.ReadFile(log, 1<<20); !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, durable.ErrUnfit) {
		t.Error(err)
	}
}

// A FIFO without a writer would be waited for without end, and /dev/zero never ends.
func TestWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	fifo, link, full := filepath.Join(dir, "fifo"), filepath.Join(dir, "link"), filepath.Join(dir, "full")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skip(err)
	}
	if err := os.Symlink(fifo, link); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, make([]byte, 101), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, link, "/dev/zero", "/dev/null", dir, full} {
		_, err := durable.ReadFile(path, 100)
		var named *fs.PathError
		if !errors.Is(err, durable.ErrUnfit) || !errors.As(err, &named) || named.Path != path {
			t.Errorf("%s: %v", path, err)
		}
	}
	if data, err := durable.ReadFile(full, 101); err != nil || len(data) != 101 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if _, err := durable.ReadFile(filepath.Join(dir, "missing"), 1); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, durable.ErrUnfit) {
		t.Error(err)
	}
	if f, err := durable.OpenFile(fifo, os.O_RDWR|os.O_APPEND|os.O_CREATE); err == nil {
		t.Error("a FIFO was opened for writing", f.Close())
	}
}
