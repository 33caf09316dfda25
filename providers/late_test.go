package providers_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
	"meshrotate/reconciler"
	"meshrotate/reconciler/session"
	"meshrotate/state"
)

// A run whose hosts were away when its lock was taken sends them nothing any more, though they answer again within its patience:
// by then another run has proven them. And what was under way to a host when the lock was lost does not stop a service whose file
// somebody else has changed since.
func TestALateRunTouchesNothing(t *testing.T) {
	for name, fault := range map[string]wsman.Fault{"not reached": {Kind: wsman.Refuse}, "under way": {Delay: 50 * time.Second}} {
		t.Run(name, func(t *testing.T) { virtual(t, func(t *testing.T) { lateRun(t, newWorld(t, 2), fault) }) })
	}
}

func lateRun(t *testing.T, w *world, fault wsman.Fault) {
	first := w.process()
	defer first.close()
	w.client.Name = "first"
	var away, taken atomic.Bool
	var stops atomic.Int32
	switched := make(chan struct{})
	w.lab.Admin.Points(func(p machine.Point) machine.Action {
		if p.Op == "service.start" && p.When == machine.After && away.CompareAndSwap(false, true) {
			close(switched)
		}
		return machine.Action{}
	})
	for _, h := range w.lab.Relays {
		h.Wire(func(e wsman.Event) wsman.Fault {
			if e.Client == "first" && away.Load() && !taken.Load() && (fault.Kind != wsman.None || e.Action == wsman.Send) {
				return fault
			}
			return wsman.Fault{}
		})
		h.Points(func(p machine.Point) machine.Action {
			if p.Op == "service.stop" && p.When == machine.Before && taken.Load() {
				stops.Add(1)
			}
			return machine.Action{}
		})
	}
	var ended reconciler.Outcome
	over := make(chan struct{})
	go func() {
		defer close(over)
		done, err := first.Apply(t.Context(), session.Unblocked)
		if done == nil {
			t.Error(err)
			return
		}
		ended = done.Outcome
	}()
	<-switched
	time.Sleep(5 * time.Second)
	holder, _, err := w.state.Lock.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.state.Lock.Break(t.Context(), holder.Fence); err != nil {
		t.Fatal(err)
	}
	if _, o := w.run(); o.Err != nil || len(o.With(state.Proven)) == 0 {
		t.Fatalf("the other run: %v", o)
	}
	w.do("edit", "relay-01")
	w.do("edit", "relay-02")
	taken.Store(true)
	<-over
	var lost *state.LostError
	if !errors.As(ended.Err, &lost) {
		t.Errorf("the late run does not say that its lock was lost: %v", ended)
	}
	time.Sleep(2 * time.Minute)
	if n := stops.Load(); n > 0 {
		t.Errorf("%d services were stopped by the late run", n)
	}
	if err := w.keyWorks(w.kept("relaykey", lab.NewKey), w.old); err != nil {
		t.Error(err)
	}
	w.converged()
}
