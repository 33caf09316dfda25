package sqllogin

import "slices"

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
	case len(w.holders) > 1 && len(w.edited()) == 1:
		return "one of the two has version " + r.ref.Version + " already, and they never run on two"
	}
	return ""
}
