package file_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"meshrotate/state"
	"meshrotate/state/file"
)

// The folder goes away during a run, or is empty as a share's is that is not mounted: nothing is begun in its place. When it is back,
// the run goes on with it.
func TestAFolderThatGoes(t *testing.T) {
	for name, empty := range map[string]bool{"it is not there": false, "it is empty": true} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			away := dir + ".away"
			s, err := file.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			entry := state.Entry{Run: "r1", Secret: "relaykey", Version: "7", Outcome: state.Started}
			if err := s.Append(t.Context(), entry); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(dir, away); err != nil {
				t.Fatal(err)
			}
			if empty {
				if err := os.Mkdir(dir, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			_, acquired := s.Acquire(t.Context(), state.Holder{Run: "r1"})
			for what, err := range map[string]error{"append": s.Append(t.Context(), entry), "reserve": s.Reserve(t.Context(), 1), "create": s.Create(t.Context(), "relaykey/7", []byte("x")), "acquire": acquired} {
				if err == nil || !strings.Contains(err.Error(), "has gone from") {
					t.Errorf("%s: %v", what, err)
				}
			}
			if left, err := os.ReadDir(dir); len(left) > 0 || err != nil && (empty || !errors.Is(err, fs.ErrNotExist)) {
				t.Errorf("made anew: %v, %v", left, err)
			}
			_ = os.Remove(dir)
			if err := os.Rename(away, dir); err != nil {
				t.Fatal(err)
			}
			if err := s.Append(t.Context(), entry); err != nil {
				t.Error(err)
			}
			if all, err := s.Entries(t.Context()); len(all) != 2 || err != nil {
				t.Errorf("%d entries, %v", len(all), err)
			}
		})
	}
}
