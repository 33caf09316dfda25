package providers_test

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/rotations/relaykey"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// What an earlier run left down came back before anybody looked: its outage is told as what it was at the most, from the stop to
// the start of its process.
func TestWhatCameBackByItself(t *testing.T) {
	of := func(t *testing.T, o reconciler.Outcome, what string) (out state.Outage) {
		t.Helper()
		for _, e := range o.With(state.Proven) {
			for _, x := range e.Outages {
				if x.What == what && e.Change.Secret.Name == "relaykey" {
					out = x
				}
			}
		}
		return out
	}
	t.Run("after a run that named it", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 3)
			h := w.relay(1)
			when(h, "service.start", machine.After, func() { h.Machine.Kill(lab.RelayService) })
			_, o := w.run()
			if len(o.Down) != 1 {
				t.Fatalf("%v", o)
			}
			since := o.Down[0].Since
			time.Sleep(5 * time.Minute)
			if err := h.Machine.Start(lab.RelayService); err != nil {
				t.Fatal(err)
			}
			up := time.Now()
			time.Sleep(time.Hour)
			w.doc.Secrets["relayKey"].(*relaykey.Spec).Version = "8"
			_, o = w.run()
			got := of(t, o, h.Name)
			if least := up.Sub(since).Seconds(); got.Measured < least || got.Measured > least+10 || got.UpBy.IsZero() || !got.Since.IsZero() {
				t.Errorf("%+v, and it was down for %.0f s: %v", got, least, o)
			}
			if fleet := of(t, o, "relay-02.lab.example"); !fleet.UpBy.IsZero() {
				t.Errorf("%+v", fleet)
			}
		})
	})
	t.Run("after a run that was killed", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 3)
			h := w.relay(2)
			var dead atomic.Bool
			s := w.process()
			when(h, "service.start", machine.After, func() { dead.Store(true); w.kill() })
			s.State.Ledger = mortal{w.state.Ledger, &dead}
			s.apply(nil)
			s.close()
			time.Sleep(20 * time.Minute)
			if holder, held, err := w.state.Lock.Current(t.Context()); err == nil && held {
				_ = w.state.Lock.Break(t.Context(), holder.Fence)
			}
			p, o := w.run()
			got := of(t, o, h.Name)
			if got.Measured < 1 || got.Measured > 10 || got.UpBy.IsZero() {
				t.Errorf("%+v: %v", got, o)
			}
			if !slices.ContainsFunc(p.Changes, func(c reconciler.Change) bool {
				return slices.ContainsFunc(c.Returned, func(r reconciler.Returned) bool { return r.What == "Admin" })
			}) {
				t.Errorf("Admin was restarted too: %+v", p.Changes)
			}
			w.converged()
		})
	})
}
