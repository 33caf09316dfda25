package sqllogin

import (
	"errors"

	"meshrotate/reconciler"
)

// Unreadable: where Windows signs in there is no password.
func (r *Rotation) Unreadable() error {
	if r.spec.Mode != integrated {
		return nil
	}
	return reconciler.Hinted(errors.New("there is no value to be kept, or read back: Windows signs in to SQL Server"), "leave it as it is: with `mode: integrated` nothing is rotated")
}
