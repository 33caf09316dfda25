//go:build unix

package specs_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"meshrotate/specs"
)

// TestWhatIsNoFile: a document that is a FIFO once hung the program, and so did a file that a document named. Both are
// refused at once, with a hint, and so is a device, which may have no end.
func TestWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	fifo, link := filepath.Join(dir, "fifo"), filepath.Join(dir, "link")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skip(err)
	}
	if err := os.Symlink(fifo, link); err != nil {
		t.Fatal(err)
	}
	loader := testLoader(t)
	d, err := loader.LoadFile("testdata/good/minimal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{
		{fifo, "is not a regular file"},
		{link, "is not a regular file"},
		{"/dev/zero", "is not a regular file"},
		{"/dev/null", "is not a regular file"},
		{dir, "is a folder, not a file"},
	} {
		for what, read := range map[string]func() error{
			"the document":       func() error { _, err := loader.LoadFile(c.path); return err },
			"a file it names":    func() error { _, err := d.Origin.ReadFile(c.path); return err },
			"one relative to it": func() error { _, err := d.Origin.ReadFile(relative(t, c.path)); return err },
		} {
			answer := make(chan error, 1)
			go func() { answer <- read() }()
			select {
			case <-time.After(20 * time.Second):
				t.Fatalf("%s, %s: it waits", what, c.path)
			case err := <-answer:
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s, %s: %v, want %q", what, c.path, err, c.want)
				} else if h, ok := err.(interface{ Hint() string }); !ok || h.Hint() == "" {
					t.Errorf("%s, %s: there is no hint", what, c.path)
				}
			}
		}
	}
}

// Some of what /proc shows is a regular file that is waited for without end.
func TestAFileThatDoesNotEnd(t *testing.T) {
	const log = "/proc/kmsg"
	if f, err := os.Open(log); err != nil {
		t.Skip(err)
	} else if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := specs.ReadReferred(log); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

// relative is a path as seen from the folder of the document.
func relative(t *testing.T, path string) string {
	t.Helper()
	here, err := filepath.Abs("testdata/good")
	if err != nil {
		t.Fatal(err)
	}
	name, err := filepath.Rel(here, path)
	if err != nil {
		t.Fatal(err)
	}
	return name
}
