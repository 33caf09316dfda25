package providers_test

import (
	"slices"
	"strings"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/state"
)

// A run that saw the account log on with its new password, and was not let set it, goes back: the services run on with one that is
// dead. What is then limited to another secret stops none of them.
func TestOnlyStopsNoServiceWhoseAccountHasAnotherPasswordNow(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorld(t, 0, "sqllogin", "license", "serviceaccount")
		for _, h := range w.lab.Hosts() {
			h.Points(machine.Faults(machine.Fault{Op: "service.logon", When: machine.Before, Action: machine.Action{Fail: 5}}))
		}
		s := w.only(lab.AccountSecret)
		p, o := s.apply(nil)
		s.close()
		if len(o.With(state.Back)) != 1 {
			t.Fatalf("%v %+v", o, p.Changes)
		}
		for _, h := range w.lab.Hosts() {
			h.Points(nil)
		}
		before := w.starts()
		for _, kind := range []string{"sqllogin", "license"} {
			s := w.only(kind)
			p, _ := s.apply(nil)
			s.close()
			if f, ok := finding(p, "service-cannot-start"); !ok || !slices.Equal(before, w.starts()) {
				t.Errorf("%s: %+v; %v", kind, f, p.Changes)
			}
		}
		_, o = w.run() // all of it sets the password first
		if err := w.up(); err != nil || len(o.With(state.Proven)) != 3 {
			t.Errorf("%v, %v", err, o)
		}
	})
}

// A version that no run has proven may be in the domain already: a service that stops then does not start again with what it has. So
// nothing that leaves the account out stops its services.
func TestOnlyStopsNoServiceWhoseAccountIsDue(t *testing.T) {
	vendor()
	for _, c := range []struct {
		kinds []string
		stops bool // nobody but ourselves changes this one's password, and nobody has begun
	}{
		{[]string{"sqllogin", "license", "relaykey", "serviceaccount"}, false},
		{[]string{"sqllogin/single", "license", "serviceaccount/later"}, false},
		{[]string{"sqllogin", "license", "serviceaccount/kpasswd"}, true},
	} {
		for _, kind := range c.kinds[:len(c.kinds)-1] {
			t.Run(strings.Join(c.kinds, " ")+" only "+kind, func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := newWorld(t, 1, c.kinds...)
					before := w.starts()
					name, _, _ := strings.Cut(kind, "/")
					s := w.only(name)
					p, o := s.apply(nil)
					s.close()
					f, refused := finding(p, "service-cannot-start")
					if refused == c.stops || !c.stops && (!slices.Equal(before, w.starts()) || !strings.Contains(f.Text, "3 ")) {
						t.Errorf("%+v; %v; %+v", f, o, p.Changes)
					}
					if err := w.up(); err != nil {
						t.Error(err)
					}
					_, o = w.run()
					if err := w.up(); err != nil || o.Err != nil || len(o.Down) > 0 {
						t.Errorf("%v, %v", err, o)
					}
				})
			})
		}
	}
}

// An account of which no document speaks has another password than the service manager: each service of it is tried once, on its way
// and back together, so that meshrotate does not lock the account out; and once the password is set, the next run starts them.
func TestADeadPasswordIsTriedOncePerService(t *testing.T) {
	vendor()
	for _, kinds := range [][]string{{"sqllogin"}, {"sqllogin/single"}, {"license"}, {"relaykey"}, {"relaykey", "sqllogin", "license"}} {
		t.Run(strings.Join(kinds, " "), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorld(t, 1, kinds...)
				old, next := w.lab.AccountPasswords()
				w.lab.Directory().Set(lab.Account, next)
				for _, h := range []*lab.Host{w.lab.Admin, w.lab.EngineHost} {
					if err := h.Machine.Change(serviceOf(h), func(s *machine.Service) { s.Account, s.Password = lab.Account, old }); err != nil {
						t.Fatal(err)
					}
				}
				_, o := w.run()
				if _, wrong, locked, _ := w.lab.Directory().Look(lab.Account); wrong > 2 || locked || len(o.Down) == 0 {
					t.Errorf("%d wrong passwords, locked %v; %v", wrong, locked, o)
				}
				for _, h := range []*lab.Host{w.lab.Admin, w.lab.EngineHost} {
					if err := h.Machine.Change(serviceOf(h), func(s *machine.Service) { s.Password = next }); err != nil {
						t.Fatal(err)
					}
				}
				_, o = w.run()
				if err := w.up(); err != nil || o.Err != nil || len(o.Left) > 0 {
					t.Errorf("%v, %v", err, o)
				}
			})
		})
	}
}
