package specs

import (
	"encoding/json"
	"fmt"
)

// Source says where a value comes from: the word `generated`, or an object with exactly one of the keys below. It never
// holds the value. A further kind of source is one more field here and in SchemaJSON.
type Source struct {
	// Generated asks for a value made by meshrotate, once for each version.
	Generated bool `json:"-"`
	// Env is the name of an environment variable.
	Env string `json:"env,omitempty"`
	// File is a path relative to the document. A file whose name ends in .age is opened with the deployment's age
	// identity.
	File string `json:"file,omitempty"`
}

// SchemaJSON is the JSON Schema of a Source.
func (Source) SchemaJSON() string {
	return `{"title": "source", "description": "Where a value comes from: the word generated, or one of {env: NAME} and ` +
		`{file: PATH}. Never the value itself.", "examples": ["generated", {"env": "NAME"}, {"file": "secret.age"}], ` +
		`"anyOf": [{"const": "generated", "description": "Made by meshrotate, once for each version."}, ` +
		`{"type": "object", "additionalProperties": false, "minProperties": 1, "maxProperties": 1, "properties": {` +
		`"env": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "description": "The name of an environment variable."}, ` +
		`"file": {"type": "string", "minLength": 1, "description": "A path relative to the document. A file whose name ends ` +
		`in .age is opened with the deployment's age identity."}}}]}`
}

// sourceHint is what to write where a Source is wanted.
const sourceHint = "write {env: NAME} or {file: PATH}; the value itself never stands in the document"

// UnmarshalJSON reads the word or the object. Its errors do not repeat the input, which may be a secret written in the
// wrong place.
func (s *Source) UnmarshalJSON(data []byte) error {
	var word string
	if json.Unmarshal(data, &word) == nil && word == "generated" {
		*s = Source{Generated: true}
		return nil
	}
	type plain Source // without this method
	var keys map[string]json.RawMessage
	var p plain
	if json.Unmarshal(data, &keys) != nil || len(keys) != 1 || json.Unmarshal(data, &p) != nil || p == (plain{}) {
		return fmt.Errorf("a source is the word generated, or exactly one of {env: NAME} and {file: PATH}")
	}
	*s = Source(p)
	return nil
}

// MarshalJSON writes what UnmarshalJSON reads.
func (s Source) MarshalJSON() ([]byte, error) {
	if s.Generated {
		return []byte(`"generated"`), nil
	}
	type plain Source
	return json.Marshal(plain(s))
}

// IsZero says that no source was given.
func (s Source) IsZero() bool { return s == Source{} }

// String names the place: "generated", "env NAME", "file PATH".
func (s Source) String() string {
	switch {
	case s.Generated:
		return "generated"
	case s.Env != "":
		return "env " + s.Env
	case s.File != "":
		return "file " + s.File
	}
	return ""
}
