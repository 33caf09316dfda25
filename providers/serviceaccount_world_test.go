package providers_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/negotiate"
	"meshrotate/providers/rotations/serviceaccount"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/reconciler/secret"
)

// accountMode is when services restart for a new password of their account, "" when it is none of these kinds.
func accountMode(kinds []string) string {
	for _, k := range kinds {
		if kind, mode, ok := strings.Cut(k, "/"); kind == "serviceaccount" {
			if ok && mode != "kpasswd" {
				return mode
			}
			return "now"
		}
	}
	return ""
}

// logsOn: the service managers have the account's new password, and the services run with it; or both have the old one.
func (w *world) logsOn(next bool) error {
	old, want := w.lab.AccountPasswords()
	if !next {
		want = old
	}
	for _, h := range []*lab.Host{w.lab.Admin, w.lab.EngineHost} {
		service := map[*lab.Host]string{w.lab.Admin: lab.AdminService, w.lab.EngineHost: lab.EngineService}[h]
		account, password, ok := h.Machine.LoggedOn(service)
		switch {
		case h.Machine.Password(service) != want:
			return fmt.Errorf("%s: the service manager has another password", h.Name)
		case !ok || account != lab.Account:
			return fmt.Errorf("%s runs as %q", h.Name, account)
		case password != want && w.restartNow():
			return fmt.Errorf("%s runs since before its password", h.Name)
		}
	}
	return nil
}

// restartNow: the document does not leave the restart to others.
func (w *world) restartNow() bool {
	s, ok := w.doc.Secrets["serviceAccounts"].(*serviceaccount.Spec)
	return ok && (*s)[0].Restart == "now"
}

// accountOpen: the account is not locked out, and hardly anybody tried a wrong password.
func (w *world) accountOpen() error {
	if _, wrong, locked, _ := w.lab.Directory().Look(lab.Account); locked || wrong > 1 {
		return fmt.Errorf("%d wrong passwords were tried for %s, locked out: %v", wrong, lab.Account, locked)
	}
	return nil
}

// counts are how often things were done on a host.
type counts struct{ stops, tries, sets atomic.Int32 }

// counting counts on a host, and strikes with these faults.
func counting(h *lab.Host, faults ...machine.Fault) *counts {
	c, strike := &counts{}, machine.Faults(faults...)
	h.Points(func(p machine.Point) machine.Action {
		if n := map[string]*atomic.Int32{"service.stop": &c.stops, "logon.try": &c.tries, "service.logon": &c.sets}[p.Op]; n != nil && p.When == machine.Before {
			n.Add(1)
		}
		return strike(p)
	})
	return c
}

// before does something when an op is about to be done, once.
func before(h *lab.Host, op string, do func()) *counts {
	c := counting(h)
	var done atomic.Bool
	h.Points(func(p machine.Point) machine.Action {
		if p.Op == op && p.When == machine.Before && done.CompareAndSwap(false, true) {
			do()
		}
		if p.Op == "service.stop" && p.When == machine.Before {
			c.stops.Add(1)
		}
		return machine.Action{}
	})
	return c
}

// accountWorld is a world whose document asks for a new password of the services' account.
func accountWorld(t *testing.T, do func(t *testing.T, w *world), kinds ...string) {
	t.Helper()
	t.Parallel()
	virtual(t, func(t *testing.T) {
		if kinds == nil {
			kinds = []string{"serviceaccount"}
		}
		w := newWorld(t, 0, kinds...)
		do(t, w)
		rotationtest.Search(t, w.secrets(), w.said())
	})
}

// settles demands that the next run ends well, that the one after it has nothing to do, and that the new password is in use.
func (w *world) settles() {
	w.t.Helper()
	p, o := w.run()
	if o.Err != nil || len(p.Blocked()) > 0 || len(o.Down) > 0 {
		w.t.Errorf("the next run did not converge: %v, %+v", o, p.Blocked())
	}
	s := w.process()
	defer s.close()
	if again := s.look().Plan; !again.Empty() || len(again.Blocked()) > 0 {
		w.t.Errorf("a further run plans %d steps: %+v", len(again.Steps()), again.Changes)
	}
	if err := w.logsOn(true); err != nil {
		w.t.Error(err)
	}
	if err := w.up(); err != nil {
		w.t.Error(err)
	}
}

// found says that the plan objects with this code, about these hosts.
func found(t *testing.T, p *reconciler.Plan, code string, hosts ...string) {
	t.Helper()
	for _, c := range p.Changes {
		for _, f := range c.Findings {
			if string(f.Code) == code && slices.Equal(f.Hosts, hosts) && f.Severity == reconciler.Error && f.Hint != "" {
				return
			}
		}
	}
	t.Errorf("no %s about %v among %+v", code, hosts, p.Changes[0].Findings)
}

// kpasswd lets the account change its password itself, where the kinds say so: "serviceaccount/kpasswd". Until then the domain has
// the old one.
func (w *world) kpasswd(kinds []string) {
	if !slices.Contains(kinds, "serviceaccount/kpasswd") {
		return
	}
	(*w.doc.Secrets["serviceAccounts"].(*serviceaccount.Spec))[0].ChangedBy = "kpasswd"
	was, _ := w.lab.AccountPasswords()
	w.lab.Directory().Set(lab.Account, was)
	w.changePassword = func(_ context.Context, account string, old, next secret.Value) (bool, error) {
		return w.domainChanges(account, old, next)
	}
}

// domainChanges is the domain's answer to an account that changes its password.
func (w *world) domainChanges(account string, old, next secret.Value) (was bool, err error) {
	switch now, _, _, _ := w.lab.Directory().Look(account); now {
	case string(next.Expose()):
		return true, nil
	case string(old.Expose()):
		w.lab.Directory().Set(account, string(next.Expose()))
		return false, nil
	}
	return false, &negotiate.UnchangedError{Err: errors.New("neither is taken")}
}
