//go:build unix

package values_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"meshrotate/providers/values"
	"meshrotate/specs"
)

// A FIFO named as a source hung the plan of a pull request; /dev/zero ate the memory of the machine that made it.
func TestSourcesThatAreNoFiles(t *testing.T) {
	dir := t.TempDir()
	fifo, large := filepath.Join(dir, "fifo"), filepath.Join(dir, "large")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skip(err)
	}
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, 1<<40); err != nil { // sparse: it takes no room
		t.Skip(err)
	}
	for _, path := range []string{fifo, "/dev/zero", dir, large} {
		src, err := values.From(specs.Source{File: path}, values.Exact, values.Config{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = src.Get(t.Context(), ref7)
		wantError(t, err, path)
		wantHint(t, err, "a file")
		seal, err := values.SealFrom(&specs.Seal{Identity: &specs.Source{File: path}}, values.Config{})
		if err != nil {
			t.Fatal(err)
		}
		wantError(t, seal.Check(t.Context()), path)
	}
}
