package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"meshrotate/state"
)

// What was kept was moved, and the link to it leads nowhere now, as when a volume is not mounted: nothing says that nothing is kept.
func TestBlobsBehindALinkToNowhere(t *testing.T) {
	for _, name := range []string{"values", "values/k", "values/k/7.age"} {
		dir := filepath.Join(t.TempDir(), "state")
		s := open(t, dir)
		if err := s.Create(t.Context(), "k/7.age", []byte("x")); err != nil {
			t.Fatal(err)
		}
		at, away := filepath.Join(dir, name), filepath.Join(t.TempDir(), "away")
		if err := errors.Join(os.Rename(at, away), os.Symlink(away, at)); err != nil {
			t.Skip(err)
		}
		folders, err := s.Folders(t.Context())
		if _, read := s.Read(t.Context(), "k/7.age"); read != nil || err != nil || len(folders) != 1 {
			t.Errorf("%s behind a link: %v %v %v", name, read, folders, err)
		}
		if err := os.Rename(away, away+"2"); err != nil {
			t.Fatal(err)
		}
		_, read := s.Read(t.Context(), "k/7.age")
		_, listed := s.List(t.Context(), "k")
		_, found := s.Folders(t.Context())
		errs := map[string]error{"read": read, "list": listed, "folders": found}
		if name == "values/k/7.age" {
			errs = map[string]error{"read": read} // its name is there
		}
		for what, err := range errs {
			if !errors.Is(err, state.ErrDamaged) || errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s leads nowhere, %s: %v", name, what, err)
			}
		}
	}
}
