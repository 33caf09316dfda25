package sqllogin

import (
	"errors"
	"fmt"
	"slices"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// guardActive looks at the login that is in force, on every instance: one that nobody gets in with is found before a failover finds it.
func (r *Rotation) guardActive(in reconciler.Input, w work) []reconciler.Finding {
	login := w.target
	switch {
	case w.edit && r.spec.Mode == alternating:
		login = w.old
	case w.edit || !w.whole() || !w.declared(r.ref.Version):
		return nil // guardTarget looks at it
	}
	if login == "" || w.contained(login) {
		return nil
	}
	var all []reconciler.Finding
	for _, i := range w.reached() {
		l, set := i.login(login), !w.edit && slices.ContainsFunc(w.alter, i.same)
		if l == nil || !l.Exists || w.edit && w.isMain(i) {
			continue // the string in force says more of its own server
		}
		f, out := r.shutOut(i, l)
		ours := l.Disabled && r.retired(in, i, l.Name)                        // a run of ours: the next password enables it
		if !out || set && (!l.Disabled || ours) && !(l.Locked && w.pending) { // a new password ends the rest
			continue
		}
		if !w.isMain(i) && !set {
			f.Severity = reconciler.Warning
		}
		all = append(all, f)
	}
	if !w.edit {
		all = append(all, r.sayBehind(w)...)
	}
	return all
}

// shutOut says why nobody gets in with the login, whatever its password.
func (r *Rotation) shutOut(i instance, l *site.LoginSeen) (reconciler.Finding, bool) {
	said := fmt.Sprintf("%s: %s, which is in force, ", i.server, l.Name)
	renew := "declare a new version, and apply: a new password ends that"
	if !r.alters() {
		renew = "set a new password without MUST_CHANGE, and declare it as a new version"
	}
	switch {
	case l.Disabled:
		return site.Problem("login-disabled", said+"is disabled", "find out who disabled it, and why; then ALTER LOGIN "+quoted(l.Name)+" ENABLE: its password need not change"), true
	case l.Locked:
		return site.Problem("login-locked", said+"is locked out: too many wrong passwords", "find who uses an old password; then wait for the lockout to end, or unlock it: "+unlocking(l.Name)), true
	case l.MustChange:
		return site.Problem("login-must-change", said+"must change its password at its first sign-in, which the product cannot do", renew), true
	case l.Expired:
		return site.Problem("login-expired", said+"has a password that has expired", renew), true
	}
	return reconciler.Finding{}, false
}

// guardChangedEverywhere looks for instances on which somebody else has not changed the login.
func (r *Rotation) guardChangedEverywhere(w work) (all []reconciler.Finding) {
	for _, i := range w.reached() {
		l, a := i.login(w.target), i.account
		if a == nil || l == nil || l.Disabled || l.Locked || a.Declared == site.Accepted || a.DeclaredWhy == "" {
			continue
		}
		text, hint := fmt.Sprintf("%s: version %s is not accepted for %s there: %s", i.server, r.ref.Version, w.target, a.DeclaredWhy), "change the login there too: each instance has its own; then plan again"
		if a.DeclaredHint != "" {
			hint += "; where it is changed already: " + a.DeclaredHint
		}
		if w.edit && i.tolerated {
			all = append(all, site.Warning("replica-left-behind", text+"; a failover to it stops the product", hint))
		} else if w.edit {
			all = append(all, site.Problem("login-not-changed", text, hint))
		} else {
			all = append(all, site.Warning("replica-behind", text+"; a failover to it stops the product", hint))
		}
	}
	return all
}

// waived says that somebody else changes the login, has not done so on this instance, and that the document tolerates that by its name.
func (r *Rotation) waived(i instance) bool {
	return r.spec.Mode == external && i.tolerated && i.seen != nil && i.account != nil && i.account.Declared != site.Accepted
}

// leftWhy is why instances are left behind, where that is not that they are away and tolerated.
func (r *Rotation) leftWhy(w work) map[reconciler.Target]error {
	all := map[reconciler.Target]error{}
	for _, i := range w.instances {
		switch {
		case i.seen == nil && !i.tolerated:
			all[site.SQL(i.server)] = errors.New("not reachable, and the services that were down did not wait for it")
		case r.waived(i) && !w.isMain(i):
			all[site.SQL(i.server)] = fmt.Errorf("version %s is not accepted for %s there, tolerated by the document", r.ref.Version, w.target)
		}
	}
	return all
}

// sayBehind says of each instance that the version in force was never proven there.
func (r *Rotation) sayBehind(w work) (all []reconciler.Finding) {
	for _, i := range w.behind {
		text := fmt.Sprintf("%s: version %s of %s was never proven there: it was away when that was set, or is declared since", i.server, r.ref.Version, w.target)
		if w.isMain(i) {
			text += "; the strings lead to it now, and it refuses them"
		}
		all = append(all, site.Warning("replica-behind", text, "apply: it is set there, without an outage; until then a failover to it stops the product"))
	}
	return all
}

// unlocking is how a login is unlocked without another password, and what that costs, as Microsoft documents it for ALTER LOGIN.
func unlocking(login string) string {
	name := quoted(login)
	return "ALTER LOGIN " + name + " WITH CHECK_POLICY = OFF, and after that ALTER LOGIN " + name + " WITH CHECK_POLICY = ON, with CHECK_EXPIRATION as it was, which the first one turns off; the history of its passwords is forgotten"
}
