package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"meshrotate/state"
)

// small is a folder on a file system of its own, of 64 KiB.
func small(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("mount a file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill takes what is left of the disk.
func fill(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	_ = f.Close()
}

// Whatever fills the disk in the switch: what a run has kept room for is written, the lease is renewed, and the end is
// durable. Without it the same disk takes nothing.
func TestAFullDisk(t *testing.T) {
	for _, kept := range []bool{true, false} {
		dir := small(t)
		s := open(t, dir)
		lease, err := s.Acquire(t.Context(), state.Holder{Run: "r", By: "ada"})
		if err != nil {
			t.Fatal(err)
		}
		entry := state.Entry{Run: "r", Secret: "a", Version: "1", Step: "switch/stop", Outcome: state.Started, Detail: strings.Repeat("x", 200)}
		if err := s.Append(t.Context(), entry); err != nil {
			t.Fatal(err)
		}
		if kept {
			if err := s.Reserve(t.Context(), 16<<10); err != nil {
				t.Fatal(err)
			}
		}
		fill(t, dir)
		wrote := 0
		for ; wrote < 48; wrote++ { // 16 KiB
			if err = s.Append(t.Context(), entry); err != nil {
				break
			}
			if err := lease.Doing(t.Context(), "switch"); err != nil && kept {
				t.Fatal(err)
			}
		}
		if kept && err != nil || !kept && err == nil {
			t.Errorf("room was kept: %v; wrote %d entries, %v", kept, wrote, err)
		}
		if err := lease.Release(t.Context()); err != nil {
			t.Errorf("room was kept: %v; %v", kept, err)
		}
		if entries, err := open(t, dir).Entries(t.Context()); err != nil || len(entries) != wrote+1 && kept {
			t.Errorf("room was kept: %v; %d entries, want %d; %v", kept, len(entries), wrote+1, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "ledger.room")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the room is still kept: %v", err)
		}
	}
}

// A disk without room says so before anything is changed, and what a run that died had kept is given up by the next.
func TestNoRoom(t *testing.T) {
	dir := small(t)
	s := open(t, dir)
	if err := s.Reserve(t.Context(), 128<<10); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("128 KiB on a disk of 64: %v", err)
	}
	if err := s.Reserve(t.Context(), 16<<10); err != nil {
		t.Fatal(err)
	}
	if err := s.Reserve(t.Context(), 24<<10); err != nil { // not beside what is kept already
		t.Fatal(err)
	}
	if _, err := open(t, dir).Acquire(t.Context(), state.Holder{Run: "r", By: "ada"}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "ledger.room")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the room of a run that died is still kept: %v", err)
	}
}
