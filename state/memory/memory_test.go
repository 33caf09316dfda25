package memory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"meshrotate/reconciler/secret"
	"meshrotate/state"
	"meshrotate/state/memory"
	"meshrotate/state/statetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLedger(t *testing.T) {
	statetest.Ledger(t, func(*testing.T) func() state.Ledger {
		s := memory.New()
		return func() state.Ledger { return s.Open() }
	})
}

func TestBlobs(t *testing.T) {
	statetest.Blobs(t, func(*testing.T) func() state.Blobs {
		s := memory.New()
		return func() state.Blobs { return s.Open() }
	})
}

func TestRemoval(t *testing.T) {
	s := memory.New()
	statetest.Removal(t, func() state.Blobs { return s.Open() })
}

func TestLock(t *testing.T) {
	statetest.Lock(t, func(*testing.T) statetest.Locks {
		s := memory.New()
		var opened []*memory.Process
		return statetest.Locks{
			Open: func() state.Lock {
				opened = append(opened, s.Open())
				return opened[len(opened)-1]
			},
			Expire: func() {
				for _, p := range opened {
					p.Kill()
				}
				time.Sleep(memory.TTL + time.Second)
			},
			Virtual: true,
		}
	})
}

// A killed process does nothing more, and is respected for a while: nobody can know at once that it is dead.
func TestKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		dead, next := s.Open(), s.Open()
		if err := dead.Append(t.Context(), state.Entry{Run: "r1", Outcome: state.Started}); err != nil {
			t.Fatal(err)
		}
		lease, err := dead.Acquire(t.Context(), state.Holder{Run: "r1"})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if h, ok, err := next.Current(t.Context()); err != nil || !ok || h.Ended || !h.Heartbeat.Equal(time.Now()) {
			t.Fatalf("a living process: %+v, %v, %v", h, ok, err)
		}
		dead.Kill()
		time.Sleep(memory.TTL)
		dead.Kill() // once is enough
		if _, err := next.Acquire(t.Context(), state.Holder{Run: "r2"}); err == nil {
			t.Fatal("it was replaced before its time to live was over")
		}
		time.Sleep(time.Nanosecond)
		if h, ok, err := next.Current(t.Context()); err != nil || !ok || !h.Ended {
			t.Fatalf("a dead process: %+v, %v, %v", h, ok, err)
		}
		var lost *state.LostError
		if err := lease.Check(t.Context()); !errors.As(err, &lost) || !errors.Is(err, memory.ErrKilled) {
			t.Fatalf("a killed process goes on: %v", err)
		}
		for what, err := range map[string]error{
			"append":  dead.Append(t.Context(), state.Entry{Outcome: state.Done}),
			"create":  dead.Create(t.Context(), "k/7", nil),
			"release": lease.Release(t.Context()),
			"break":   dead.Break(t.Context(), lease.Fence()),
		} {
			if !errors.Is(err, memory.ErrKilled) {
				t.Errorf("%s of a killed process: %v", what, err)
			}
		}
		if _, err := next.Acquire(t.Context(), state.Holder{Run: "r2"}); err != nil {
			t.Fatal(err)
		}
		if got, err := next.Entries(t.Context()); err != nil || len(got) != 1 {
			t.Fatalf("what it wrote: %v, %v", got, err)
		}
	})
}

func TestSalt(t *testing.T) {
	s := memory.New()
	a, _ := s.Open().PresentSalt(t.Context())
	b, _ := s.Open().PresentSalt(t.Context())
	if a.Len() != 32 || a.Equal(b) {
		t.Fatal("a salt that is not there yet is the same twice, or short")
	}
	first, err := s.Open().Salt(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, salt := range []func(context.Context) (secret.Value, error){s.Open().Salt, s.Open().PresentSalt} {
		if v, err := salt(t.Context()); err != nil || v.Len() != 32 || !v.Equal(first) {
			t.Fatalf("the salt changed, or %v", err)
		}
	}
	if st := s.Open().State(); st.Ledger == nil || st.Lock == nil || st.Salt == nil || st.Values == nil {
		t.Fatalf("%+v", st)
	}
}
