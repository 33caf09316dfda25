//go:build unix

package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"
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
		{"nobody was asked for anything yet", "", 1, []string{"--powershell", "2s"}, []string{"interrupted while looking; nothing was changed"}},
		{"files are staged, nothing live has changed", "prepare: began", 1, []string{"--relays", "40", "--powershell", "10ms"},
			[]string{"cause interrupted during prepare", "failed and undone: everything is as it was before"}},
		{"services are down: they come up first", "switch: began", 3, nil, []string{"interrupted: ending at the next safe point",
			"cause interrupted before verify", "stopped where it was", "then apply again"}},
		{"the new key is live and not proven yet", "verify: began", 3, nil, []string{"cause interrupted during verify", "then apply again"}},
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

// TestInterruptedTwice ends the program at once.
func TestInterruptedTwice(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	r := w.start("apply", "--yes")
	r.reaches("switch: began")
	r.signal(syscall.SIGINT)
	r.reaches("interrupted: ending at the next safe point")
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
	w.run(0, "apply", "--yes")
	w.run(0, "unlock").says(t, "lab is not locked")
	w.converged()
}
