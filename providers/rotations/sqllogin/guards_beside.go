package sqllogin

import (
	"fmt"
	"slices"
	"strings"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// besides are the strings with a declared login, or with the one that is in force, that a holder's service has under keys that are not rotated.
func (r *Rotation) besides(h holder) []site.BesideSeen {
	if !h.whole() {
		return nil
	}
	return site.Where(h.setting.Beside, func(b site.BesideSeen) bool {
		rotated := slices.ContainsFunc(r.nodes[:], func(n node) bool { // one file may have both services' keys
			return n.host == h.host && strings.EqualFold(n.component.Settings, b.Path) && strings.EqualFold(n.setting.Setting, b.Key)
		})
		return !rotated && !b.Integrated && (r.ours(b.User) || strings.EqualFold(b.User, h.says.User))
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
			if r.spec.Mode == alternating {
				return w.edit || strings.EqualFold(b.User, w.replace)
			}
			return w.edit && b.Alike // with another password it is dead already, and nobody lives by it
		})
		if len(some) == 0 || i > 0 && h.host == w.admin().host && h.component.Settings == w.admin().component.Settings {
			continue
		}
		dies := false
		if i := slices.IndexFunc(some, func(b site.BesideSeen) bool { return r.ours(b.User) && r.sameServer(h, b) }); i >= 0 {
			some[0], some[i] = some[i], some[0]
			dies = r.spec.Mode != alternating && !begun && h.accepted() && !h.chosen()
		}
		more := ""
		if n := len(some) - 1; n > 0 {
			more = fmt.Sprintf(", and %d more", n)
		}
		what := "whoever reads it runs on with a login that is replaced"
		if r.spec.Mode != alternating && r.ours(some[0].User) {
			what = "whoever reads it is out when its password has changed"
		}
		f := site.Warning("string-beside", fmt.Sprintf("%s: %q in %s has a connection string with %s, too%s, and %s alone is rotated: %s", h.host, some[0].Key, some[0].Path, some[0].User, more, h.setting.Key, what),
			"take it out of the file; or, where the service reads that one, name its key: secrets.sqlLogin.settings", h.host)
		if dies {
			f.Severity = reconciler.Error
		}
		all = append(all, f)
	}
	return all
}

// sameServer says that a string leads where the rotated one does, or to another instance on which the login is changed.
func (r *Rotation) sameServer(h holder, b site.BesideSeen) bool {
	return slices.ContainsFunc(append([]string{h.says.Server}, r.servers...), func(s string) bool { return plainServer(s) == plainServer(b.Server) })
}
