//go:build linux

package git_test

import (
	"errors"
	"os/exec"
	"testing"
	"time"

	"meshrotate/state"
	"meshrotate/state/git"
)

// TestARunThatDiedElsewhere: that a process has ended, its own machine alone can say. Another one waits until its heartbeat is old
// enough, or for a person who takes the lock away.
func TestARunThatDiedElsewhere(t *testing.T) {
	for _, c := range []struct {
		reason, host string // "" is this machine
		then         func(w *world, s *git.Store, fence uint64)
		taken        bool
	}{
		{"on this machine, at once", "", nil, true},
		{"on another machine", "runner-2", nil, false},
		{"on another machine, shortly before its time is over", "runner-2", func(w *world, _ *git.Store, _ uint64) { w.passed.Add(int64(git.DefaultTTL - 30*time.Second)) }, false},
		{"on another machine, after its time", "runner-2", func(w *world, _ *git.Store, _ uint64) { w.passed.Add(int64(git.DefaultTTL + time.Second)) }, true},
		{"on another machine, unlocked by its fence", "runner-2", func(_ *world, s *git.Store, fence uint64) {
			if err := s.Break(t.Context(), fence); err != nil {
				t.Error(err)
			}
		}, true},
	} {
		t.Run(c.reason, func(t *testing.T) {
			w := folder(t)
			w.ttl = git.DefaultTTL
			run := exec.Command("cat")
			stdin, err := run.StdinPipe()
			if err == nil {
				err = run.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			dead := w.machine().open()
			lease, err := dead.Acquire(t.Context(), state.Holder{Run: "r1", By: "ada", Host: c.host, PID: run.Process.Pid})
			if err != nil {
				t.Fatal(err)
			}
			_ = stdin.Close()
			_ = run.Wait()
			dead.Cut(lease)
			next := w.machine().open()
			if c.then != nil {
				c.then(w, next, lease.Fence())
			}
			second, err := remembering{next, w}.Acquire(t.Context(), state.Holder{Run: "r2", By: "bob"})
			var held *state.HeldError
			if (err == nil) != c.taken || err != nil && !errors.As(err, &held) {
				t.Fatalf("taken: %v", err)
			}
			if err == nil && second.Fence() <= lease.Fence() {
				t.Errorf("fence %d after %d", second.Fence(), lease.Fence())
			}
		})
	}
}
