package sqllogin

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// needRetire finds where the login that was replaced is still enabled, once its soak is over. Of several it is the first: the next plan
// has the next.
func (r *Rotation) needRetire(in reconciler.Input, w *work) {
	w.left, w.strange = r.replaced(in, *w)
	known := r.known(in)
	for _, l := range w.left {
		if w.replace = l.login; slices.ContainsFunc(w.reached(), func(i instance) bool { return r.enabled(in, *w, i, w.replace) }) {
			break
		}
	}
	if known && len(w.alter) > 0 { // it goes once the other one is proven there
		return
	}
	if w.replace == "" || r.spec.Retire != "disable" && !known || w.edit || w.pending && !r.retiring(in, w.replace) && !r.retired(in, w.replace) || len(w.bounce) > 0 {
		return
	}
	if over, proven := r.soaked(*w); !proven || in.Now.Before(over) && !known || !r.alters() || r.named(w.sight, w.replace) {
		return
	}
	for _, i := range w.reached() {
		if r.enabled(in, *w, i, w.replace) {
			w.retire = append(w.retire, i)
		}
	}
	if !known && (len(w.inUse()) > 0 || r.besideNames(w.sight, w.replace)) {
		w.retire = nil // a finding says so
	}
}

// known says that others know the password of the login that the declared version replaces: in this run, or when an earlier one proved
// that version, which may have left an instance behind.
func (r *Rotation) known(in reconciler.Input) bool {
	return in.Compromised(r.ref) != "" || in.History.Emergency(name) == r.ref.Version
}

// enabled says that a login that was replaced may still sign in to an instance. A user is where the database is, and that it was
// retired nobody can see there, nor of a login that is declared no more: the ledger knows.
func (r *Rotation) enabled(in reconciler.Input, w work, i instance, login string) bool {
	l := i.login(login)
	switch {
	case w.user(login):
		return w.isMain(i) && !r.retired(in, login)
	case l == nil && !r.ours(login):
		return !r.retired(in, login)
	}
	return l != nil && l.Exists && (!l.Disabled || r.retiring(in, login)) // who was cut off has told nobody
}

// user says that a login is a user of the database with a password of its own: one that is declared no more was what the others are.
func (w work) user(login string) bool {
	if w.main().login(login) == nil {
		login = w.target
	}
	return w.contained(login)
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
func (r *Rotation) soaked(w work) (time.Time, bool) {
	for _, l := range w.left {
		if l.login == w.replace && !l.since.IsZero() {
			return l.since.Add(r.spec.Soak.Of()), true
		}
	}
	return time.Time{}, false
}

// guardRetire says that somebody still uses the login that was replaced: anybody once its soak is over, and a program on the hosts of
// the two services from the beginning, for it may be one of theirs.
func (r *Rotation) guardRetire(in reconciler.Input, w work) (reconciler.Finding, bool) {
	over, known := r.soaked(w)
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
