package git_test

import (
	"path/filepath"
	"testing"

	"meshrotate/state"
	"meshrotate/state/git"
	"meshrotate/state/statetest"
)

// everywhere runs f with a repository in a folder, and with git's own servers over https and ssh.
func everywhere(t *testing.T, f func(t *testing.T, fresh func(t *testing.T) *world)) {
	for name, fresh := range map[string]func(t *testing.T) *world{"folder": folder, "https": https, "ssh": overSSH} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, fresh)
		})
	}
}

func TestLedger(t *testing.T) {
	everywhere(t, func(t *testing.T, fresh func(t *testing.T) *world) {
		statetest.Ledger(t, func(t *testing.T) func() state.Ledger {
			w := fresh(t)
			return func() state.Ledger { return w.machine().open() }
		})
	})
}

func TestBlobs(t *testing.T) {
	everywhere(t, func(t *testing.T, fresh func(t *testing.T) *world) {
		statetest.Blobs(t, func(t *testing.T) func() state.Blobs {
			w := fresh(t)
			return func() state.Blobs { return w.machine().open() }
		})
		w := fresh(t)
		statetest.Removal(t, func() state.Blobs { return w.machine().open() })
	})
}

func TestLock(t *testing.T) {
	everywhere(t, func(t *testing.T, fresh func(t *testing.T) *world) {
		statetest.Lock(t, func(t *testing.T) statetest.Locks {
			w := fresh(t)
			return statetest.Locks{
				Open:   func() state.Lock { return remembering{w.machine().open(), w} },
				Expire: func() { w.passed.Add(int64(git.DefaultTTL) + 1e9) },
				Damage: func() { w.write("meshrotate/contoso-lock", "lease.json", "{") },
			}
		})
	})
}

// write commits a file to a branch, as somebody with an editor does.
func (w *world) write(branch, name, text string) {
	w.t.Helper()
	dir := filepath.Join(w.t.TempDir(), "clone")
	w.git("clone", "--quiet", "--branch", branch, w.dir, dir)
	write(w.t, filepath.Join(dir, name), text)
	w.git("-C", dir, "add", "-A")
	w.git("-C", dir, "-c", "user.name=ada", "-c", "user.email=ada@example", "commit", "--quiet", "-m", "edit")
	w.git("-C", dir, "push", "--quiet", "origin", branch)
}
