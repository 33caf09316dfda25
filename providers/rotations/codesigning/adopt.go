package codesigning

import (
	"errors"

	"meshrotate/reconciler"
)

// Unreadable: thumbprints are no values.
func (r *Rotation) Unreadable() error {
	return reconciler.Hinted(errors.New("there is no value that would be kept, or cannot be read back: a thumbprint is no secret, and the version is made of those that are declared"),
		"declare what the relays accept now: then `meshrotate plan` has nothing to do")
}

// Unreadable: a store keeps the key.
func (r *builder) Unreadable() error {
	return reconciler.Hinted(errors.New("the key of a certificate in a store cannot be read back: it is kept there so that nobody takes it out"),
		"where it is in the store already, leave out secrets.codeSigning.buildHost.pfx; else name its PFX there")
}
