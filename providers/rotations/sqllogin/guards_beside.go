package sqllogin

import (
	"fmt"
	"slices"
	"strings"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// besides are the strings with a login and its password that a holder's service has under keys that are not rotated.
func (r *Rotation) besides(h holder) []site.BesideSeen {
	if !h.whole() {
		return nil
	}
	return site.Where(h.setting.Beside, func(b site.BesideSeen) bool {
		rotated := slices.ContainsFunc(r.nodes[:], func(n node) bool { // one file may have both services' keys
			return n.host == h.host && strings.EqualFold(n.component.Settings, b.Path) && strings.EqualFold(n.setting.Setting, b.Key)
		})
		return !rotated && !b.Integrated
	})
}

// chosen says that the document names the key that the service reads, and has not left the product's.
func (h holder) chosen() bool { return !strings.EqualFold(h.node.setting.Setting, defaultKey) }

// besideNames says that such a string names a login, where nobody has said which one the service reads.
func (r *Rotation) besideNames(s sight, login string) bool {
	return slices.ContainsFunc(s.holders, func(h holder) bool {
		return !h.chosen() && slices.ContainsFunc(r.besides(h), func(b site.BesideSeen) bool { return strings.EqualFold(b.User, login) })
	})
}

// guardBeside says which strings besides the rotated ones name a declared login: which of them the service reads no look tells, and the
// document may. Where it does not, and their password is about to end under them, nothing is begun; what was begun is gone on with, as
// somebody is down.
func (r *Rotation) guardBeside(w work) (all []reconciler.Finding) {
	begun := w.pending || w.halfChanged() || slices.ContainsFunc(w.holders, func(h holder) bool { return h.stopped })
	for i, h := range w.holders {
		some := site.Where(r.besides(h), func(b site.BesideSeen) bool {
			same := func(login string) bool { return strings.EqualFold(b.User, login) }
			switch named := r.ours(b.User) || same(h.says.User); {
			case slices.ContainsFunc(w.enabled, same) && (r.spec.Mode == alternating || r.alters() && !w.edit): // it is to be disabled, and is not
				return true
			case !named:
				return false
			case r.spec.Mode == alternating:
				return w.edit || same(w.replace)
			}
			return w.edit && (b.Alike || r.idle(w, b.User)) // with another password it is dead already, and nobody lives by it
		})
		if len(some) == 0 || i > 0 && h.host == w.admin().host && h.component.Settings == w.admin().component.Settings {
			continue
		}
		dies := false
		if i := slices.IndexFunc(some, func(b site.BesideSeen) bool { return r.endsUnder(w, h, b) }); i >= 0 {
			some[0], some[i] = some[i], some[0]
			dies = !begun && !h.chosen()
		}
		more := ""
		if n := len(some) - 1; n > 0 {
			more = fmt.Sprintf(", and %d more", n)
		}
		what := "whoever reads it runs on with a login that is replaced"
		switch {
		case r.idle(w, some[0].User):
			what = some[0].User + " is the idle login, and gets another password: whoever reads it is out then, and locks it out when the product signs in with it"
		case r.spec.Mode != alternating && r.ours(some[0].User):
			what = "whoever reads it is out when its password has changed"
		}
		f := site.Warning("string-beside", fmt.Sprintf("%s: %q in %s has a connection string with %s, too%s, and %s alone is rotated: %s", h.host, some[0].Key, some[0].Path, some[0].User, more, h.setting.Key, what),
			"take it out of there; or, where the service reads that one, name its key: secrets.sqlLogin.settings", h.host)
		if r.idle(w, some[0].User) {
			f.Hint = "take it out of there, or give whatever reads it a login of its own"
		}
		if dies {
			f.Severity = reconciler.Error
		}
		all = append(all, f)
	}
	return all
}

// idle says that a login takes the place of another one: no string that is rotated names it, and its password is changed here.
func (r *Rotation) idle(w work, login string) bool {
	return w.edit && r.alters() && sameLogin(login, w.target) && !r.named(w.sight, login)
}

// endsUnder says that the password in a string is about to end, as far as anybody knows: that of the idle login unless it is disabled, or
// has another version by the ledger; else that of the one login, where the rotated string shows that it works.
func (r *Rotation) endsUnder(w work, h holder, b site.BesideSeen) bool {
	if !r.ours(b.User) || !r.sameServer(h, b) {
		return false
	}
	if !r.idle(w, b.User) {
		return r.spec.Mode != alternating && h.accepted()
	}
	l := w.main().login(b.User)
	dead := b.Version != site.Unknown && w.main().has != "" && b.Version != w.main().has
	return l != nil && l.Exists && !l.Disabled && !dead
}

// sameServer says that a string leads where the rotated one does, or to another instance on which the login is changed.
func (r *Rotation) sameServer(h holder, b site.BesideSeen) bool {
	return slices.ContainsFunc(append([]string{h.says.Server}, r.servers...), func(s string) bool { return plainServer(s) == plainServer(b.Server) })
}
