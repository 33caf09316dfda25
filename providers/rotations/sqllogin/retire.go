package sqllogin

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// needRetire finds where the login that was replaced is still enabled, once its soak is over.
func (r *Rotation) needRetire(in reconciler.Input, w *work) {
	w.replace = r.other(w.target)
	if w.replace == "" || r.spec.Retire != "disable" || w.edit || w.pending && !r.retiring(in, w.replace) && !r.retired(in, w.replace) || len(w.bounce) > 0 {
		return
	}
	if over, known := r.soaked(in); !known || in.Now.Before(over) || r.named(w.sight, w.replace) {
		return
	}
	for _, i := range w.reached() {
		if r.enabled(in, *w, i) {
			w.retire = append(w.retire, i)
		}
	}
	if len(w.inUse()) > 0 || r.besideNames(w.sight, w.replace) {
		w.retire = nil // a finding says so
	}
}

// enabled says that the login that was replaced may still sign in to an instance. A user is where the database is, and that it was
// retired nobody can see there: the ledger knows.
func (r *Rotation) enabled(in reconciler.Input, w work, i instance) bool {
	if w.contained(w.replace) {
		return w.isMain(i) && !r.retired(in, w.replace)
	}
	l := i.login(w.replace)
	return l != nil && l.Exists && (!l.Disabled || r.retiring(in, w.replace)) // who was cut off has told nobody
}

// inUse are the sessions of the login that was replaced.
func (w work) inUse() []site.SessionSeen {
	return w.sessions(w.replace)
}

// onTheirHosts says that a session comes from Admin's or Engine's host.
func (w work) onTheirHosts(x site.SessionSeen) bool {
	return slices.ContainsFunc(w.holders, func(h holder) bool { return h.machine != nil && strings.EqualFold(h.machine.ComputerName, x.Host) })
}

// soaked is when the soak of the login that was replaced is over.
func (r *Rotation) soaked(in reconciler.Input) (time.Time, bool) {
	since, ok := in.History.Since(name)
	if !ok || since.Version != r.ref.Version || since.Time.IsZero() {
		return time.Time{}, false
	}
	return since.Time.Add(r.spec.Soak.Of()), true
}

// guardRetire says that somebody still uses the login that was replaced: anybody once its soak is over, and a program on the hosts of
// the two services from the beginning, for it may be one of theirs.
func (r *Rotation) guardRetire(in reconciler.Input, w work) (reconciler.Finding, bool) {
	over, known := r.soaked(in)
	if !known || w.edit || w.replace == "" {
		return reconciler.Finding{}, false
	}
	hint := "give that program a login of its own"
	if all := w.inUse(); len(all) > 0 && r.spec.Retire == "disable" && !in.Now.Before(over) {
		return site.Warning("old-login-in-use", fmt.Sprintf("%s is to be disabled since %s, and %s on %s is signed in with it", w.replace, over.UTC().Format(time.DateOnly), all[0].Program, all[0].Host), hint), true
	}
	if w.pending || len(w.bounce) > 0 {
		return reconciler.Finding{}, false // they are to start again
	}
	for _, x := range w.inUse() {
		if w.onTheirHosts(x) {
			return site.Warning("old-login-in-use", fmt.Sprintf("%s on %s is signed in as %s, which was replaced", x.Program, x.Host, w.replace),
				"find out what it is: a service that still has the old string, or another program there, which needs a login of its own"), true
		}
	}
	return reconciler.Finding{}, false
}
