package sqllogin

import (
	"slices"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// known are the logins that an emergency has left with a password that others know: on an instance that was away, or as nobody knows whose
// they are. They stay so, whatever is declared since, until they are seen to be gone, disabled, or to have another password.
func (r *Rotation) known(in reconciler.Input, w work) []site.Known {
	return slices.DeleteFunc(site.KnownBy(in.History, name), func(k site.Known) bool {
		i, declared := w.on(k.Server)
		retired, _ := site.IsRetiredOn(in.History, name, k.Server, k.Login)
		retired = retired && !site.IsEnablingOn(in.History, name, k.Server, k.Login)
		switch {
		case !declared || i.seen == nil:
			return retired || site.IsRetiredUser(in.History, name, k.Login)
		case w.user(k.Login):
			return !w.isMain(i) || site.IsRetiredUser(in.History, name, k.Login)
		case retired:
			return true
		case sameLogin(k.Login, w.target) && (i.has == r.ref.Version || i.account != nil && i.account.Declared == site.Accepted):
			return true
		}
		l := w.there(i, k.Login)
		if renamed := w.renamed(i, k); renamed != nil {
			l = renamed
		}
		return l != nil && (!l.Exists || l.Disabled || k.Another(l))
	})
}

// renamed is a login that others know, where it is on an instance under another name.
func (w work) renamed(i instance, k site.Known) *site.LoginSeen {
	if l := w.there(i, k.Login); l != nil && !l.Exists && i.seen != nil {
		return i.seen.BySID(k.SID)
	}
	return nil
}

// on is an instance by the document's name for it.
func (s sight) on(server string) (instance, bool) {
	i := slices.IndexFunc(s.instances, func(i instance) bool { return i.server == server })
	if i < 0 {
		return instance{}, false
	}
	return s.instances[i], true
}

// isKnown says that others know the password of a login on an instance: in an emergency, or since one.
func (r *Rotation) isKnown(in reconciler.Input, w work, i instance, login string) bool {
	return in.Compromised(r.ref) != "" || slices.ContainsFunc(w.known, func(k site.Known) bool { return k.Server == i.server && sameLogin(k.Login, login) })
}

// leavesKnown are those that others know once this is proven, and before the last of it: what a run disables after that, it tells.
func (r *Rotation) leavesKnown(in reconciler.Input, w work) []site.Known {
	all := slices.DeleteFunc(slices.Clone(w.known), func(k site.Known) bool {
		return sameLogin(k.Login, w.target) && slices.ContainsFunc(w.alter, func(i instance) bool { return i.server == k.Server })
	})
	if in.Compromised(r.ref) == "" {
		return all
	}
	for _, i := range w.instances {
		for _, login := range r.taken(w, i) {
			k := site.Known{Login: login, Server: i.server}
			if l := w.main().find(login); l != nil {
				k.SID = l.SID
			}
			if w.user(login) && !w.isMain(i) || slices.ContainsFunc(all, func(o site.Known) bool { return o.Server == k.Server && sameLogin(o.Login, k.Login) }) {
				continue
			}
			if l := w.there(i, login); l != nil {
				if k.Set = l.PasswordSet; !l.Exists || l.Disabled {
					continue
				}
			}
			all = append(all, k)
		}
	}
	return all
}

// taken are the logins whose password on an instance an emergency is about: those that are replaced, and the one that keeps its name,
// where it does not get another password.
func (r *Rotation) taken(w work, i instance) (all []string) {
	for _, l := range w.left {
		all = append(all, l.login)
	}
	all = append(all, w.strange...)
	if r.spec.Mode != alternating && r.named(w.sight, w.target) && (i.seen == nil || r.waived(i)) {
		all = append(all, w.target)
	}
	return all
}

// unlooked are the instances that nobody has looked at, or on which what others know has another name: it is not gone from there.
func (r *Rotation) unlooked(w work) []string {
	all := w.unseen()
	if r.spec.Mode == integrated {
		all = nil
	}
	for _, k := range w.known {
		if i, declared := w.on(k.Server); (!declared || i.seen == nil || w.renamed(i, k) != nil) && !slices.Contains(all, k.Server) {
			all = append(all, k.Server)
		}
	}
	return all
}

// still says of each login that others know where it signs in; in an emergency, where it does so after the run.
func (r *Rotation) still(in reconciler.Input, w work) (all []reconciler.Still) {
	some, emergency := w.known, in.Compromised(r.ref) != ""
	if emergency {
		some = r.leavesKnown(in, w)
	}
	for _, k := range some {
		s := reconciler.Still{Place: "the login " + k.Login + " on " + k.Server, On: k.Server}
		i, declared := w.on(k.Server)
		stuck, held := w.isStuck(k.Login, i)
		renamed := w.renamed(i, k)
		ends := r.alters() && slices.ContainsFunc(w.left, func(l left) bool { return sameLogin(l.login, k.Login) })
		switch {
		case !declared:
			s.Hint = "nobody looks there: ALTER LOGIN " + quoted(k.Login) + " DISABLE there, or give it another password; then silence this, for that host"
		case r.spec.Mode == external && sameLogin(k.Login, w.target):
			s.Hint = "change the login there too: each instance has its own; the next plan sees it"
		case renamed != nil:
			s.Hint = "somebody has renamed it to " + quoted(renamed.Name) + " there: where nothing else uses it: ALTER LOGIN " + quoted(renamed.Name) + " DISABLE; else give it another password"
		case r.spec.Mode == integrated:
			s.Hint = "ALTER LOGIN " + quoted(k.Login) + " DISABLE there, or give it another password"
		case i.seen == nil || sameLogin(k.Login, w.target):
			s.Ends = i.seen != nil && !r.waived(i)
			s.Hint = "bring the host back, and apply: it is taken out there, too"
		case held:
			s.Hint = stuck.hint + "; then apply"
		case ends && emergency:
			continue // this run disables it
		case ends:
			s.Hint, s.Ends = "apply: it is disabled", true
		default:
			s.Hint = "where nothing else uses it: ALTER LOGIN " + quoted(k.Login) + " DISABLE; else give it another password"
		}
		all = append(all, s)
	}
	return all
}
