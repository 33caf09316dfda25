package sqllogin

import (
	"slices"
	"strings"
)

// oneWay says why a file that is swapped does not come back, "" when it may. While the password is changed in this very run
// that step says it.
func (r *Rotation) oneWay(w work) string {
	switch {
	case r.spec.Mode == single && w.taken:
		return w.target + " has version " + r.ref.Version + " already: the old password is gone"
	case r.spec.Mode == external && slices.ContainsFunc(w.edited(), func(h holder) bool { return !h.accepted() }):
		return "the old password is no longer accepted"
	case r.spec.Mode == alternating && slices.ContainsFunc(w.edited(), func(h holder) bool { return !h.accepted() }):
		return "the string in force was not seen to sign in: there is nothing to go back to"
	case r.overwrites(w):
		return "the password of " + w.target + " that a file names is gone"
	case len(w.holders) > 1 && len(w.edited()) == 1:
		return "one of the two has version " + r.ref.Version + " already, and they never run on two"
	}
	return ""
}

// overwrites says that the login of a pair that gets the password is named by a file that a run left half swapped: what that file has is
// dead from then on, though no service runs with it.
func (r *Rotation) overwrites(w work) bool {
	return r.spec.Mode == alternating && len(w.alter) > 0 && slices.ContainsFunc(w.edited(), func(h holder) bool { return strings.EqualFold(h.says.User, w.target) })
}

// dead says that no file changes, and that a string in force does not work, as far as anybody saw: its login gets the password that the
// string has already. Who stops there has not put anything back that works.
func (r *Rotation) dead(w work) bool {
	return !w.edit && r.named(w.sight, w.target) && slices.ContainsFunc(w.holders, func(h holder) bool { return !h.accepted() })
}
