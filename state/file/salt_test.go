package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"meshrotate/reconciler/secret"
)

func TestSalt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	salts := make([]secret.Value, 8)
	var all sync.WaitGroup
	for i := range salts {
		s := open(t, dir)
		all.Go(func() {
			var err error
			if salts[i], err = s.Salt(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, s := range salts {
		if s.Len() != 32 || !s.Equal(salts[0]) {
			t.Fatal("salts differ, or are short")
		}
	}
	other, err := open(t, t.TempDir()).Salt(t.Context())
	if err != nil || other.Equal(salts[0]) {
		t.Fatalf("two folders have one salt, or %v", err)
	}

	if err := os.WriteFile(filepath.Join(dir, "salt"), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, short := open(t, dir).Salt(t.Context())
	failures := []error{short}
	if runtime.GOOS != "windows" {
		nowhere := filepath.Join(t.TempDir(), "state") // nothing can be made there, whoever runs the test
		if err := os.Symlink("missing/missing", nowhere); err != nil {
			t.Fatal(err)
		}
		_, unwritable := open(t, nowhere).Salt(t.Context())
		failures = append(failures, unwritable)
	}
	for _, err := range failures {
		var h interface{ Hint() string }
		if !errors.As(err, &h) {
			t.Errorf("%v; want an error with a hint", err)
		}
	}
}
