package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"meshrotate/state"
	"meshrotate/state/file"
)

// Another folder takes the place of a run's: a mount that went and comes back. Its lease has the same fence and is no lease of this run,
// and nothing is written into its ledger.
func TestAnotherFolderInItsPlace(t *testing.T) {
	for _, held := range []bool{true, false} { // by a run that died there
		dir := filepath.Join(t.TempDir(), "state")
		open := func() *file.Store {
			s, err := file.Open(dir)
			must(t, err)
			return s
		}
		move := func(from, to string) { must(t, os.Rename(from, to)) }
		dead := open()
		old, err := dead.Acquire(t.Context(), state.Holder{Run: "r1"})
		must(t, err)
		must(t, dead.Append(t.Context(), entries("a", "b", "c")...))
		if !held {
			must(t, dead.Break(t.Context(), old.Fence()))
		}
		_ = old.Check(t.Context())
		move(dir, dir+".away")

		s := open()
		lease, err := s.Acquire(t.Context(), state.Holder{Run: "r2"})
		must(t, err)
		must(t, s.Append(t.Context(), entries("d")...))
		if lease.Fence() != old.Fence() {
			t.Fatalf("fences %d and %d", lease.Fence(), old.Fence())
		}
		move(dir, dir+".made")
		move(dir+".away", dir)
		before := whole(t, dir)
		var lost *state.LostError
		if err := lease.Check(t.Context()); !errors.As(err, &lost) {
			t.Errorf("held %v: check: %v", held, err)
		}
		if err := lease.Regain(t.Context()); err == nil {
			t.Errorf("held %v: regained in another folder", held)
		}
		err = s.Append(t.Context(), entries("e")...)
		var h interface{ Hint() string }
		if err == nil || !strings.Contains(err.Error(), "is not the one that this run has written in") || !errors.As(err, &h) {
			t.Errorf("held %v: append: %v", held, err)
		}
		if after := whole(t, dir); after != before {
			t.Errorf("held %v: the other folder was written:\n%s\n%s", held, before, after)
		}
		move(dir, dir+".away")
		move(dir+".made", dir)
		must(t, s.Append(t.Context(), entries("f")...))
		if err := lease.Regain(t.Context()); err != nil {
			t.Errorf("back again: %v", err)
		}
		must(t, lease.Check(t.Context()))
		must(t, lease.Release(t.Context()))
		_ = old.Release(t.Context())
	}
}

func entries(secrets ...string) (all []state.Entry) {
	for _, name := range secrets {
		all = append(all, state.Entry{Run: "r", Secret: name, Outcome: state.Started})
	}
	return all
}

func whole(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	for _, name := range []string{"ledger.jsonl", "ledger.head", "lease.json", "fence"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		all.WriteString(name + "\n" + string(text))
	}
	return all.String()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
