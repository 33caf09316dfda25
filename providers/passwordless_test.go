package providers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/reconciler"
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
					for range 4 { // nobody tries a dead logon again and again
						time.Sleep(5 * time.Minute)
						w.run()
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
