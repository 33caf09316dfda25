package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"meshrotate/state"
	"meshrotate/state/file"
)

func TestDeadHolderIsReplacedAtOnce(t *testing.T) {
	dir := t.TempDir()
	child, out := start(t, dir, "hold")
	if !out.Scan() || !strings.HasPrefix(out.Text(), "held ") {
		t.Fatalf("the child did not take the lease: %q", out.Text())
	}
	s := open(t, dir)
	holder, ok, err := s.Current(t.Context())
	if err != nil || !ok || holder.Ended {
		t.Fatalf("%+v, %v, %v", holder, ok, err)
	}
	if _, err := s.Acquire(t.Context(), state.Holder{Run: "r2"}); err == nil {
		t.Fatal("a living holder was replaced")
	}
	_ = child.Process.Kill()
	_ = child.Wait() // from here on there is no such process
	lease, err := s.Acquire(t.Context(), state.Holder{Run: "r2"})
	if err != nil {
		t.Fatal(err)
	}
	if lease.Fence() <= holder.Fence {
		t.Fatalf("fence %d after %d", lease.Fence(), holder.Fence)
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A lease file as another process may have left it, judged while its heartbeat is fresh.
func TestWhoIsDead(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	mine := leaseOfThisProcess(t)
	pid := strconv.Itoa(os.Getpid())
	gone := "4194304" // the kernel gives out numbers below this one
	for _, c := range []struct {
		reason             string
		host, pid, process string
		dead, linux        bool
	}{
		{"we ourselves are alive", host, pid, mine, false, false},
		{"another machine's numbers mean nothing here", "elsewhere", gone, mine, false, false},
		{"no such process", host, gone, mine, true, false},
		{"a later process has the same number", host, pid, mine[:max(0, strings.LastIndexByte(mine, ' '))] + " 1", true, true},
		{"the number is of another container or an earlier boot", host, gone, "boot pid:[1] 1", false, true},
		{"nobody knows when that process began", host, gone, "", false, true},
	} {
		if c.linux && runtime.GOOS != "linux" {
			continue
		}
		dir, clock := t.TempDir(), &clock{} // it stands still: no heartbeat gets old
		s := open(t, dir)
		s.Now = clock.Now
		content := `{"run":"old","host":` + strconv.Quote(c.host) + `,"pid":` + c.pid + `,"process":` + strconv.Quote(c.process) +
			`,"ttl":30,"fence":41,"heartbeat":"` + clock.Now().Format(time.RFC3339Nano) + `"}`
		if err := os.WriteFile(filepath.Join(dir, "lease.json"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		lease, err := s.Acquire(t.Context(), state.Holder{Run: "new"})
		if (err == nil) != c.dead {
			t.Errorf("%s: %v", c.reason, err)
		}
		if err == nil {
			if lease.Fence() != 42 {
				t.Errorf("fence %d, want 42: higher than the one found, though the fence file is lost", lease.Fence())
			}
			_ = lease.Release(t.Context())
		}
	}
}

// leaseOfThisProcess reads how a lease names this process.
func leaseOfThisProcess(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	lease, err := open(t, dir).Acquire(t.Context(), state.Holder{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "lease.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(data), `"process": "`)
	process, _, _ := strings.Cut(after, `"`)
	return process
}

// The clock is virtual: an hour takes no time, and a busy machine makes no heartbeat late.
func TestHeartbeatKeepsTheLease(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		lease, err := open(t, dir).Acquire(t.Context(), state.Holder{Run: "r1"})
		if err != nil {
			t.Fatal(err)
		}
		for range 360 {
			time.Sleep(10 * time.Second)
			synctest.Wait()
			h, ok, err := open(t, dir).Current(t.Context())
			if age := time.Since(h.Heartbeat); err != nil || !ok || h.Ended || age > file.DefaultTTL/4 {
				t.Fatalf("the heartbeat is %v old: %+v, %v", age, h, err)
			}
		}
		if _, err := open(t, dir).Acquire(t.Context(), state.Holder{Run: "r2"}); err == nil {
			t.Fatal("a living holder was replaced")
		}
		if err := errors.Join(lease.Check(t.Context()), lease.Release(t.Context())); err != nil {
			t.Fatal(err)
		}
	})
}

// A goroutine that stays is a deadlock of the virtual clock, and fails the test.
func TestNoHeartbeatIsLeftBehind(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, dir)
		for range 3 {
			released, err := s.Acquire(t.Context(), state.Holder{})
			if err != nil {
				t.Fatal(err)
			}
			if err := released.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
			broken, err := s.Acquire(t.Context(), state.Holder{})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Break(t.Context(), broken.Fence()); err != nil { // its next heartbeat finds out
				t.Fatal(err)
			}
		}
		time.Sleep(file.DefaultTTL / 5)
	})
}

// A heartbeat that lies in the future looked alive until that time came.
func TestHeartbeatOfAWrongClock(t *testing.T) {
	for _, c := range []struct {
		reason  string
		ahead   time.Duration
		damaged bool
	}{
		{"clocks differ by seconds", 10 * time.Second, false},
		{"a clock is a year ahead", 365 * 24 * time.Hour, true},
		{"as far as a clock can be", 200 * 365 * 24 * time.Hour, true},
	} {
		dir, now := t.TempDir(), &clock{}
		s := open(t, dir)
		s.Now = now.Now
		write(t, dir, "lease.json", `{"run":"old","host":"elsewhere","pid":7,"ttl":30,"fence":41,"damaged":"no","ended":true,"heartbeat":"`+
			now.Now().Add(c.ahead).Format(time.RFC3339Nano)+`"}`)
		h, ok, err := s.Current(t.Context())
		if err != nil || !ok || h.Ended || (h.Damaged != "") != c.damaged || h.Fence != 41 {
			t.Errorf("%s: %+v, %v, %v", c.reason, h, ok, err)
		}
		_, err = s.Acquire(t.Context(), state.Holder{Run: "new"})
		if err == nil || strings.Contains(err.Error(), "in the future") != c.damaged || !strings.Contains(err.Error(), "elsewhere") {
			t.Errorf("%s: %v", c.reason, err)
		}
		if err := s.Break(t.Context(), 41); err != nil {
			t.Errorf("%s: %v", c.reason, err)
		}
	}
}

func TestCheckAfterSleep(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { checkAfterSleep(t, dir) })
}

// checkAfterSleep moves the holder's clock and not that of its heartbeat: so it is when a machine sleeps.
func checkAfterSleep(t *testing.T, dir string) {
	clock := &clock{}
	s := open(t, dir)
	s.Now = clock.Now
	lease, err := s.Acquire(t.Context(), state.Holder{Run: "r1"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lease.Release(t.Context()) }()
	clock.Pass(time.Hour)
	if err := lease.Check(t.Context()); err != nil {
		t.Fatalf("a machine that slept, and nobody else came: %v", err)
	}
	if h, _, err := s.Current(t.Context()); err != nil || !h.Heartbeat.Equal(clock.Now()) {
		t.Fatalf("the overdue heartbeat was not renewed: %v, %v", h.Heartbeat, err)
	}
	if _, err := s.Acquire(t.Context(), state.Holder{Run: "r2"}); err == nil {
		t.Fatal("a renewed lease was taken over")
	}

	if runtime.GOOS == "windows" || os.Geteuid() == 0 {
		// Where permissions do not stop a write, a folder in place of the lock file does.
		if err := os.Remove(filepath.Join(dir, "lease.lock")); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(dir, "lease.lock"), 0o700); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(filepath.Join(dir, "lease.lock"))
	} else {
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.Chmod(dir, 0o700) }()
	}
	clock.Pass(time.Hour)
	var lost *state.LostError
	if err := lease.Check(t.Context()); !errors.As(err, &lost) || lost.Err == nil {
		t.Fatalf("a heartbeat that cannot be renewed: %v", err)
	}
}
