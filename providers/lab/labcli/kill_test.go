//go:build unix

package labcli_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
)

// TestKilled kills the real program with SIGKILL while it applies, twice for each lab: once where the case says, once at
// any moment. Then one more apply ends where an unkilled one ends, and a third plan has nothing to do.
func TestKilled(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 12)) // the same moments in every run of the test
	type moment struct {
		line  string        // killed right after this line of progress
		after time.Duration // and so much later
	}
	moments := []moment{
		{line: "look: "}, {line: "prepare: began"}, {line: "switch: began"}, {line: "verify: began"}, {line: "retire: began"},
		{line: "switch: began", after: 200 * time.Millisecond}, {line: "switch: began", after: time.Second},
		{line: "switch: began", after: 1700 * time.Millisecond},
	}
	for range 4 {
		moments = append(moments, moment{after: time.Duration(random.IntN(5000)) * time.Millisecond})
	}
	for _, m := range moments {
		again := time.Duration(random.IntN(5000)) * time.Millisecond
		t.Run(fmt.Sprintf("%s+%v,%v", m.line, m.after, again), func(t *testing.T) {
			t.Parallel()
			w := startWorld(t)
			w.breaks("key", "relay-02")
			first := w.start("apply", "--yes")
			if m.line != "" {
				first.reaches(m.line)
			}
			time.Sleep(m.after)
			first.signal(syscall.SIGKILL)
			first.wait()

			second := w.start("apply", "--yes")
			time.Sleep(again)
			second.signal(syscall.SIGKILL)
			second.wait()

			w.run(0, "history")
			w.run(0, "apply", "--yes")
			w.converged()
		})
	}
}

// TestInterrupted sends one SIGINT. The run ends at the next safe point: before anything was stopped it takes back what
// it did; later it starts what is down. The lock is given back, and the next apply finishes.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	cases := []struct {
		reason, line string
		code         int
		args         []string // of the lab
		says         []string
	}{
		{"nobody was asked for anything yet", "", 1, []string{"--powershell", "2s"}, []string{"interrupted by Ctrl-C while looking; nothing was changed"}},
		{"files are staged, nothing live has changed", "prepare: began", 1, []string{"--relays", "40", "--powershell", "10ms"},
			[]string{"cause interrupted during prepare", "failed and put back: everything is as it was before"}},
		{"services are down: they come up first", "switch: began", 3, nil, []string{"interrupted by Ctrl-C: ending at the next safe point",
			"cause interrupted before verify", "stopped where it was", "then `meshrotate apply`"}},
		{"the new key is live and not proven yet", "verify: began", 3, nil, []string{"cause interrupted during verify", "then `meshrotate apply`"}},
	}
	for _, c := range cases {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			w := startWorld(t, c.args...)
			r := w.start("apply", "--yes", "--parallel", "1")
			if c.line != "" {
				r.reaches(c.line)
			} else {
				w.eventually("the lock is taken", func() bool { _, held, _ := w.store().Current(t.Context()); return held })
			}
			r.signal(syscall.SIGINT)
			got := r.wait()
			switch late := strings.Contains(got.err, "switch: began"); {
			case c.code == 1 && late:
				t.Log("the signal came too late for this case")
			case got.code != c.code:
				t.Errorf("exit code %d, want %d", got.code, c.code)
			default:
				got.says(t, c.says...)
			}
			for _, noise := range []string{"context canceled", "failed: "} {
				if strings.Contains(got.out+got.err, noise) {
					t.Errorf("%q blames a host for the interrupt", noise)
				}
			}
			if t.Failed() {
				t.Logf("%s\n%s", got.out, got.err)
			}
			if _, held, err := w.store().Current(t.Context()); held || err != nil {
				t.Errorf("the lock was not given back: %v", err)
			}
			w.eventually("all relays are connected again", w.connected)
			w.run(0, "apply", "--yes")
			w.converged()
		})
	}
}

// TestHangup loses the terminal while services are down: they come up, however often the hangup is sent.
func TestHangup(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	r := w.start("apply", "--yes")
	r.reaches("switch: began")
	for range 3 {
		r.signal(syscall.SIGHUP)
		time.Sleep(50 * time.Millisecond)
	}
	got := r.wait()
	if got.code != 3 {
		t.Errorf("exit code %d, want 3\n%s", got.code, got.err)
	}
	got.says(t, "interrupted before verify: the terminal hung up")
	w.eventually("all relays are connected again", w.connected)
	w.run(0, "apply", "--yes")
	w.converged()
}

// TestNobodyReads ends the reader of the run's output while services are down, as `| head` does. The run goes on.
func TestNobodyReads(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	read, write, err := os.Pipe()
	must(t, err)
	cmd := exec.Command(program, "apply", "--yes")
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = w.dir, w.env, write, write
	must(t, cmd.Start())
	must(t, write.Close())
	for s := bufio.NewScanner(read); s.Scan() && !strings.Contains(s.Text(), "switch: began"); {
	}
	must(t, read.Close())
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 3 {
		t.Errorf("%v: its report was not written, want exit code 3", err)
	}
	w.converged()
}

// TestInterruptedTwice ends the program at once.
func TestInterruptedTwice(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	r := w.start("apply", "--yes")
	r.reaches("switch: began")
	r.signal(syscall.SIGINT)
	r.reaches("interrupted by Ctrl-C: ending at the next safe point")
	r.signal(syscall.SIGINT)
	if got := r.wait(); got.code != -1 {
		t.Errorf("exit code %d, want an end by the signal\n%s", got.code, got.err)
	}
	w.run(0, "apply", "--yes")
	w.converged()
}

// TestTwoApplies shows that the second is refused and told who is at work, and that a dead holder keeps nobody out.
func TestTwoApplies(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	first := w.start("apply", "--yes")
	first.reaches("switch: began")
	w.run(1, "apply", "--yes").says(t, "nothing was changed", "locked by ada@", "last at: ", "hint: wait for it to end")
	w.run(2, "status").says(t, "locked by ada@")
	first.signal(syscall.SIGKILL)
	first.wait()
	w.run(2, "status").says(t, "It has ended: the next apply takes the lock over")
	w.run(1, "unlock").says(t, "it has ended; the next apply takes over")
	w.run(0, "apply", "--yes")
	w.run(0, "unlock").says(t, "lab is not locked")
	w.converged()
}

// TestUnlock takes the lock away from a run that is alive: it begins nothing more. As nobody else has had it since, the run goes back, and
// the next apply finishes.
func TestUnlock(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	first := w.start("apply", "--yes")
	first.reaches("switch: began")
	w.run(1, "unlock", "--yes").says(t, "process ", "it looks ALIVE", "the holder was alive", "nothing was changed", "--fence")
	h, held, err := w.store().Current(t.Context())
	if !held || err != nil {
		t.Fatalf("nobody holds the lock: %v", err)
	}
	w.run(1, "unlock", "--yes", "--fence", fmt.Sprint(h.Fence+1)).says(t, "somebody else holds it now")
	w.run(0, "unlock", "--yes", "--fence", fmt.Sprint(h.Fence)).says(t, "the lock is removed")
	got := first.wait()
	if got.code != 1 {
		t.Errorf("exit code %d, want 1", got.code)
	}
	got.says(t, "everything is as it was before", "the lock (fence 1) was lost", "only to bring up what it had stopped", "then plan and apply again")
	if strings.Contains(got.err, "verify: began") || strings.Contains(got.out, "not seen up") {
		t.Error("it went on without the lock")
	}
	if t.Failed() {
		t.Logf("%s\n%s", got.out, got.err)
	}
	w.run(0, "apply", "--yes")
	w.converged()
}

// killedAtAStop runs apply until it has stopped the host's service, and kills it then: nobody starts that again.
func (w *world) killedAtAStop(h *lab.Host) {
	w.t.Helper()
	stopped := make(chan struct{}, 1)
	h.Points(func(p machine.Point) (a machine.Action) {
		if p.Op == "service.stop" && p.When == machine.After {
			a.End = machine.EndCrash
			select {
			case stopped <- struct{}{}:
			default:
			}
		}
		return a
	})
	r := w.start("apply", "--yes")
	<-stopped
	r.signal(syscall.SIGKILL)
	r.wait()
	h.Points(nil)
}
