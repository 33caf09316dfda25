package providers_test

import (
	"slices"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/rotations/sqllogin"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/state"
)

// The strings are also tried from the hosts, over the network that they have.
func TestProofFromTheHosts(t *testing.T) {
	vendor()
	start := func(t *testing.T, mode string) *world {
		w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Login: mode}, "sqllogin")
		w.doc.Secrets["sqlLogin"].(*sqllogin.Spec).ProveFrom = "hosts"
		return w
	}
	for _, mode := range []string{"alternating", "single", "external"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := start(t, mode)
				p, o := w.run()
				if o.Err != nil || len(o.With(state.Proven)) != 1 {
					t.Fatalf("%v, %+v", o, p.Blocked())
				}
				proofs := 0
				for _, s := range p.Steps() {
					if s.Op.Kind() == "prove-login-from" {
						proofs++
					}
				}
				if want := map[string]int{"alternating": 4, "single": 2, "external": 4}[mode]; proofs != want {
					t.Errorf("%d sign-ins from the hosts", proofs)
				}
				w.loggedIn(lab.NewLogin)
			})
		})
	}
	for _, c := range []struct {
		reason, mode, host, says string
		breaks                   func(w *world)
	}{
		{"Engine's host does not reach SQL Server", "alternating", "im-engine", "does not reach sql01.lab.example, port 1433: no answer", func(w *world) { w.lab.EngineHost.Unreach(true) }},
		{"nor does Admin's", "single", "im-admin", "does not reach", func(w *world) { w.lab.Admin.Unreach(true) }},
		{"a host without a client", "external", "im-admin", "no client of SQL Server", func(w *world) { w.lab.Admin.Machine.SQL = nil }},
	} {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := start(t, c.mode)
				before := w.starts()
				c.breaks(w)
				w.refused("host-cannot-sign-in", c.host, c.says)
				if now := w.starts(); !slices.Equal(before, now) {
					t.Errorf("a service was stopped for it: %v, %v", before, now)
				}
			})
		})
	}
	for _, c := range []struct {
		reason, mode, says string
		breaks             func(w *world)
		end                state.Outcome
	}{
		{"Engine's host loses SQL Server after the look: nothing was stopped", "alternating", "from im-engine.lab.example: SQL error 53",
			func(w *world) {
				when(w.lab.EngineHost, "file.stage", machine.Before, func() { w.lab.EngineHost.Unreach(true) })
			}, state.Back},
		{"so does Admin's, and there is no way back", "single", "from im-admin.lab.example: SQL error 53",
			func(w *world) {
				when(w.lab.EngineHost, "service.start", machine.After, func() { w.lab.Admin.Unreach(true) })
			}, state.Unknown},
		{"the server refuses it from there", "alternating", "18470", func(w *world) {
			w.lab.EngineHost.Machine.SQL = func(string) winhost.SQLAnswer { return winhost.SQLAnswer{Numbers: []int32{18470}} }
		}, state.Back},
	} {
		t.Run(c.reason, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := start(t, c.mode)
				admin := stops(w.lab.Admin)
				c.breaks(w)
				_, o := w.run()
				says(t, o.Err, c.says)
				if len(o.With(c.end)) != 1 || reconciler.HintOf(o.Err) == "" {
					t.Errorf("%v, hint %q", o, reconciler.HintOf(o.Err))
				}
				if c.end == state.Back && admin.Load() > 0 {
					t.Errorf("Admin was stopped")
				}
				rotationtest.Search(t, w.secrets(), w.said())
			})
		})
	}
}
