package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// The services' account is locked in the switch, so that Admin and Engine do not start again, and unlocked later: a plain apply starts
// what the run has stopped, and the next one finishes. While it is locked nothing more is stopped.
func TestAnAccountThatIsLockedInTheSwitch(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2)
		s := w.process()
		s.Tell = func(e reconciler.Event) {
			if e.Kind == reconciler.PhaseBegan && e.Phase == "switch" {
				w.do("lock", "relay-01")
			}
		}
		_, o := s.apply(nil)
		s.close()
		if len(o.Down) == 0 {
			t.Fatalf("%v", o)
		}
		time.Sleep(time.Minute)
		before := w.processes()
		_, o = w.run()
		if len(o.With(state.Proven)) > 0 {
			t.Errorf("while it is locked: %v", o)
		}
		t.Logf("%q\n%q", before, w.processes())
		w.do("unlock", "relay-01")
		time.Sleep(time.Minute)
		p, o := w.run()
		t.Logf("%v", o)
		if len(p.Blocked()) > 0 || len(o.Down) > 0 {
			t.Errorf("unlocked: %v", o)
		}
		w.converged()
	})
}

// The services' account is locked while they run, and the document moves them off it. Whatever else is due waits for that where one of
// them would be stopped before it has its new account, and the plan says which way leads out.
func TestServicesAreMovedOffALockedAccount(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 1, "relaykey", "license", "sqllogin", "serviceaccount")
		w.runAs(lab.Domain+`\gmsa-im$`, lab.AdminService, lab.EngineService)
		time.Sleep(72 * time.Hour)
		w.lab.Directory().Lock(lab.Account, true)
		time.Sleep(time.Hour)
		before := w.starts()
		p, _ := w.run()
		var refused []string
		for _, c := range p.Changes {
			for _, f := range c.Findings {
				if f.Severity != reconciler.Error {
					continue
				}
				if refused = append(refused, f.Hosts...); f.Code != "service-cannot-start" || !strings.Contains(f.Hint, "apply the accounts alone first") {
					t.Errorf("%+v", f)
				}
			}
		}
		slices.Sort(refused)
		if refused = slices.Compact(refused); !slices.Equal(refused, []string{"im-engine.lab.example"}) || !slices.Equal(before, w.starts()) {
			t.Errorf("refused for %q: Admin has its new account before it stops", refused)
		}
		all := w.rotations()
		s := w.only(all[len(all)-1].Ref().Name)
		_, o := s.apply(nil)
		s.close()
		if o.Err != nil {
			t.Errorf("the account alone: %v", o)
		}
		time.Sleep(time.Minute)
		if _, o := w.run(); o.Err != nil || len(o.Secrets) == 0 {
			t.Errorf("then the rest: %v", o)
		}
		w.converged()
	})
}

// Services are moved from an account without a password to one that is locked in the switch. Each has a way back to an account that
// works, so that nothing stays down.
func TestTheWayBackToAnAccountWithoutAPassword(t *testing.T) {
	vendor()
	const managed = lab.Domain + `\gmsa-im$`
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 1, "serviceaccount")
		w.logOnAs(managed, "")
		time.Sleep(72 * time.Hour)
		before(w.lab.EngineHost, "service.start", func() { w.lab.Directory().Lock(lab.Account, true) })
		_, o := w.run()
		if len(o.With(state.Back)) != 1 || len(o.Down) > 0 || w.up() != nil {
			t.Errorf("%v; %v", o, w.up())
		}
		w.lab.Directory().Lock(lab.Account, false)
		before(w.lab.EngineHost, "service.start", func() {})
		time.Sleep(40 * time.Minute)
		if _, o := w.run(); len(o.With(state.Proven)) != 1 || w.up() != nil {
			t.Errorf("unlocked: %v; %v", o, w.up())
		}
	})
}

// logOnAs lets Admin and Engine run as an account.
func (w *world) logOnAs(account, password string) {
	w.t.Helper()
	for _, h := range []*lab.Host{w.lab.Admin, w.lab.EngineHost} {
		if err := h.Machine.SetLogon(serviceOf(h), account, password); err != nil {
			w.t.Fatal(err)
		}
		_ = h.Machine.Stop(serviceOf(h))
		time.Sleep(2 * time.Second)
		if err := h.Machine.Start(serviceOf(h)); err != nil {
			w.t.Fatal(err)
		}
	}
}
