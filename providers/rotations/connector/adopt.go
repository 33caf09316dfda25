package connector

import (
	"errors"

	"meshrotate/reconciler"
)

// Unreadable: secretscli sets secrets, and seals them for the machine.
func (r *Rotation) Unreadable() error {
	return reconciler.Hinted(errors.New("what is stored of it cannot be read back: it is sealed on the Engine host, and secretscli tells of no value"),
		"`meshrotate apply` sets it once more, to the value that `from` gives, without a restart: the live one, if that is there; from then on it is kept and on record")
}
