package sqllogin

import (
	"fmt"
	"strings"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

func (r *Rotation) planIntegrated(in reconciler.Input, c reconciler.Change, s sight) reconciler.Change {
	w := work{sight: s}
	w.left, _ = r.replaced(in, w)
	if served, _ := in.History.Fact(name, "", site.ServingLogin); served != "" && !r.named(s, served) {
		w.left = append(w.left, left{login: served})
	}
	w.known = r.known(in, w)
	c.Unseen, c.Still = r.unlooked(w), r.still(in, w)
	switch {
	case !reconciler.Blocked(c.Findings):
		c.Status, c.Before, c.Reason = reconciler.AsDeclared, r.ref.Version, "Windows signs in: there is no password here"
		c.Findings = append(c.Findings, r.guardLasting(in, w)...)
	case s.whole():
		c.Status, c.Reason = reconciler.Refused, "the document says that Windows signs in, and a guard objects"
	default:
		c.Status, c.Reason = reconciler.Unknown, "not everything could be looked at"
	}
	return c
}

// guardLasting names the logins that were in the strings and sign in still, where no run ends them: Windows signs in now, or somebody else
// changes what is declared.
func (r *Rotation) guardLasting(in reconciler.Input, w work) (all []reconciler.Finding) {
	if r.alters() || w.edit || r.spec.Retire != "disable" {
		return nil
	}
	for _, l := range w.left {
		where, user := r.lasts(in, w, l.login)
		if len(where) == 0 {
			continue
		}
		hint := "where nothing else uses it: ALTER LOGIN " + quoted(l.login) + " DISABLE, on each instance"
		if user {
			hint = "where nothing else uses it: DROP USER " + quoted(l.login) + ", in " + r.database
		}
		on := strings.Join(where, ", ")
		if len(r.servers) == 0 {
			on, hint = "instances that nobody looks at", hint+"; and declare connect.sql, so that a plan sees it"
		}
		all = append(all, site.Warning("old-login-stays", fmt.Sprintf("%s was in the strings before, and no run ends it with mode: %s: it signs in still, as far as is known, on %s", l.login, r.spec.Mode, on), hint))
	}
	return all
}

// lasts are the instances on which a login may sign in: it is seen there, or nobody sees that it is not, and no run has ended it there.
func (r *Rotation) lasts(in reconciler.Input, w work, login string) (where []string, user bool) {
	if len(r.servers) == 0 {
		return []string{""}, false
	}
	for _, i := range w.reached() {
		unseen := w.there(i, login) == nil && !r.retired(in, i, login)
		if unseen || r.enabled(in, w, i, login) {
			where = append(where, i.server)
		}
	}
	for _, i := range w.instances {
		if i.seen == nil && !r.retired(in, i, login) && !w.user(login) {
			where = append(where, i.server)
		}
	}
	return where, w.user(login)
}
