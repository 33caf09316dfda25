package serviceaccount

import (
	"cmp"
	"fmt"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// doubt is another version that a run, which did not finish, began to give to a service, or to the account in the domain; "" is none that
// the ledger knows. A commit that goes back to the version before does not take it out of the service manager, which nobody can read.
func (r *Rotation) doubt(h state.History, n node) string {
	return cmp.Or(r.mayHave(h, site.SetLogon{Host: n.host, Service: n.component.Service}, n.host), r.inDomain(h))
}

// inDomain is another version that a run, which did not finish, began to give to the account in the domain.
func (r *Rotation) inDomain(h state.History) string {
	if r.spec.ChangedBy != kpasswd {
		return ""
	}
	return r.mayHave(h, site.ChangePassword{Account: r.spec.Account}, "")
}

func (r *Rotation) mayHave(h state.History, op reconciler.Op, host string) string {
	if !r.password {
		return "" // an account without one can be read
	}
	version, _ := h.MayHave(r.ref.Name, r.ref.Version, reconciler.Step{Phase: reconciler.Switch, Op: op}.Name(), host)
	return version
}

// doubtful tells who may have another version than the ledger has as the last one.
func (r *Rotation) doubtful(all []member) string {
	some := site.Where(all, func(m member) bool { return m.doubt != "" })
	if len(some) == 0 {
		return ""
	}
	return fmt.Sprintf("the spec asks for %s; an earlier run began to give %s %s and did not finish: what a service manager has cannot be read back", r.ref.Version, names(some), some[0].doubt)
}
