package statetest

import (
	"errors"
	"testing"

	"meshrotate/state"
)

func takeOver(t *testing.T, l Locks) {
	if l.Expire == nil {
		t.Skip("this backend's leases do not expire")
	}
	dead := acquire(t, l.Open(), "r1")
	l.Expire()
	next := acquire(t, l.Open(), "r2")
	if next.Fence() <= dead.Fence() {
		t.Fatalf("fence %d after %d", next.Fence(), dead.Fence())
	}
	wantLost(t, dead)
	wantReleaseFails(t, dead)
	if err := next.Check(t.Context()); err != nil {
		t.Fatalf("the new holder was harmed: %v", err)
	}
	if h, ok, err := l.Open().Current(t.Context()); err != nil || !ok || h.Run != "r2" {
		t.Fatalf("current: %+v, %v, %v", h, ok, err)
	}
	release(t, next)
}

func damagedLease(t *testing.T, l Locks) {
	if l.Damage == nil {
		t.Skip("this backend's leases cannot be damaged")
	}
	lease := acquire(t, l.Open(), "r1")
	l.Damage()
	h, ok, err := l.Open().Current(t.Context())
	if err != nil || !ok || h.Fence != 0 || h.Damaged == "" || h.Ended {
		t.Fatalf("current: %+v, %v, %v; want fence 0 and what is wrong", h, ok, err)
	}
	var held *state.HeldError
	if _, err := l.Open().Acquire(t.Context(), holder("r2")); !errors.As(err, &held) || held.Holder.Damaged == "" {
		t.Fatalf("acquire: %v, want *HeldError that says what is wrong", err)
	}
	if err := l.Open().Break(t.Context(), lease.Fence()); err == nil {
		t.Fatal("broke a lease that cannot be read as if it had been read")
	}
	wantLost(t, lease)
	wantReleaseFails(t, lease)
	if err := l.Open().Break(t.Context(), 0); err != nil {
		t.Fatalf("break: %v", err)
	}
	next := acquire(t, l.Open(), "r3")
	if next.Fence() <= lease.Fence() {
		t.Fatalf("fence %d after a damaged %d", next.Fence(), lease.Fence())
	}
	release(t, next)
}
