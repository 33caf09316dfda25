package providers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
)

// Somebody changes the password of the account that Admin and Engine run as, and they run on. Whichever secret is rotated: neither is
// stopped before the service manager has the new one, by whatever way.
func TestAPasswordThatTheServiceManagerDoesNotHave(t *testing.T) {
	vendor()
	for name, mend := range map[string]func(w *world, hosts []*lab.Host){
		"it is stored": func(w *world, hosts []*lab.Host) {
			for _, h := range hosts {
				w.do("store", h.Name)
			}
		},
		"it is stored, and nothing shows it": func(w *world, hosts []*lab.Host) {
			for _, h := range hosts {
				now, _, _, _ := w.lab.Directory().Look(lab.Account)
				if err := h.Machine.Was(serviceOf(h), func(s *machine.Service) { s.Password = now }); err != nil {
					w.t.Fatal(err)
				}
				w.restarted(h)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, "relaykey", "license")
				time.Sleep(15 * time.Minute)
				w.do("password", "im-admin")
				time.Sleep(time.Minute)
				before := w.starts()
				p, o := w.run()
				hosts := []*lab.Host{w.lab.Admin, w.lab.EngineHost}
				for _, h := range hosts {
					if !slices.ContainsFunc(p.Changes, func(c reconciler.Change) bool {
						return slices.ContainsFunc(c.Findings, func(f reconciler.Finding) bool {
							return f.Code == "password-newer" && f.Severity == reconciler.Error && slices.Contains(f.Hosts, h.Name) && strings.Contains(f.Text, lab.Account)
						})
					}) {
						t.Errorf("%s: %+v", h.Name, p.Changes)
					}
				}
				if !slices.Equal(before, w.starts()) || len(o.Down) > 0 {
					t.Errorf("a service was stopped for it: %v", o)
				}
				mend(w, hosts)
				time.Sleep(time.Minute)
				w.converged()
			})
		})
	}
}

// What is not sure refuses nothing: a registration that was written minutes before, and a domain that does not say when.
func TestAPasswordOfWhichNothingIsSure(t *testing.T) {
	vendor()
	for name, c := range map[string]struct {
		change func(w *world)
		want   bool
	}{
		"stored first": {func(w *world) {
			_, next := w.lab.AccountPasswords()
			for _, h := range []*lab.Host{w.lab.Admin, w.lab.EngineHost} {
				if err := h.Machine.SetLogon(serviceOf(h), lab.Account, next); err != nil {
					w.t.Fatal(err)
				}
			}
			time.Sleep(time.Minute)
			w.do("password", "im-admin")
		}, true},
		"a silent domain": {func(w *world) {
			w.lab.Directory().Silent = true
			w.do("password", "im-admin")
			w.do("store", "im-admin")
			w.do("store", "im-engine")
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, "relaykey", "license")
				time.Sleep(15 * time.Minute)
				c.change(w)
				time.Sleep(time.Minute)
				f, found := finding(w.planned(), "password-newer")
				if found != c.want || found && f.Severity != reconciler.Warning {
					t.Errorf("%v %+v", found, f)
				}
				w.converged()
			})
		})
	}
}

// A run that sets the logon itself needs nobody to have done it.
func TestAPasswordThatTheRunStores(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 2, "relaykey", "license", "serviceaccount")
		time.Sleep(15 * time.Minute)
		w.do("password", "im-admin") // once more, to the same: it is of now
		time.Sleep(time.Minute)
		if f, found := finding(w.planned(), "password-newer"); found {
			t.Errorf("%+v", f)
		}
		w.converged()
	})
}

// Somebody sets the account's password in the domain again, after a run had stored it. Where it is the same, a sign-in shows it and it is
// stored again; where it is another one, that is said, nothing is stopped for it, and it is tried once.
func TestAPasswordThatIsSetAgain(t *testing.T) {
	vendor()
	for _, same := range []bool{true, false} {
		t.Run(fmt.Sprint("the same: ", same), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 2, "relaykey", "license", "serviceaccount")
				w.converged()
				time.Sleep(time.Hour)
				now, _, _, _ := w.lab.Directory().Look(lab.Account)
				if !same {
					now = "Another-1-" + now
				}
				w.lab.Directory().Set(lab.Account, now)
				time.Sleep(time.Minute)
				if c := w.planned().Changes[2]; c.Status != reconciler.Rotate || !strings.Contains(c.Reason, "got a password on") {
					t.Errorf("%s: %s", c.Status, c.Reason)
				}
				before := w.starts()
				if same {
					w.converged()
					return
				}
				_, o := w.run()
				if _, wrong, _, _ := w.lab.Directory().Look(lab.Account); o.Err == nil || wrong != 1 || len(o.Down) > 0 || !slices.Equal(before, w.starts()) {
					t.Errorf("%d wrong passwords, %v", wrong, o)
				}
			})
		})
	}
}
