package file_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"meshrotate/state"
	"meshrotate/state/file"
)

// childDir tells a copy of the test program what to do in a folder, until it is killed.
const childDir, childTask = "MESHROTATE_TEST_DIR", "MESHROTATE_TEST_TASK"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Println("failed:", child(dir, os.Getenv(childTask)))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func child(dir, task string) error {
	ctx := context.Background()
	s, err := file.Open(dir)
	if err != nil {
		return err
	}
	if task == "hold" {
		s.TTL = time.Hour // however slow the machine is, its heartbeat is not overdue
		l, err := s.Acquire(ctx, state.Holder{Run: "child", By: "ops"})
		if err != nil {
			return err
		}
		fmt.Println("held", l.Fence())
		_, err = io.Copy(io.Discard, os.Stdin) // until it is killed, or nobody is left to do so
		return err
	}
	for i := 0; ; i++ {
		batch := make([]state.Entry, 1+i%7)
		for j := range batch {
			batch[j] = state.Entry{Time: time.Now(), Run: task, Version: fmt.Sprint(i), Outcome: state.Started,
				Step: fmt.Sprint(j), Detail: strings.Repeat("x", i*97%400)}
		}
		if err := s.Append(ctx, batch...); err != nil {
			return err
		}
		fmt.Println(i)
	}
}

// start runs a child. What it says comes line by line; nothing waits for a time.
func start(t *testing.T, dir, task string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), childDir+"="+dir, childTask+"="+task)
	c.Stderr = os.Stderr
	_, err := c.StdinPipe() // it ends when we do
	out, err2 := c.StdoutPipe()
	if err = errors.Join(err, err2); err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	return c, bufio.NewScanner(out)
}

// appender is a child that appends until it is killed.
type appender struct {
	task    string
	cmd     *exec.Cmd
	out     *bufio.Scanner
	batches int // acknowledged
}

// read counts acknowledged batches, up to a number, or to the end when it is killed.
func (a *appender) read(t *testing.T, upTo int) {
	t.Helper()
	for a.batches < upTo && a.out.Scan() {
		if strings.HasPrefix(a.out.Text(), "failed") {
			t.Fatal(a.out.Text())
		}
		if a.out.Text() == fmt.Sprint(a.batches) { // else it was cut by the kill: not acknowledged
			a.batches++
		}
	}
}

// What was acknowledged before a kill is there after it, in order; the ledger can be read and appended to.
func TestKilledWhileAppending(t *testing.T) {
	dir := t.TempDir()
	for round := range 12 {
		var runs []*appender
		for w := range 2 {
			task := fmt.Sprintf("round-%d-%d", round, w)
			cmd, out := start(t, dir, task)
			runs = append(runs, &appender{task: task, cmd: cmd, out: out})
		}
		runs[0].read(t, 1+rand.IntN(20))
		for _, r := range runs {
			_ = r.cmd.Process.Kill()
		}
		for _, r := range runs {
			r.read(t, 1<<30)
			_ = r.cmd.Wait()
		}
		s := open(t, dir)
		got, err := s.Entries(t.Context())
		if err != nil {
			t.Fatalf("after a kill: %v", err)
		}
		for _, r := range runs {
			wantAcknowledged(t, r, got)
		}
		if err := s.Append(t.Context(), state.Entry{Run: "parent", Outcome: state.Done}); err != nil {
			t.Fatal(err)
		}
		again, err := s.Entries(t.Context())
		if err != nil || len(again) < len(got)+1 || again[len(again)-1].Run != "parent" {
			t.Fatalf("append after a kill: %d entries after %d, %v", len(again), len(got), err)
		}
	}
}

func wantAcknowledged(t *testing.T, r *appender, all []state.Entry) {
	t.Helper()
	var own []state.Entry
	for _, e := range all {
		if e.Run == r.task {
			own = append(own, e)
		}
	}
	for i := range r.batches {
		for j := range 1 + i%7 {
			if len(own) == 0 {
				t.Fatalf("%s: entry %d/%d was acknowledged and is lost", r.task, i, j)
			}
			if e := own[0]; e.Version != fmt.Sprint(i) || e.Step != fmt.Sprint(j) || len(e.Detail) != i*97%400 {
				t.Fatalf("%s: found %s/%s where %d/%d was acknowledged", r.task, e.Version, e.Step, i, j)
			}
			own = own[1:]
		}
	}
}
