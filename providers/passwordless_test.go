package providers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/state"
)

// An account without a password is tried on one service before the others get it, in a later round. Whatever else is due would stop them
// before that, and start them with the logon that they have: where that is dead, nothing is stopped for it; and where nobody could know,
// it is not tried again and again, until the account is locked out. The account alone cures it.
func TestAccountsWithoutAPasswordAmongOthers(t *testing.T) {
	vendor()
	const managed = lab.Domain + `\gmsa-im$`
	for _, silent := range []bool{false, true} {
		for _, relays := range []bool{false, true} {
			t.Run(fmt.Sprintf("relays: %v, the domain tells: %v", relays, !silent), func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := newWorld(t, 3, "relaykey", "license", "serviceaccount")
					w.runAs(managed, lab.AdminService, lab.EngineService)
					if relays {
						w.relaysLogOnAs(lab.Account)
						w.runAs(managed, lab.RelayService)
					}
					w.lab.Directory().Silent = silent
					time.Sleep(72 * time.Hour)
					w.do("password", "im-admin")
					time.Sleep(72 * time.Hour)
					before := w.starts()
					p, o := w.run()
					switch f, ok := finding(p, "password-newer"); {
					case !silent && (!ok || f.Severity != reconciler.Error || !strings.Contains(f.Hint, "--only") || len(o.Down) > 0 || !slices.Equal(before, w.starts())):
						t.Errorf("%v; %v", f, o)
					case silent && ok:
						t.Error("nobody can know it")
					}
					stopped := w.starts()
					for _, pause := range []time.Duration{5 * time.Minute, 5 * time.Minute, 35 * time.Minute, 24 * time.Hour, 24 * time.Hour} {
						time.Sleep(pause)
						w.run()
					}
					if !slices.Equal(stopped, w.starts()) {
						t.Error("a dead logon is tried again and again")
					}
					if _, wrong, locked, _ := w.lab.Directory().Look(lab.Account); locked || wrong > 3 {
						t.Errorf("%d wrong passwords, locked out: %v", wrong, locked)
					}
					all := w.rotations()
					s := w.only(all[len(all)-1].Ref().Name)
					_, o = s.apply(nil)
					s.close()
					if o.Err != nil {
						t.Errorf("the account alone: %v", o)
					}
					time.Sleep(time.Minute)
					w.converged()
				})
			})
		}
	}
}

// relaysLogOnAs lets relays run as an account, and Admin and Engine as their machine.
func (w *world) relaysLogOnAs(account string) {
	w.t.Helper()
	password, _, _, _ := w.lab.Directory().Look(account)
	for _, h := range append(slices.Clone(w.lab.Relays), w.lab.Admin, w.lab.EngineHost) {
		name, secret := account, password
		if serviceOf(h) != lab.RelayService {
			name, secret = "LocalSystem", ""
		}
		if err := h.Machine.SetLogon(serviceOf(h), name, secret); err != nil {
			w.t.Fatal(err)
		}
		_ = h.Machine.Stop(serviceOf(h))
		time.Sleep(2 * time.Second)
		if err := h.Machine.Start(serviceOf(h)); err != nil {
			w.t.Fatal(err)
		}
	}
}

// An account without a password costs the second service a stop of its own, and the plan says so before.
func TestTheAccountWithoutAPasswordAmongAllSecrets(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "license", "relaykey", "sqllogin", "serviceaccount")
		w.runAs(lab.Domain+`\gmsa-im$`, lab.AdminService, lab.EngineService)
		password, _, _, _ := w.lab.Directory().Look(lab.Account)
		w.logOnAs(lab.Account, password)
		time.Sleep(time.Minute)
		admin, engine := counting(w.lab.Admin), counting(w.lab.EngineHost)
		p, o := w.run()
		if f, ok := finding(p, "account-one-by-one"); !ok || f.Severity != reconciler.Note || !strings.Contains(f.Text, "what else of this plan stops Engine comes before that") {
			t.Errorf("%+v", f)
		}
		if o.Err != nil || len(o.With(state.Proven)) != 4 || admin.stops.Load() != 1 || engine.stops.Load() != 2 {
			t.Errorf("Admin was stopped %d times, Engine %d times: %v", admin.stops.Load(), engine.stops.Load(), o)
		}
		w.converged()
	})
}

// managed is a world in which Admin and Engine move from one account without a password to another.
func managed(t *testing.T) *rotationtest.World {
	var w *world
	r := fixture(func(t *testing.T, relays int, kinds ...string) *world {
		w = newWorld(t, relays, kinds...)
		w.runAs(lab.Domain+`\gmsa-im$`, lab.AdminService, lab.EngineService)
		w.logOnAs("LocalSystem", "")
		return w
	}, "serviceaccount")(t)
	r.Old = func() error { return w.bothRunAs("LocalSystem") }
	r.New = func() error { return w.bothRunAs(lab.Domain + `\gmsa-im$`) }
	return r
}

func (w *world) bothRunAs(want string) error {
	for _, h := range []*lab.Host{w.lab.Admin, w.lab.EngineHost} {
		if account, _, ok := h.Machine.LoggedOn(serviceOf(h)); !ok || account != want {
			return fmt.Errorf("%s runs as %q", h.Name, account)
		}
	}
	return nil
}
