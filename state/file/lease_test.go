package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"meshrotate/reconciler/secret"
	"meshrotate/state"
	"meshrotate/state/file"
)

func TestDeadHolderIsReplacedAtOnce(t *testing.T) {
	dir := t.TempDir()
	child, out := start(t, dir, "hold")
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	s := open(t, dir)
	holder := waitHeld(t, s)
	if _, err := s.Acquire(t.Context(), state.Holder{Run: "r2"}); err == nil {
		t.Fatal("a living holder was replaced")
	}
	_ = child.Process.Kill()
	_ = child.Wait() // from here on there is no such process
	lease, err := s.Acquire(t.Context(), state.Holder{Run: "r2"})
	if err != nil {
		t.Fatalf("%v; the child said %q", err, out)
	}
	if lease.Fence() <= holder.Fence {
		t.Fatalf("fence %d after %d", lease.Fence(), holder.Fence)
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// waitHeld waits for the child to have the lease.
func waitHeld(t *testing.T, s *file.Store) state.Holder {
	t.Helper()
	for range 3000 {
		if h, ok, err := s.Current(t.Context()); err != nil {
			t.Fatal(err)
		} else if ok {
			return h
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the child did not take the lease")
	return state.Holder{}
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
		dir := t.TempDir()
		s := open(t, dir)
		content := `{"run":"old","host":` + strconv.Quote(c.host) + `,"pid":` + c.pid + `,"process":` + strconv.Quote(c.process) +
			`,"ttl":30,"fence":41,"heartbeat":"` + time.Now().UTC().Format(time.RFC3339Nano) + `"}`
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

func TestHeartbeatKeepsTheLease(t *testing.T) {
	dir, clock := t.TempDir(), &clock{}
	s := open(t, dir)
	s.Now, s.TTL = clock.Now, 600*time.Millisecond // a heartbeat every 100 ms
	lease, err := s.Acquire(t.Context(), state.Holder{Run: "r1"})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		clock.Pass(10 * time.Minute) // long past the time to live
		for h, _, err := s.Current(t.Context()); !h.Heartbeat.Equal(clock.Now()); h, _, err = s.Current(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Millisecond)
		}
		other := open(t, dir)
		other.Now = clock.Now
		if _, err := other.Acquire(t.Context(), state.Holder{Run: "r2"}); err == nil {
			t.Fatal("a living holder was replaced")
		}
		if err := lease.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestNoHeartbeatIsLeftBehind(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := open(t, t.TempDir())
	s.TTL = 60 * time.Millisecond
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
}

func TestCheckAfterSleep(t *testing.T) {
	dir, clock := t.TempDir(), &clock{}
	s := open(t, dir)
	s.Now = clock.Now
	lease, err := s.Acquire(t.Context(), state.Holder{Run: "r1"})
	if err != nil {
		t.Fatal(err)
	}
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

func TestDamagedFilesStopTheRun(t *testing.T) {
	for _, c := range []struct{ name, content, reason string }{
		{"lease.json", "{", "somebody may hold it"},
		{"lease.json", "{}", "a lease without a fence is no lease of ours"},
		{"fence", "x", "a fence that falls would let an old run go on"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, c.name), []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := open(t, dir).Acquire(t.Context(), state.Holder{})
		var h interface{ Hint() string }
		if err == nil || !strings.Contains(err.Error(), c.name) || !errors.As(err, &h) {
			t.Errorf("%s: %v; want an error that names the file, with a hint: %s", c.name, err, c.reason)
		}
	}
}

func TestSalt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	salts := make([]secret.Value, 8)
	var all sync.WaitGroup
	for i := range salts {
		s := open(t, dir)
		all.Go(func() {
			var err error
			if salts[i], err = s.Salt(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, s := range salts {
		if s.Len() != 32 || !s.Equal(salts[0]) {
			t.Fatal("salts differ, or are short")
		}
	}
	other, err := open(t, t.TempDir()).Salt(t.Context())
	if err != nil || other.Equal(salts[0]) {
		t.Fatalf("two folders have one salt, or %v", err)
	}

	if err := os.WriteFile(filepath.Join(dir, "salt"), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, short := open(t, dir).Salt(t.Context())
	failures := []error{short}
	if runtime.GOOS != "windows" {
		nowhere := filepath.Join(t.TempDir(), "state") // nothing can be made there, whoever runs the test
		if err := os.Symlink("missing/missing", nowhere); err != nil {
			t.Fatal(err)
		}
		_, unwritable := open(t, nowhere).Salt(t.Context())
		failures = append(failures, unwritable)
	}
	for _, err := range failures {
		var h interface{ Hint() string }
		if !errors.As(err, &h) {
			t.Errorf("%v; want an error with a hint", err)
		}
	}
}
