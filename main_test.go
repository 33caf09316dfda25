//go:build unix

package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// asRun makes the test binary a run that never ends by itself.
const asRun = "MESHROTATE_TEST_AS_RUN"

// TestAsRun is no test: it says when it is told of its end, as a run does, and goes on.
func TestAsRun(*testing.T) {
	if os.Getenv(asRun) == "" {
		return
	}
	ctx := prepared()
	context.AfterFunc(ctx, func() { fmt.Println(context.Cause(ctx)) })
	var core syscall.Rlimit
	_ = syscall.Getrlimit(syscall.RLIMIT_CORE, &core)
	fmt.Println("core", core.Cur, core.Max)
	for {
		time.Sleep(time.Minute)
	}
}

// TestSecondSignal sends a second signal the moment the first is acknowledged: it kills, every time. Many at once keep
// the machine busy, which is what it takes to swallow one.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cause         string
		first, second syscall.Signal
	}{
		{"Ctrl-C", syscall.SIGINT, syscall.SIGINT},
		{"Ctrl-C", syscall.SIGINT, syscall.SIGTERM},
		{"terminated", syscall.SIGTERM, syscall.SIGTERM},
		{"the terminal hung up", syscall.SIGHUP, syscall.SIGINT},
	} {
		for i := range 20 {
			t.Run(fmt.Sprintf("%v, %v, %d", c.first, c.second, i), func(t *testing.T) {
				t.Parallel()
				r := startAsRun(t)
				r.send(t, c.first)
				r.says(t, c.cause)
				if c.first == syscall.SIGHUP {
					r.send(t, syscall.SIGHUP) // does nothing, however often it comes
				}
				r.send(t, c.second)
				err := r.cmd.Wait()
				if end, ok := r.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || end.Signal() != c.second {
					t.Errorf("it ended with %v, want %v", err, c.second)
				}
			})
		}
	}
}

// runProcess is TestAsRun in a process of its own.
type runProcess struct {
	cmd *exec.Cmd
	out *bufio.Scanner
}

func startAsRun(t *testing.T) runProcess {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestAsRun$")
	cmd.Env = append(os.Environ(), asRun+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lost := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	t.Cleanup(func() { lost.Stop() })
	r := runProcess{cmd, bufio.NewScanner(out)}
	r.says(t, "core 0 0")
	return r
}

// says waits for the next line.
func (r runProcess) says(t *testing.T, line string) {
	t.Helper()
	if !r.out.Scan() || r.out.Text() != line {
		t.Errorf("it says %q, want %q", r.out.Text(), line)
	}
}

func (r runProcess) send(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		t.Error(err)
	}
}
