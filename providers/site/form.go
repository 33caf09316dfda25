package site

import (
	"strconv"

	"meshrotate/reconciler"
)

// Form says how a secret sits in the value of a setting. The zero Form: the value is the secret.
type Form struct {
	// Kind is the form's name: ConnectionString.
	Kind string `json:"kind,omitempty"`
	// User is who is written beside the secret, where the form has such a place; "" leaves it as it is.
	User string `json:"user,omitempty"`
}

// ConnectionString is the form of an ADO.NET connection string: the secret is its password.
const ConnectionString = "connection-string"

// Connection is what a connection string says beside its password: the content of a setting of that form.
type Connection struct {
	Server, Database, User string
	// Integrated says that Windows signs in: user and password count nothing.
	Integrated bool
	// Encrypted says that the product asks for an encrypted connection.
	Encrypted bool
	// Unfit is why nobody can sign in with it from here, "" when one can: a mirror, a read-only intent.
	Unfit string
}

// Facts are what is bound to a plan: everything, as it is no secret.
func (c Connection) Facts(key string) []reconciler.Fact {
	user := c.User
	if c.Integrated {
		user = "Windows"
	}
	facts := []reconciler.Fact{{Field: key + " signs in", Value: user + " at " + c.Server + " to " + strconv.Quote(c.Database)}}
	if c.Unfit != "" {
		facts = append(facts, reconciler.Fact{Field: key + " cannot be tried", Value: c.Unfit})
	}
	return facts
}

// BesideSeen is a connection string with a login under another key than the one that is asked for.
type BesideSeen struct {
	Key, Path string
	Connection
	// Version is a kept version of the secret that is its password, or Unknown. Alike: it is the password of the key that is asked for.
	Version string
	Alike   bool
}
