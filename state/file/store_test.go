package file_test

import (
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/state"
	"meshrotate/state/file"
	"meshrotate/state/statetest"
)

func TestLedger(t *testing.T) {
	statetest.Ledger(t, func(t *testing.T) func() state.Ledger {
		dir := t.TempDir()
		return func() state.Ledger { return open(t, dir) }
	})
}

func TestLock(t *testing.T) {
	statetest.Lock(t, func(t *testing.T) statetest.Locks {
		dir, clock := t.TempDir(), &clock{}
		return statetest.Locks{
			Open: func() state.Lock {
				s := open(t, dir)
				s.Now = clock.Now
				return s
			},
			Expire:  func() { clock.Pass(file.DefaultTTL + time.Second) },
			Damage:  func() { write(t, dir, "lease.json", "{") },
			Virtual: true,
		}
	})
}

func TestBlobs(t *testing.T) {
	statetest.Blobs(t, func(t *testing.T) func() state.Blobs {
		dir := t.TempDir()
		return func() state.Blobs { return open(t, dir) }
	})
}

func TestRemoval(t *testing.T) {
	dir := t.TempDir()
	statetest.Removal(t, func() state.Blobs { return open(t, dir) })
}

func open(t *testing.T, dir string) *file.Store {
	t.Helper()
	s, err := file.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// clock stands still until it is told to pass.
type clock struct{ passed atomic.Int64 }

func (c *clock) Now() time.Time {
	return time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC).Add(time.Duration(c.passed.Load()))
}

func (c *clock) Pass(d time.Duration) { c.passed.Add(int64(d)) }
