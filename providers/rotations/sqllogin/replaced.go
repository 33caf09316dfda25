package sqllogin

import (
	"fmt"
	"slices"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// left is a login that a rotation has replaced, or this one will; since is when that was proven, zero while it is not.
type left struct {
	login string
	since time.Time
}

// replaced are the logins that were replaced and are not in force: by the ledger, and where a file is to be swapped, by that file. What
// the other one of a pair is does not tell: it may never have served, and the one that did need not be declared any more. Strange are
// those in the files that are not declared, and that no run of meshrotate has brought there or begun to replace: they may be anybody's.
func (r *Rotation) replaced(in reconciler.Input, w work) (all []left, strange []string) {
	has := func(login string) bool {
		return sameLogin(login, w.target) || slices.ContainsFunc(all, func(l left) bool { return sameLogin(l.login, login) })
	}
	known := site.ReplacedBy(in.History, name)
	gone, _ := in.History.Fact(name, "", site.LeavingLogins)
	leaving := site.ReadReplaced(gone) // a run that was cut off has begun to replace them
	for _, l := range known {
		if !has(l.Login) && !r.named(w.sight, l.Login) {
			all = append(all, left{l.Login, l.Since})
		}
	}
	served, _ := in.History.Fact(name, "", site.ServingLogin)
	for _, h := range w.edited() {
		login := h.says.User
		same := func(l site.Replaced) bool { return sameLogin(l.Login, login) }
		switch {
		case login == "" || has(login) || slices.Contains(strange, login):
		case r.ours(login) || sameLogin(login, served) || site.IsBrought(in.History, name, login) || slices.ContainsFunc(known, same) || slices.ContainsFunc(leaving, same):
			all = append(all, left{login: login})
		default:
			strange = append(strange, login)
		}
	}
	for _, l := range leaving {
		if !has(l.Login) && !r.named(w.sight, l.Login) {
			all = append(all, left{login: l.Login})
		}
	}
	return all, strange
}

// leaves is what the ledger keeps of them.
func leaves(all []left) string {
	var some []site.Replaced
	for _, l := range all {
		some = append(some, site.Replaced{Login: l.login, Since: l.since})
	}
	return site.WriteReplaced(some)
}

// stay are the logins that this rotation takes out of the strings and does not end: nobody knows whose one is that is not declared, and
// what somebody else changes, they end.
func (r *Rotation) stay(w work) []string {
	some := slices.Clone(w.strange)
	for _, l := range w.left {
		if w.edit && !r.alters() {
			some = append(some, l.login)
		}
	}
	return some
}

// guardStays names them.
func (r *Rotation) guardStays(in reconciler.Input, w work) []reconciler.Finding {
	var all []reconciler.Finding
	for _, l := range r.stay(w) {
		hint := "where nothing else uses it: ALTER LOGIN " + quoted(l) + " DISABLE, once this is proven"
		text := l + " is in the strings that are replaced, and is not declared: it stays as it is, and its password goes on signing in"
		if in.Compromised(r.ref) != "" {
			text += ", also where others know it"
			if r.alters() {
				hint += "; or declare it beside the other one, as logins: then this run disables it"
			}
		}
		all = append(all, site.Warning("old-login-stays", text, hint))
	}
	for _, s := range w.stuck {
		if i, _ := w.on(s.server); r.spec.Retire == "disable" || r.isKnown(in, w, i, s.login) {
			all = append(all, site.Warning("old-login-stays", fmt.Sprintf("%s: %s was replaced, and no run ends it there: %s", s.server, s.login, s.why), s.hint+"; then apply"))
		}
	}
	return all
}

// keepers are the places of these in an emergency: the evidence says that they have what others know.
func (r *Rotation) keepers(in reconciler.Input, w work) (all []state.Fact) {
	if in.Compromised(r.ref) == "" {
		return nil
	}
	for _, l := range r.stay(w) {
		for _, i := range w.instances {
			if i.seen == nil || slices.ContainsFunc(w.reached(), i.same) { // a listener leads to one of them
				all = append(all, state.Fact{Value: "the login " + l + " on " + i.server})
			}
		}
	}
	for _, s := range w.stuck {
		all = append(all, state.Fact{Value: "the login " + s.login + " on " + s.server})
	}
	return all
}

// overlaps are the logins that were replaced, each until its soak is over and it is disabled.
func (r *Rotation) overlaps(in reconciler.Input, w work) (all []reconciler.Overlap) {
	if w.edit || w.pending || r.spec.Retire != "disable" || !r.alters() {
		return nil
	}
	for _, login := range w.enabled {
		over, known := r.soaked(w, login)
		if !known {
			continue
		}
		o := reconciler.Overlap{Old: login, Began: over.Add(-r.spec.Soak.Of()), Ends: over}
		if r.besideNames(w.sight, login) {
			o.Held = "a connection string under another key names it"
		}
		if used := w.sessions(login); len(used) > 0 {
			o.Held = fmt.Sprintf("%s on %s is signed in with it", used[0].Program, used[0].Host)
		}
		all = append(all, o)
	}
	return all
}
