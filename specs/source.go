package specs

import (
	"bytes"
	"encoding/json"
	"errors"
)

// Source says where a value comes from: the word `generated`, or an object with exactly one of env, file and store. It never
// holds the value. A further kind of source is one more field here and in SchemaJSON.
type Source struct {
	// Generated asks for a value made by meshrotate, once for each version.
	Generated bool `json:"-"`
	// Env is the name of an environment variable.
	Env string `json:"env,omitempty"`
	// File is a path relative to the document. A file whose name ends in .age is opened with the deployment's age
	// identity.
	File string `json:"file,omitempty"`
	// Item is one in a store of connect.stores.
	Item `json:",inline"`
}

// Item is one value in a store, in one of its versions.
type Item struct {
	Place `json:",inline"`
	// At is the store's own version of it, "" for the latest.
	At Version `json:"at,omitempty"`
}

// Place is where a value is in a store.
type Place struct {
	// Store is a name under connect.stores.
	Store string `json:"store,omitempty"`
	// Path is where it is in the store.
	Path string `json:"path,omitempty"`
	// Key is its name among several at that path.
	Key string `json:"key,omitempty"`
}

const itemProperties = `"store": {"type": "string", "minLength": 1, "maxLength": 63, "description": "A name under connect.stores."}, ` +
	`"path": {"type": "string", "minLength": 1, "maxLength": 1000, "description": "Where it is in the store: a path of Vault below its mount, a secret of Azure Key Vault, ` +
	`or the last argument of a program."}, ` +
	`"key": {"type": "string", "minLength": 1, "maxLength": 200, "description": "Its name among several at that path of Vault. Left out: value."}`

// SchemaJSON is the JSON Schema of a Place.
func (Place) SchemaJSON() string {
	return `{"title": "place", "description": "A place in a store of connect.stores.", "examples": [{"store": "corp", "path": "im/relay"}], ` +
		`"type": "object", "additionalProperties": false, "required": ["store", "path"], "properties": {` + itemProperties + `}}`
}

// String names the place: corp/im/relay#value.
func (p Place) String() string {
	if p.Key == "" {
		return p.Store + "/" + p.Path
	}
	return p.Store + "/" + p.Path + "#" + p.Key
}

// IsZero says that none is named.
func (i Item) IsZero() bool { return i == Item{} }

// String is the place, and the version if one is named.
func (i Item) String() string {
	if i.At == "" {
		return i.Place.String()
	}
	return i.Place.String() + " at " + string(i.At)
}

// Also says of a generated value where it is kept as well, "" for nowhere.
func (p *Place) Also() string {
	if p == nil {
		return ""
	}
	return ", kept for others in store " + p.String()
}

// SchemaJSON is the JSON Schema of a Source.
func (Source) SchemaJSON() string {
	return `{"title": "source", "description": "Where a value comes from: the word generated, or one of {env: NAME}, {file: PATH} and ` +
		`{store: NAME, path: PATH}. Never the value itself.", "examples": ["generated", {"env": "NAME"}, {"file": "secret.age"}, {"store": "corp", "path": "im/relay", "at": 4}], ` +
		`"anyOf": [{"const": "generated", "description": "Made by meshrotate, once for each version."}, ` +
		`{"type": "object", "additionalProperties": false, "minProperties": 1, "maxProperties": 1, "properties": {` +
		`"env": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "description": "The name of an environment variable."}, ` +
		`"file": {"type": "string", "minLength": 1, "description": "A path relative to the document. A file whose name ends ` +
		`in .age is opened with the deployment's age identity."}}}, ` +
		`{"type": "object", "additionalProperties": false, "required": ["store", "path"], "properties": {` + itemProperties + `, ` +
		`"at": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "` + versionForm + `"}], "description": "The store's own version of it. Left out: the latest."}` +
		`}}]}`
}

// sourceHint is what to write where a Source is wanted.
const sourceHint = "write {env: NAME}, {file: PATH} or {store: NAME, path: PATH}; the value itself never stands in the document"

var errNoSource = errors.New("a source is the word generated, or exactly one of {env: NAME}, {file: PATH} and {store: NAME, path: PATH}")

// UnmarshalJSON reads the word or the object. Its errors do not repeat the input, which may be a secret written in the
// wrong place.
func (s *Source) UnmarshalJSON(data []byte) error {
	var word string
	if json.Unmarshal(data, &word) == nil && word == "generated" {
		*s = Source{Generated: true}
		return nil
	}
	type plain Source // without this method
	var p plain
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if d.Decode(&p) != nil || !exactlyOne(p.Env != "", p.File != "", p.Store != "" && p.Path != "") || p.Store == "" && !p.Item.IsZero() {
		return errNoSource
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

// String names the place: "generated", "env NAME", "file PATH", "store NAME/PATH".
func (s Source) String() string {
	if s.Store != "" {
		return "store " + s.Item.String()
	}
	return s.Where()
}

// Where is String without a store's own version: whoever may read one of a value's versions may read them all.
func (s Source) Where() string {
	switch {
	case s.Generated:
		return "generated"
	case s.Env != "":
		return "env " + s.Env
	case s.File != "":
		return "file " + s.File
	case s.Store != "":
		return "store " + s.Item.Place.String()
	}
	return ""
}
