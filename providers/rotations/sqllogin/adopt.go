package sqllogin

import (
	"errors"
	"fmt"
	"strings"

	"meshrotate/reconciler"
)

// Unreadable: where Windows signs in there is no password.
func (r *Rotation) Unreadable() error {
	if r.spec.Mode != integrated {
		return nil
	}
	return reconciler.Hinted(errors.New("there is no value to be kept, or read back: Windows signs in to SQL Server"), "leave it as it is: with `mode: integrated` nothing is rotated")
}

// Adoptable demands that both strings were seen to sign in, as the same login.
func (r *Rotation) Adoptable(in reconciler.Input) error {
	s := r.look(in)
	if r.spec.Mode == integrated || !s.whole() {
		return nil // a host that was not looked at is said of every secret
	}
	if a, e := s.admin().says.User, s.engine().says.User; !strings.EqualFold(a, e) {
		return reconciler.Hinted(fmt.Errorf("the string of Admin signs in as %s, and that of Engine as %s: neither password is the live one", a, e), "let both have the string that works first")
	}
	for _, h := range s.holders {
		why := "SQL Server was not asked"
		hint := "look at what `meshrotate plan` says, and let both have a string that works first; or rotate"
		if h.signIn != nil {
			why = orUnknown(h.signIn.Why)
		}
		switch {
		case h.accepted():
		case h.rejected():
			return reconciler.Hinted(fmt.Errorf("%s (%s) has a string that SQL Server refuses for %s: %s", h.host, h.label, h.says.User, why), hint)
		default:
			return reconciler.Hinted(fmt.Errorf("whether the string on %s (%s) signs in as %s is not known: %s", h.host, h.label, h.says.User, why), hint)
		}
	}
	return nil
}
