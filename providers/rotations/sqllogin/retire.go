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
	w.stuck = r.stuckOf(in, *w)
	w.known = r.known(in, *w)
	for _, l := range w.left {
		w.replace = l.login
		if r.enabledAnywhere(in, *w, l.login) {
			w.enabled = append(w.enabled, l.login)
		}
	}
	if len(w.enabled) > 0 {
		w.replace = w.enabled[0]
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
			if _, stuck := w.isStuck(l.login, i); stuck {
				continue // and that is said
			}
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

// enabled says that a login that was replaced may still sign in to an instance. That a user was retired nobody can see there: the ledger
// knows. One that is declared no more, and enabled since a run disabled it there, is somebody's. Where nobody sees whether it is there,
// it is not ended: that is said (stuck).
func (r *Rotation) enabled(in reconciler.Input, w work, i instance, login string) bool {
	l := w.there(i, login)
	switch {
	case l == nil, !l.Exists:
		return false
	case l.Contained:
		return !site.IsRetiredUser(in.History, name, login)
	case !r.ours(login) && r.retired(in, i, login) && !site.IsEnablingOn(in.History, name, i.server, login):
		return false
	}
	return !l.Disabled || r.retiring(in, i, login) // who was cut off has told nobody
}

// woken are the retired logins that a run has enabled for their next password, and left so.
func (r *Rotation) woken(in reconciler.Input, w work) (all []site.Known) {
	for _, l := range w.left {
		for _, i := range w.instances {
			if site.IsEnablingOn(in.History, name, i.server, l.login) && (i.seen == nil || r.enabled(in, w, i, l.login)) {
				all = append(all, site.Known{Login: l.login, Server: i.server})
			}
		}
	}
	return all
}

func (r *Rotation) enabledAnywhere(in reconciler.Input, w work, login string) bool {
	return slices.ContainsFunc(w.reached(), func(i instance) bool { return r.enabled(in, w, i, login) })
}

// user says that a login is a user of the database with a password of its own, as it was seen there: what the declared ones are does not
// tell.
func (w work) user(login string) bool {
	l := w.main().find(login)
	return l != nil && l.Contained
}

// there is what is known of a login on an instance, nil where that is nothing. A user is where the database is.
func (w work) there(i instance, login string) *site.LoginSeen {
	l := i.find(login)
	if i.seen != nil && !w.isMain(i) && (l == nil && i.seen.MayAlter || l != nil && l.Contained) {
		return &site.LoginSeen{Name: login}
	}
	return l
}

// inUse are the sessions of the logins that were replaced.
func (w work) inUse() (all []site.SessionSeen) {
	for _, l := range w.left {
		all = append(all, w.sessions(l.login)...)
	}
	return all
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

// guardRetire says of each login that was replaced that somebody still uses it: anybody once its soak is over, and a program on the hosts
// of the two services from the beginning, for it may be one of theirs.
func (r *Rotation) guardRetire(in reconciler.Input, w work) (all []reconciler.Finding) {
	for _, l := range w.left {
		if over, known := r.soaked(w, l.login); known && !w.edit {
			all = append(all, r.guardUsed(in, w, l.login, over)...)
		}
	}
	return all
}

func (r *Rotation) guardUsed(in reconciler.Input, w work, login string, over time.Time) []reconciler.Finding {
	used := w.sessions(login)
	if len(used) > 0 && r.spec.Retire == "disable" && r.alters() && !in.Now.Before(over) {
		return []reconciler.Finding{site.Warning("old-login-in-use", fmt.Sprintf("%s is to be disabled since %s, and %s on %s is signed in with it", login, over.UTC().Format(time.DateOnly), used[0].Program, used[0].Host),
			"give that program a login of its own")}
	}
	if w.pending || len(w.bounce) > 0 {
		return nil // they are to start again
	}
	for _, x := range used {
		if w.onTheirHosts(x) {
			return []reconciler.Finding{site.Warning("old-login-in-use", fmt.Sprintf("%s on %s is signed in as %s, which was replaced", x.Program, x.Host, login),
				"find out what it is: a service that still has the old string, or another program there, which needs a login of its own")}
		}
	}
	return nil
}
