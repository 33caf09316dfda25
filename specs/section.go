package specs

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
}

// Report takes one problem. Path is within the section, parts joined by slashes: "from", "services/0/account"; "" is
// the section itself. Hint says what to do, and may be empty. Neither text repeats what may be a secret.
type Report func(path, problem, hint string)

// Secret is the part that all specs under `secrets:` share. Embed it inline.
type Secret struct {
	// Version names the wanted value. Changing it is what asks for a rotation.
	Version Version `json:"version" jsonschema:"required"`
	// From is where the value comes from.
	From Source `json:"from" jsonschema:"required"`
	// Every is how often the secret should be rotated; status and drift say when it is due.
	Every Duration `json:"every,omitzero"`
}
