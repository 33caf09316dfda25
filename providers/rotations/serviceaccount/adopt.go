package serviceaccount

import (
	"errors"

	"meshrotate/reconciler"
)

// Unreadable: Windows keeps what services log on with, or makes it itself.
func (r *Rotation) Unreadable() error {
	if !r.password {
		return reconciler.Hinted(errors.New("there is no value to be kept: the account has no password, or Windows changes it by itself, and it cannot be read back"),
			"declare it without adopting anything: `meshrotate plan` compares what services run as")
	}
	return reconciler.Hinted(errors.New("the password of a service cannot be read back: what a service manager keeps, it gives to nobody"),
		"`meshrotate apply` tries the value that `from` gives by a logon and stores it: the live one, if that is there; with `restart: later` nothing stops for it")
}
