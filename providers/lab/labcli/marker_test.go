//go:build unix

package labcli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// elsewhere is a document that differs in its state folder alone: another operator's.
func (w *world) elsewhere() (name string) {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, "meshrotate.yaml"))
	must(w.t, err)
	must(w.t, os.CopyFS(filepath.Join(w.dir, "elsewhere"), os.DirFS(filepath.Join(w.dir, ".meshrotate"))))
	must(w.t, os.WriteFile(filepath.Join(w.dir, "other.yaml"), append(text, "\nstate: {dir: elsewhere}\n"...), 0o600))
	return "other.yaml"
}

// TestTwoOperators runs the program twice at once, with two state folders: one works, the other refuses and names it.
func TestTwoOperators(t *testing.T) {
	t.Parallel()
	for round := range 15 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			w := startWorld(t)
			files := []string{"meshrotate.yaml", w.elsewhere()}
			runs := []*running{w.start("apply", "--yes", "-f", files[0]), w.start("apply", "--yes", "-f", files[1])}
			got := []result{runs[0].wait(), runs[1].wait()}
			winner := 0
			if got[1].code == 0 {
				winner = 1
			}
			if got[winner].code != 0 || got[1-winner].code != 1 {
				t.Fatalf("%+v", got)
			}
			got[1-winner].says(t, "nothing was changed", "locked by ada@", "says the marker on im-admin")
			if !strings.Contains(got[1-winner].out+got[1-winner].err, "hint: ") {
				t.Error("no hint")
			}
			w.eventually("all relays are connected", w.connected)
			w.run(0, "plan", "-f", files[winner])
			w.run(1, "unlock", "--marker").says(t, "there is no marker on the Admin host of lab", "the last to change it was run ", "nobody to ask", "say --yes")
			w.run(1, "apply", "--yes", "-f", files[1-winner]).says(t, "not in this state's ledger", "unlock --marker", "of ada@")
			w.run(0, "unlock", "--marker", "--yes").says(t, "is forgotten")
			w.run(0, "unlock", "--marker").says(t, "there is no marker on the Admin host of lab")
			w.run(0, "apply", "--yes", "-f", files[1-winner]) // to a value of its own: that state counts from then on
			w.run(1, "plan", "-f", files[winner]).says(t, "[state-elsewhere]")
		})
	}
}

// TestMarkerOfADeadRun keeps others out until it is removed, or stale; its own state goes on at once.
func TestMarkerOfADeadRun(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	other := w.elsewhere()
	first := w.start("apply", "--yes")
	first.reaches("switch: began")
	w.run(1, "plan", "-f", other).says(t, "[run-at-work]", "locked by ada@", "[state-elsewhere]")
	got := w.start("status", "-f", other).wait()
	if got.says(t, "[run-at-work]"); got.code != 1 && got.code != 3 { // 3 while the run at work has services down
		t.Errorf("exit code %d\n%s\n%s", got.code, got.out, got.err)
	}
	first.signal(syscall.SIGKILL)
	first.wait()
	w.refuses("apply", "--yes", "-f", other).says(t, "nothing was changed", "says the marker on im-admin", "unlock --marker")
	w.run(1, "unlock", "--marker", "--yes").says(t, "locked by ada@", "nothing was changed", "--fence")
	w.run(0, "apply", "--yes")
	w.converged()
	w.run(1, "unlock", "--marker").says(t, "there is no marker", "the last to change it was run ")
}

// refuses runs what nothing comes of, after a run that was killed: what that one has left down or cut off makes 3 of 1.
func (w *world) refuses(args ...string) result {
	w.t.Helper()
	r := w.start(args...).wait()
	if r.code != 1 && r.code != 3 {
		w.t.Fatalf("exit code %d\n%s\n%s", r.code, r.out, r.err)
	}
	return r
}

// TestUnlockMarkerOfADeadRun shows it, and removes it and no other.
func TestUnlockMarkerOfADeadRun(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	other := w.elsewhere()
	first := w.start("apply", "--yes")
	first.reaches("switch: began")
	h, held, err := w.store().Current(t.Context())
	if !held || err != nil {
		t.Fatalf("nobody holds the lock: %v", err)
	}
	first.signal(syscall.SIGKILL)
	first.wait()
	w.run(1, "unlock", "--marker", "--yes", "--fence", fmt.Sprint(h.Fence+1), "-f", other).says(t, "somebody else holds it now")
	w.run(0, "unlock", "--marker", "--yes", "--fence", fmt.Sprint(h.Fence), "-f", other).says(t, "the marker is removed")
	w.refuses("apply", "--yes", "-f", other).says(t, "run "+h.Run+" of ada@", "unlock --marker")
	w.run(0, "unlock", "--marker", "--yes", "-f", other).says(t, "run "+h.Run+" of ada@", "is forgotten")
	w.run(0, "apply", "--yes", "-f", other)
	w.run(0, "plan", "-f", other)
}

// TestUnlockMarker takes the marker away from a run that is alive: it stops before its next effect.
func TestUnlockMarker(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	first := w.start("apply", "--yes")
	first.reaches("prepare: began")
	h, held, err := w.store().Current(t.Context())
	if !held || err != nil {
		t.Fatalf("nobody holds the lock: %v", err)
	}
	first.signal(syscall.SIGSTOP) // or it may be at its end before
	w.run(0, "unlock", "--marker", "--yes", "--fence", fmt.Sprint(h.Fence)).says(t, "the marker is removed")
	first.signal(syscall.SIGCONT)
	if got := first.wait(); got.code == 0 {
		t.Errorf("the run went on without its marker: %s", got.out)
	} else {
		got.says(t, "the marker on im-admin", "was lost", "it was removed")
	}
	w.run(0, "apply", "--yes")
	w.converged()
}
