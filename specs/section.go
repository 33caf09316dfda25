package specs

import (
	"slices"
	"strings"
)

// Section is what one rotation adds to the document, under `secrets:`.
type Section struct {
	// Key is the name under `secrets:`.
	Key string
	// New returns a pointer to a zero spec, a struct with json and jsonschema tags like those of Deployment (or a
	// slice or map of such structs). A doc comment on each field becomes its description in the schema. A type that
	// reads itself (UnmarshalJSON, UnmarshalText) also has SchemaJSON() string, as Version has, and its errors do
	// not repeat what they read.
	New func() any
	// Check reports what the schema cannot express, and fills in defaults. It contacts nothing. It runs when the
	// section and the frame it may look at (hosts, connect) have their right form. It may be nil.
	Check func(d *Deployment, spec any, report Report)
	// Never are what somebody may take for a secret like these, and nobody rotates.
	Never []Never
}

// Never is what is refused by its name.
type Never struct {
	// Keys are how it may be called under `secrets:`. Case, hyphens and underscores do not count.
	Keys []string
	// Why there is no such section, and what to do instead.
	Why, Hint string
}

// neverOf finds it by a key of the document.
func neverOf(sections []Section, key string) (Never, bool) {
	plain := strings.NewReplacer("-", "", "_", "")
	for _, s := range sections {
		for _, n := range s.Never {
			if slices.ContainsFunc(n.Keys, func(k string) bool { return strings.EqualFold(k, plain.Replace(key)) }) {
				return n, true
			}
		}
	}
	return Never{}, false
}

// Report takes one problem. Path is within the section, parts joined by slashes: "from", "services/0/account"; "" is
// the section itself. Hint says what to do, and may be empty. Neither text repeats what may be a secret.
type Report func(path, problem, hint string)

// Secret is the part that all specs under `secrets:` share. Embed it inline.
type Secret struct {
	// Version names the wanted value. Changing it is what asks for a rotation.
	Version Version `json:"version" jsonschema:"required" trust:"wanted"`
	// From is where the value comes from.
	From Source `json:"from" jsonschema:"required" trust:"value"`
	// Keep is a place in a store of connect.stores, version 2 of Vault's KV engine, in which a generated value is kept as well, so
	// that others can read it there.
	Keep *Place `json:"keep,omitempty" trust:"keep"`
	// Every is how often the secret should be rotated; status and drift say when it is due.
	Every Duration `json:"every,omitzero" trust:"wanted"`
}
