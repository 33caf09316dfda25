package sqllogin

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// end is a login that is disabled on an instance; known: others know its password there, so nothing holds that up.
type end struct {
	login string
	on    instance
	known bool
}

// needRetire finds where logins that were replaced are still enabled, once their soak is over, or at once where others know the password.
func (r *Rotation) needRetire(in reconciler.Input, w *work) {
	w.left, w.strange = r.replaced(in, *w)
	w.known = r.known(in, *w)
	for _, l := range w.left {
		if w.replace = l.login; r.enabledAnywhere(in, *w, l.login) {
			break
		}
	}
	if w.edit || len(w.bounce) > 0 { // they go once the other one is proven
		return
	}
	w.ends = slices.DeleteFunc(r.ending(in, *w), func(e end) bool {
		return e.known && len(w.alter) > 0 || w.pending && !site.IsRetiring(in.History, name, e.login) && !site.IsRetired(in.History, name, e.login) || w.since(e.login).IsZero() || r.named(w.sight, e.login)
	})
}

// ending are the logins that nothing holds up any more, where they are enabled.
func (r *Rotation) ending(in reconciler.Input, w work) (all []end) {
	if !r.alters() {
		return nil
	}
	for _, l := range w.left {
		over, proven := r.soaked(w, l.login)
		soaked := proven && !in.Now.Before(over) && r.spec.Retire == "disable" && !w.edit && len(w.bounce) == 0 &&
			len(w.sessions(l.login)) == 0 && !r.besideNames(w.sight, l.login) // else a finding says so
		for _, i := range w.reached() {
			if known := r.isKnown(in, w, i, l.login); (known || soaked) && r.enabled(in, w, i, l.login) {
				all = append(all, end{l.login, i, known})
			}
		}
	}
	return all
}

// last are the logins that the further round ends.
func (r *Rotation) last(in reconciler.Input, w work) []end {
	return slices.DeleteFunc(r.ending(in, w), func(e end) bool {
		return !e.known && w.pending || slices.ContainsFunc(w.ends, func(o end) bool { return o.login == e.login && o.on.same(e.on) })
	})
}

// retire disables logins that were replaced; whoever is signed in with one does not hold that up where others know its password.
func (r *Rotation) retire(w work, ends []end) []reconciler.Step {
	var steps []reconciler.Step
	for _, e := range ends {
		op := site.RetireLogin{Server: e.on.server, Login: e.login, InUse: e.known}
		if w.user(e.login) {
			op.Database = r.database
		}
		steps = append(steps, reconciler.Step{Phase: reconciler.Retire, Op: op,
			Back: reconciler.Never("a login that was retired is enabled by the next rotation"), Proof: true})
	}
	return steps
}

// enabled says that a login that was replaced may still sign in to an instance. A user is where the database is, and that it was
// retired nobody can see there: the ledger knows. One that is declared no more, and enabled since a run disabled it there, is somebody's.
func (r *Rotation) enabled(in reconciler.Input, w work, i instance, login string) bool {
	l := i.find(login)
	switch {
	case w.user(login):
		return w.isMain(i) && !site.IsRetired(in.History, name, login)
	case l == nil, !r.ours(login) && r.retired(in, i, login):
		return !r.retired(in, i, login)
	}
	return l.Exists && (!l.Disabled || r.retiring(in, i, login)) // who was cut off has told nobody
}

func (r *Rotation) enabledAnywhere(in reconciler.Input, w work, login string) bool {
	return slices.ContainsFunc(w.reached(), func(i instance) bool { return r.enabled(in, w, i, login) })
}

// user says that a login is a user of the database with a password of its own: one that is declared no more was what the others are.
func (w work) user(login string) bool {
	if l := w.main().find(login); l != nil && !l.Contained && l.Exists {
		return false
	}
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

// soaked is when the soak of a login that was replaced is over.
func (r *Rotation) soaked(w work, login string) (over time.Time, known bool) {
	since := w.since(login)
	return since.Add(r.spec.Soak.Of()), !since.IsZero()
}

// since is when it was proven that a login was replaced, zero while it is not.
func (w work) since(login string) time.Time {
	for _, l := range w.left {
		if l.login == login {
			return l.since
		}
	}
	return time.Time{}
}

// guardRetire says that somebody still uses the login that was replaced: anybody once its soak is over, and a program on the hosts of
// the two services from the beginning, for it may be one of theirs.
func (r *Rotation) guardRetire(in reconciler.Input, w work) (reconciler.Finding, bool) {
	over, known := r.soaked(w, w.replace)
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
