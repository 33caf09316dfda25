package providers_test

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/rotations/relaykey"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// What an earlier run left down came back before anybody looked: its outage is told as what it was at the most, from the stop to
// the look. That a process has started shows nothing.
func TestWhatCameBackByItself(t *testing.T) {
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
			time.Sleep(time.Hour)
			looked := time.Now()
			w.doc.Secrets["relayKey"].(*relaykey.Spec).Version = "8"
			_, o = w.run()
			all := outagesOf(o, h.Name)
			if len(all) != 2 {
				t.Fatalf("two stops: %+v", all)
			}
			if got, least := all[0], looked.Sub(since).Seconds(); got.Measured < least || got.Measured > least+10 || got.UpBy.IsZero() || !got.Since.IsZero() {
				t.Errorf("%+v, and it was looked at after %.0f s: %v", got, least, o)
			}
			if got := all[1]; !got.UpBy.IsZero() || got.Earlier || got.Measured > 60 {
				t.Errorf("its own restart: %+v", got)
			}
			if cut := outagesOf(o, "relays cut off"); len(cut) != 1 || cut[0].Earlier || cut[0].Measured > 60 || cut[0].Predicted <= 0 {
				t.Errorf("%+v", cut)
			}
		})
	})
	t.Run("with the old key, in vain", func(t *testing.T) {
		virtual(t, func(t *testing.T) {
			w := newWorld(t, 3)
			h := w.relay(1)
			when(w.lab.Admin, "service.start", machine.After, func() { w.do("remove", h.Name) })
			_, o := w.run()
			if len(o.Down) == 0 || o.Down[0].Since.IsZero() {
				t.Fatalf("%v", o)
			}
			since := o.Down[0].Since
			time.Sleep(5 * time.Minute)
			w.do("install", h.Name)
			time.Sleep(time.Hour)
			_, o = w.run()
			for _, what := range []string{h.Name, "relays"} {
				all := outagesOf(o, what)
				if most := time.Since(since).Seconds(); len(all) != 1 || all[0].Measured < most-60 || all[0].Measured > most || !all[0].Earlier || !all[0].Since.IsZero() {
					t.Errorf("%s: %+v, not about %.0f s", what, all, most)
				}
			}
			w.converged()
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
			stopped := time.Now() // relays stop after Admin is ready
			time.Sleep(20 * time.Minute)
			if holder, held, err := w.state.Lock.Current(t.Context()); err == nil && held {
				_ = w.state.Lock.Break(t.Context(), holder.Fence)
			}
			p, o := w.run()
			for what, service := range map[string]bool{h.Name: true, "Admin": true, "relays cut off": false} {
				all := outagesOf(o, what) // and its process shows the least
				if len(all) != 1 || all[0].Measured < 1200 || all[0].Measured > 1330 || all[0].UpBy.Before(stopped) || !all[0].Earlier || service == (all[0].Ran == 0) || all[0].Ran > 10 {
					t.Errorf("%s: %+v: %v", what, all, o)
				}
			}
			if !slices.ContainsFunc(p.Changes, func(c reconciler.Change) bool {
				return slices.ContainsFunc(c.Returned, func(r reconciler.Returned) bool { return r.What == "Admin" })
			}) {
				t.Errorf("Admin was restarted too: %+v", p.Changes)
			}
			w.converged()
			predicts(t, w, defaults)
		})
	})
}

// outagesOf are what a run tells of the relay key under this name.
func outagesOf(o reconciler.Outcome, what string) (all []state.Outage) {
	for _, e := range o.Secrets {
		for _, x := range e.Outages {
			if x.What == what && e.Change.Secret.Name == "relaykey" {
				all = append(all, x)
			}
		}
	}
	return all
}

// defaults are predicted where no run measured.
var defaults = map[string]float64{"relays": 14, "relays cut off": 23, "Admin": 9}

// predicts asks the plan of the next rotation.
func predicts(t *testing.T, w *world, want map[string]float64) {
	t.Helper()
	spec := w.doc.Secrets["relayKey"].(*relaykey.Spec)
	was := spec.Version
	spec.Version = "next"
	defer func() { spec.Version = was }()
	next := w.process()
	defer next.close()
	for _, c := range next.look().Plan.Changes {
		if c.Secret.Name != "relaykey" {
			continue
		}
		got := map[string]float64{}
		for _, o := range c.Outages {
			got[o.What] = o.Predicted
		}
		if !maps.Equal(got, want) {
			t.Errorf("predicted %v, not %v", got, want)
		}
	}
}

// A run whose lock is taken away in the switch measured Admin's outage to its end: the next one does not tell it again, and tells
// for how long relays were cut off. What nobody measured to its end predicts nothing.
func TestOneStopIsOneOutage(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3)
		_, o := w.run()
		proven := map[string]float64{}
		for what := range defaults {
			proven[what] = outagesOf(o, what)[0].Measured
		}
		predicts(t, w, proven)
		w.doc.Secrets["relayKey"].(*relaykey.Spec).Version = "8"
		var once sync.Once
		var broken atomic.Bool // and Admin does not say any more which relays are connected
		w.lab.WireAPI(func(e wsman.Event) (f wsman.Fault) {
			if broken.Load() && e.Action == "GET /api/relays" {
				f.Kind = wsman.Hang
			}
			return f
		})
		for i := range 3 {
			w.relay(i + 1).Points(func(p machine.Point) (a machine.Action) {
				if p.Op == "service.start" && p.When == machine.Before {
					once.Do(func() {
						w.rob()
						broken.Store(true)
					})
				}
				return a
			})
		}
		_, o = w.run()
		broken.Store(false)
		if admin, cut := outagesOf(o, "Admin"), outagesOf(o, "relays cut off"); len(o.With(state.Proven)) > 0 || len(admin) != 1 || admin[0].Measured == 0 ||
			!admin[0].Since.IsZero() || len(cut) != 1 || cut[0].Since.IsZero() || cut[0].Predicted <= 0 {
			t.Fatalf("Admin %+v, cut off %+v: %v", admin, cut, o)
		}
		predicts(t, w, proven)
		time.Sleep(time.Minute)
		_, o = w.run()
		if len(outagesOf(o, "Admin")) > 0 {
			t.Errorf("one stop, told twice: %+v", outagesOf(o, "Admin"))
		}
		if cut := outagesOf(o, "relays cut off"); len(cut) != 1 || cut[0].UpBy.IsZero() && !cut[0].Earlier || cut[0].Measured < 1 {
			t.Errorf("relays were cut off: %+v", cut)
		}
	})
}
