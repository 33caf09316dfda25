package providers_test

import (
	"slices"
	"strings"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/rotations/serviceaccount"
	"meshrotate/reconciler"
	"meshrotate/specs"
	"meshrotate/state"
)

// runAs lets the document ask for another account, without a password.
func (w *world) runAs(account string, services ...string) {
	w.doc.Secrets["serviceAccounts"] = &serviceaccount.Spec{{Account: account, Services: services, Restart: "now"}}
}

// An account without a password is proven on one service before the next is touched.
func TestAccountsWithoutAPassword(t *testing.T) {
	const managed = lab.Domain + `\gmsa-im$`
	t.Run("managed", func(t *testing.T) {
		accountWorld(t, func(t *testing.T, w *world) {
			w.runAs(managed, lab.AdminService, lab.EngineService)
			p, o := w.run()
			if o.Err != nil || len(p.Rounds) != 2 || len(o.With(state.Proven)) != 1 {
				t.Fatal(o, len(p.Rounds))
			}
			for h, service := range map[*lab.Host]string{w.lab.Admin: lab.AdminService, w.lab.EngineHost: lab.EngineService} {
				if account, password, _ := h.Machine.LoggedOn(service); account != managed || password != "" {
					t.Errorf("%s runs as %s", service, account)
				}
			}
			if p, _ := w.run(); !p.Empty() {
				t.Errorf("a further run plans %d steps", len(p.Steps()))
			}
		})
	})
	t.Run("refused", func(t *testing.T) {
		accountWorld(t, func(t *testing.T, w *world) {
			w.runAs(managed, lab.AdminService, lab.EngineService)
			before(w.lab.Admin, "service.start", func() { w.lab.Directory().Lock(managed, true) })
			engine := counting(w.lab.EngineHost)
			_, o := w.run()
			if o.Err == nil || len(o.With(state.Ahead)) != 1 || engine.stops.Load()+engine.sets.Load() != 0 {
				t.Errorf("%v; Engine was stopped %d times", o, engine.stops.Load())
			}
			w.lab.Directory().Lock(managed, false)
			if _, o := w.run(); o.Err != nil || len(o.Down) > 0 {
				t.Error(o)
			}
		})
	})
	t.Run("virtual, and back", func(t *testing.T) {
		accountWorld(t, func(t *testing.T, w *world) {
			const virtual = `NT SERVICE\` + lab.EngineService
			w.runAs(virtual, lab.EngineService)
			if _, o := w.run(); o.Err != nil {
				t.Fatal(o)
			}
			w.runAs(managed, lab.EngineService)
			before(w.lab.EngineHost, "service.start", func() { w.lab.Directory().Lock(managed, true) })
			_, o := w.run()
			if o.Err == nil || len(o.With(state.Back)) != 1 || len(o.Down) > 0 {
				t.Errorf("from an account that needs no password there is a way back: %v", o)
			}
			if account, _, _ := w.lab.EngineHost.Machine.LoggedOn(lab.EngineService); account != virtual {
				t.Errorf("Engine runs as %s", account)
			}
		})
	})
}

// Relays may run as an account, too: one that does not take it is left behind, the others go on.
func TestAnAccountOfRelays(t *testing.T) {
	t.Parallel()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 3, "serviceaccount")
		w.doc.Secrets["serviceAccounts"] = &serviceaccount.Spec{{Account: lab.Account, Services: []string{lab.RelayService}, Restart: "now",
			Version: lab.NewAccount, From: specs.Source{Env: "IM_LAB_ACCOUNT_PASSWORD"}}}
		last := w.lab.Relays[2]
		before(last, "logon.try", func() { last.Machine.Allow(lab.Account, false) })
		p, o := w.run()
		if o.Err != nil || len(o.With(state.Proven)) != 1 || len(o.Left) != 1 || o.Left[0].Target.Name != last.Name || len(o.Down) > 0 {
			t.Fatalf("%v, left %v: %+v", o, o.Left, p.Changes[0])
		}
		for i, h := range w.lab.Relays {
			if account, _, ok := h.Machine.LoggedOn(lab.RelayService); !ok || (account == lab.Account) != (i < 2) {
				t.Errorf("%s runs as %s", h.Name, account)
			}
		}
		evidence := o.Secrets[0].Evidence
		if len(evidence) != 2 || !strings.HasPrefix(evidence[1], "relays run as") {
			t.Errorf("%q", evidence)
		}
		last.Machine.Allow(lab.Account, true)
		p, o = w.run()
		if o.Err != nil || len(o.Left) > 0 || len(p.Steps()) != 5 {
			t.Errorf("the next run finishes the one, with %d steps: %v", len(p.Steps()), o)
		}
		if p, _ := w.run(); !p.Empty() {
			t.Errorf("a further run plans %d steps", len(p.Steps()))
		}
	})
}

// Somebody has set another account by hand: it is named, and what goes with an account is said.
func TestAnAccountThatWasChangedByHand(t *testing.T) {
	accountWorld(t, func(t *testing.T, w *world) {
		w.settles()
		if err := w.lab.EngineHost.Machine.SetLogon(lab.EngineService, "LocalSystem", ""); err != nil {
			t.Fatal(err)
		}
		admin := counting(w.lab.Admin)
		p, o := w.run()
		c := p.Changes[0]
		warned := slices.ContainsFunc(c.Findings, func(f reconciler.Finding) bool { return f.Code == "account-changes" })
		if c.Reason != `the spec asks for LAB\svc-im; Engine is set to run as LocalSystem` || !warned || o.Err != nil || admin.stops.Load() != 0 {
			t.Errorf("%s %+v: %v", c.Reason, c.Findings, o)
		}
		w.settles()
	})
}
