package statetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"meshrotate/state"
)

// Locks is a backend under test, on storage of its own.
type Locks struct {
	// Open gives another handle on the storage, as if from a process of its own.
	Open func() state.Lock
	// Expire makes whoever holds the lease look dead: time passes, or its connection is cut. Nil: the backend has no
	// such notion, and the cases about it are skipped.
	Expire func()
	// Virtual runs the case on a virtual clock (testing/synctest), so that no heartbeat is late because a machine is busy. It
	// is for backends that talk to no other process.
	Virtual bool
	// Damage makes the lease unreadable, as a full disk or an editor may. Nil: the backend's leases cannot be damaged.
	Damage func()
}

// Lock tests a backend. fresh is called once per case.
func Lock(t *testing.T, fresh func(t *testing.T) Locks) {
	t.Helper()
	for _, c := range []struct {
		name, reason string
		run          func(t *testing.T, l Locks)
	}{
		{"one holder", "two runs at once would rotate against each other", oneHolder},
		{"holder is told", "an operator must see who holds it, since when, and what it is doing", holderIsTold},
		{"fence grows", "a late effect of an old run must be recognisable", fenceGrows},
		{"break", "an operator can free a deployment; the run that is robbed stops", breakLease},
		{"break the right one", "what was shown to the operator is what is removed", breakWrongFence},
		{"regain", "a run that was robbed brings up what it has stopped, while nobody else is at work", regain},
		{"take over", "a crashed run must not block the next one for ever", takeOver},
		{"race", "of many that come at once, one gets it", race},
		{"cancelled", "an interrupted run must be able to give the lease back", cancelled},
		{"damaged", "a lease that nobody can read keeps everybody out until an operator removes it", damagedLease},
		{"release twice", "giving back what one does not have is an error and harms nobody", releaseTwice},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Log(c.reason)
			l := fresh(t)
			if l.Virtual {
				synctest.Test(t, func(t *testing.T) {
					defer time.Sleep(time.Hour) // the heartbeats of lost leases find out, and end
					c.run(t, l)
				})
			} else {
				c.run(t, l)
			}
		})
	}
}

func oneHolder(t *testing.T, l Locks) {
	lease := acquire(t, l.Open(), "r1")
	for _, lock := range []state.Lock{l.Open(), l.Open()} {
		_, err := lock.Acquire(t.Context(), holder("r2"))
		var held *state.HeldError
		if !errors.As(err, &held) || held.Holder.Run != "r1" || held.Holder.By != "ops" {
			t.Fatalf("acquire while held: %v, want *HeldError with run r1", err)
		}
	}
	if err := lease.Check(t.Context()); err != nil {
		t.Fatalf("check: %v", err)
	}
	release(t, lease)
	release(t, acquire(t, l.Open(), "r3"))
}

func holderIsTold(t *testing.T, l Locks) {
	if h, ok, err := l.Open().Current(t.Context()); ok || err != nil {
		t.Fatalf("current before: %+v, %v, %v", h, ok, err)
	}
	want := holder("r1")
	want.Commit, want.Started = "4f2a91c", time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)
	lease, err := l.Open().Acquire(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if err := lease.Doing(t.Context(), "switch on relay-07"); err != nil {
		t.Fatalf("doing: %v", err)
	}
	got, ok, err := l.Open().Current(t.Context())
	if err != nil || !ok || got.Run != "r1" || got.By != "ops" || got.Commit != want.Commit || !got.Started.Equal(want.Started) ||
		got.Doing != "switch on relay-07" || got.Heartbeat.IsZero() || got.Fence != lease.Fence() || got.Host == "" || got.PID == 0 {
		t.Fatalf("current: %+v, %v, %v", got, ok, err)
	}
	release(t, lease)
	if h, ok, err := l.Open().Current(t.Context()); ok || err != nil {
		t.Fatalf("current after release: %+v, %v, %v", h, ok, err)
	}
}

func fenceGrows(t *testing.T, l Locks) {
	var last uint64
	for range 5 {
		lease := acquire(t, l.Open(), "r")
		if lease.Fence() <= last {
			t.Fatalf("fence %d after %d", lease.Fence(), last)
		}
		last = lease.Fence()
		release(t, lease)
	}
	lease := acquire(t, l.Open(), "r")
	if err := l.Open().Break(t.Context(), lease.Fence()); err != nil {
		t.Fatal(err)
	}
	next := acquire(t, l.Open(), "r")
	if next.Fence() <= lease.Fence() {
		t.Fatalf("fence %d after a broken %d", next.Fence(), lease.Fence())
	}
	release(t, next)
}

func breakLease(t *testing.T, l Locks) {
	robbed := acquire(t, l.Open(), "r1")
	if err := l.Open().Break(t.Context(), robbed.Fence()); err != nil {
		t.Fatalf("break: %v", err)
	}
	if h, ok, err := l.Open().Current(t.Context()); ok || err != nil {
		t.Fatalf("current after break: %+v, %v, %v", h, ok, err)
	}
	wantLost(t, robbed)
	next := acquire(t, l.Open(), "r2")
	wantLost(t, robbed)
	wantReleaseFails(t, robbed)
	if err := next.Check(t.Context()); err != nil {
		t.Fatalf("the new holder was harmed: %v", err)
	}
	release(t, next)
}

func regain(t *testing.T, l Locks) {
	lease := acquire(t, l.Open(), "r1")
	for range 2 {
		if err := l.Open().Break(t.Context(), lease.Fence()); err != nil {
			t.Fatalf("break: %v", err)
		}
		wantLost(t, lease)
		var all sync.WaitGroup
		for range 4 { // as many workers do
			all.Go(func() {
				if err := lease.Regain(context.Background()); err != nil {
					t.Errorf("regain: %v", err)
				}
				if err := lease.Check(context.Background()); err != nil {
					t.Errorf("check after it: %v", err)
				}
			})
		}
		all.Wait()
		_, err := l.Open().Acquire(t.Context(), holder("r2"))
		if held := new(state.HeldError); !errors.As(err, &held) || held.Holder.Run != "r1" || held.Holder.Fence != lease.Fence() {
			t.Fatalf("acquire while regained: %v", err)
		}
		if err := lease.Doing(t.Context(), "the way back"); err != nil {
			t.Fatal(err)
		}
	}
	release(t, lease)
	wantReleaseFails(t, lease)

	robbed := acquire(t, l.Open(), "r3")
	if err := l.Open().Break(t.Context(), robbed.Fence()); err != nil {
		t.Fatalf("break: %v", err)
	}
	wantLost(t, robbed)
	next := acquire(t, l.Open(), "r4")
	if err := robbed.Regain(t.Context()); err == nil {
		t.Fatal("regained while somebody has it")
	}
	release(t, next)
	if err := robbed.Regain(t.Context()); err == nil {
		t.Fatal("regained after somebody had it")
	}
	wantLost(t, robbed)
	if h, ok, err := l.Open().Current(t.Context()); ok || err != nil {
		t.Fatalf("current: %+v, %v, %v", h, ok, err)
	}
	wantReleaseFails(t, robbed)
	release(t, acquire(t, l.Open(), "r5"))
}

func breakWrongFence(t *testing.T, l Locks) {
	if err := l.Open().Break(t.Context(), 1); err == nil {
		t.Fatal("broke a lease that nobody holds")
	}
	lease := acquire(t, l.Open(), "r1")
	for _, fence := range []uint64{0, lease.Fence() - 1, lease.Fence() + 1} {
		if err := l.Open().Break(t.Context(), fence); err == nil {
			t.Fatalf("break of fence %d succeeded; the lease has %d", fence, lease.Fence())
		}
	}
	if err := lease.Check(t.Context()); err != nil {
		t.Fatalf("check: %v", err)
	}
	release(t, lease)
}

func race(t *testing.T, l Locks) {
	const runs = 8
	var all sync.WaitGroup
	won := make(chan state.Lease, runs)
	for range runs {
		lock := l.Open()
		all.Go(func() {
			lease, err := lock.Acquire(context.Background(), holder("r"))
			var held *state.HeldError
			switch {
			case err == nil:
				won <- lease
			case !errors.As(err, &held):
				t.Errorf("acquire: %v", err)
			}
		})
	}
	all.Wait()
	close(won)
	if len(won) != 1 {
		t.Fatalf("%d runs got the lease", len(won))
	}
	release(t, <-won)
}

func cancelled(t *testing.T, l Locks) {
	ctx, cancel := context.WithCancel(t.Context())
	lease, err := l.Open().Acquire(ctx, holder("r1"))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := lease.Check(ctx); err == nil {
		t.Fatal("check of a cancelled run succeeded")
	}
	if err := lease.Check(t.Context()); err != nil {
		t.Fatalf("the lease ended with the context of Acquire: %v", err)
	}
	if _, err := l.Open().Acquire(ctx, holder("r2")); err == nil {
		t.Fatal("acquire of a cancelled run succeeded")
	}
	if err := lease.Release(ctx); err != nil {
		t.Fatalf("release of an interrupted run: %v", err)
	}
	release(t, acquire(t, l.Open(), "r3"))
}

func releaseTwice(t *testing.T, l Locks) {
	lease := acquire(t, l.Open(), "r1")
	release(t, lease)
	wantReleaseFails(t, lease)
	next := acquire(t, l.Open(), "r2")
	wantReleaseFails(t, lease)
	if err := next.Check(t.Context()); err != nil {
		t.Fatalf("the new holder was harmed: %v", err)
	}
	release(t, next)
}

func holder(run string) state.Holder { return state.Holder{Run: run, By: "ops"} }

func acquire(t *testing.T, l state.Lock, run string) state.Lease {
	t.Helper()
	lease, err := l.Acquire(t.Context(), holder(run))
	if err != nil {
		t.Fatalf("acquire: %v", err)
	}
	return lease
}

func release(t *testing.T, l state.Lease) {
	t.Helper()
	if err := l.Release(t.Context()); err != nil {
		t.Fatalf("release: %v", err)
	}
}

func wantLost(t *testing.T, l state.Lease) {
	t.Helper()
	var lost *state.LostError
	if err := l.Check(t.Context()); !errors.As(err, &lost) || lost.Fence != l.Fence() {
		t.Fatalf("check of a lost lease: %v, want *LostError", err)
	}
	if err := l.Doing(t.Context(), "harm"); err == nil {
		t.Fatal("doing on a lost lease succeeded")
	}
}

func wantReleaseFails(t *testing.T, l state.Lease) {
	t.Helper()
	if err := l.Release(t.Context()); err == nil {
		t.Fatal("release of a lost lease succeeded")
	}
}
