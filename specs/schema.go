package specs

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

//go:generate go run ./schemagen/write

//go:embed schema.json
var embedded string

// Schema is the JSON Schema (2020-12) of a document with every Section of this program, for editors.
func Schema() []byte { return []byte(embedded) }

// schemaURL names the schema inside the validator; nothing is ever fetched. What has a name of this host is not held against the
// schema of schemas, which takes as long as everything else about it: a test does that, once for all.
const schemaURL = "https://json-schema.org/meshrotate"

// secretsURL is where the sections stand in it.
const secretsURL = "#/properties/secrets"

// schema is a compiled JSON Schema, with its text at hand to explain what it refuses.
type schema struct {
	text     map[string]any
	compiled *jsonschema.Schema
	names    map[string]bool // of all properties
}

// compiled are the schemas that this process has made, by their schemaKey: it takes longer than everything else about a document.
var compiled sync.Map

type schemaKey struct{ text, sections string }

// schemaOf is newSchema, once for each text and set of sections.
func schemaOf(text string, sections []Section) (*schema, error) {
	key := schemaKey{text: text}
	for _, section := range sections {
		key.sections += section.Key + "\x00"
	}
	if s, ok := compiled.Load(key); ok {
		return s.(*schema), nil
	}
	s, err := newSchema(text, sections)
	if err == nil {
		compiled.Store(key, s)
	}
	return s, err
}

// newSchema compiles text for exactly these sections. A section that the text does not know is left to its own type:
// decoding is strict too.
func newSchema(text string, sections []Section) (*schema, error) {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("the document's JSON Schema: %w", err)
	}
	s := &schema{names: map[string]bool{}}
	s.text, _ = doc.(map[string]any)
	secrets, ok := s.at(secretsURL).(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the document's JSON Schema has no secrets")
	}
	known, _ := secrets["properties"].(map[string]any)
	wanted := map[string]any{}
	for _, section := range sections {
		wanted[section.Key] = map[string]any{}
		if known[section.Key] != nil {
			wanted[section.Key] = known[section.Key]
		}
	}
	secrets["properties"] = wanted

	c := jsonschema.NewCompiler()
	if err := c.AddResource(schemaURL, doc); err != nil {
		return nil, fmt.Errorf("the document's JSON Schema: %w", err)
	}
	if s.compiled, err = c.Compile(schemaURL); err != nil {
		return nil, fmt.Errorf("the document's JSON Schema: %w", err)
	}
	addNames(s.names, s.text)
	return s, nil
}

// at is the part of the schema that a URL's fragment (a JSON pointer, RFC 6901) names, nil when there is none.
func (s *schema) at(url string) any {
	_, pointer, _ := strings.Cut(url, "#")
	var part any = s.text
	for _, token := range strings.Split(pointer, "/")[1:] {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		object, _ := part.(map[string]any)
		part = object[token]
	}
	return part
}

// describe is the description of that part, empty when there is none. With a property's name it describes the property.
func (s *schema) describe(url string, property ...string) string {
	object, _ := s.at(url).(map[string]any)
	for _, name := range property {
		properties, _ := object["properties"].(map[string]any)
		object, _ = properties[name].(map[string]any)
	}
	text, _ := object["description"].(string)
	return strings.ReplaceAll(text, "\n", " ")
}

// properties are the names that an object may hold.
func (s *schema) properties(url string) []string {
	object, _ := s.at(url).(map[string]any)
	properties, _ := object["properties"].(map[string]any)
	names := make([]string, 0, len(properties))
	for name := range properties {
		names = append(names, name)
	}
	return names
}

// owner is the section that a key outside of the sections is named after, "" when there is none: the path of one secret's
// file once stood under product.
func (s *schema) owner(path []string) string {
	if path[0] == "secrets" {
		return ""
	}
	key, best := strings.ToLower(path[len(path)-1]), ""
	for _, name := range s.properties(secretsURL) {
		if strings.HasPrefix(key, strings.ToLower(name)) && len(name) > len(best) {
			best = name
		}
	}
	return best
}

// sectionKeys are the keys of a section, sorted.
func (s *schema) sectionKeys(section string) []string {
	return slices.Sorted(slices.Values(s.properties(secretsURL + "/properties/" + section)))
}

// addNames collects the names of all properties below a part of the schema.
func addNames(names map[string]bool, part any) {
	switch p := part.(type) {
	case map[string]any:
		properties, _ := p["properties"].(map[string]any)
		for name := range properties {
			names[name] = true
		}
		for _, below := range p {
			addNames(names, below)
		}
	case []any:
		for _, below := range p {
			addNames(names, below)
		}
	}
}

// toJSON is the tree as JSON, without the broken parts.
func toJSON(tree any, broken [][]string) ([]byte, error) {
	if len(broken) == 0 {
		return json.Marshal(tree)
	}
	marked := map[string]bool{}
	for _, path := range broken {
		marked[strings.Join(path, "\x00")] = true
	}
	return json.Marshal(prune(tree, nil, marked))
}

func prune(tree any, path []string, marked map[string]bool) any {
	switch t := tree.(type) {
	case map[string]any:
		kept := make(map[string]any, len(t))
		for key, value := range t {
			if at := under(path, key); !marked[strings.Join(at, "\x00")] {
				kept[key] = prune(value, at, marked)
			}
		}
		return kept
	case []any:
		kept := make([]any, 0, len(t))
		for i, value := range t {
			if at := under(path, fmt.Sprint(i)); !marked[strings.Join(at, "\x00")] {
				kept = append(kept, prune(value, at, marked))
			}
		}
		return kept
	}
	return tree
}
