package providers_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"meshrotate/providers/lab/machine"
)

// forgetRun is what `unlock --marker` does where nobody is at work.
func (w *world) forgetRun() {
	w.t.Helper()
	s := w.process()
	defer s.close()
	m := s.Site.Marker()
	if _, there, err := m.Signed(w.t.Context()); !there || err != nil {
		w.t.Errorf("nobody is named: %v", err)
	}
	if err := m.Forget(w.t.Context()); err != nil {
		w.t.Error(err)
	}
	if _, there, err := m.Signed(w.t.Context()); there || err != nil {
		w.t.Errorf("the name is still there: %v", err)
	}
}

// signs demands whose run is named on the host.
func (w *world) signs(by string) {
	w.t.Helper()
	b, _, err := w.marker().Read(lastRunFile)
	if err != nil || !strings.Contains(string(b), `"by": "`+by+`"`) {
		w.t.Errorf("not %s: %s %v", by, b, err)
	}
}

// The run that changed a deployment last is named on its Admin host, beside the marker. A state that does not know it applies nothing:
// another folder, or an older copy of the same one.
func TestLastRun(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		run          func(t *testing.T, w *world)
	}{
		{"two folders take turns", "the second gives no version a second value", func(t *testing.T, w *world) {
			other := w.another()
			w.run()
			other.doubted("state-elsewhere", "not in this state's ledger", "test@here")
			other.applyRefused("not in this state's ledger", "test@here")
			other.forgetRun() // it counts from now on
			if done, err := other.as("bob@two", nil); err != nil || done.Outcome.Err != nil {
				t.Fatal(err)
			}
			w.signs("bob")
			other.converged()
			w.applyRefused("not in this state's ledger", "bob@two")
		}},
		{"an older backup is restored", "all of it is of one age, and yet it is not what was there", func(t *testing.T, w *world) {
			backup := t.TempDir()
			if err := os.CopyFS(backup, os.DirFS(filepath.Join(w.dir, ".meshrotate"))); err != nil {
				t.Fatal(err)
			}
			w.run()
			if err := os.RemoveAll(filepath.Join(w.dir, ".meshrotate")); err != nil {
				t.Fatal(err)
			}
			if err := os.CopyFS(filepath.Join(w.dir, ".meshrotate"), os.DirFS(backup)); err != nil {
				t.Fatal(err)
			}
			w.doubted("state-elsewhere")
			w.applyRefused("not in this state's ledger")
		}},
		{"the other one was refused", "who changed nothing is not named", func(t *testing.T, w *world) {
			other := w.another()
			_, err := w.as("ann@one", func() {
				if _, err := other.as("bob@two", nil); err != nil {
					t.Error(err)
				}
			})
			says(t, err, "changed since the look")
			w.signs("bob")
			other.converged()
			other.undoubted()
		}},
		{"nothing to do", "nobody is named, and nobody refused", func(t *testing.T, w *world) {
			w.run()
			w.as("ann@one", nil)
			w.signs("test")
			w.undoubted()
		}},
		{"the host cannot write it", "nothing is begun", func(t *testing.T, w *world) {
			w.marker().Write(lastRunFile, []byte("x"))
			w.applyRefused("nobody can say which run changed this deployment last", "1 bytes")
			w.forgetRun()
			w.lab.Admin.Points(func(p machine.Point) (a machine.Action) {
				if p.Op == "file.stage" && p.When == machine.Before && strings.HasSuffix(p.Object, ".last") {
					a.Fail = machine.ErrDiskFull
				}
				return a
			})
			w.applyRefused("cannot be written", "nothing was changed")
			w.unmarked()
			w.lab.Admin.Points(nil)
			w.converged()
		}},
		{"an answer is lost", "the name that is there is our own", func(t *testing.T, w *world) {
			cut := 0
			w.lab.Admin.Points(func(p machine.Point) (a machine.Action) {
				if p.Op == "file.swap" && p.When == machine.After && strings.HasSuffix(p.Object, ".last") && cut == 0 {
					cut++
					a.End = machine.EndCrash
				}
				return a
			})
			w.converged()
			if cut == 0 {
				t.Error("no answer was lost")
			}
			w.undoubted()
		}},
		{"killed before it is named, and after", "its own state goes on", func(t *testing.T, w *world) {
			other := w.another()
			for _, at := range []machine.When{machine.Before, machine.After} {
				w.lab.Admin.Points(func(p machine.Point) (a machine.Action) {
					if p.Op == "file.swap" && p.When == at && strings.HasSuffix(p.Object, ".last") {
						w.kill()
					}
					return a
				})
				_, _ = w.as("ann@one", nil)
				w.lab.Admin.Points(nil)
			}
			other.doubted("state-elsewhere")
			w.converged()
			w.undoubted()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				t.Log(c.reason)
				c.run(t, newWorld(t, 2))
			})
		})
	}
}
