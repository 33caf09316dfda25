package specs

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
)

//go:generate go run ./schemagen/write

//go:embed schema.json
var embedded string

// Schema is the JSON Schema (2020-12) of a document with every Section of this program, for editors.
func Schema() []byte { return []byte(embedded) }

// schema is a JSON Schema that documents are held against.
type schema struct {
	root     *part
	sections map[string]*part
	names    map[string]bool // of all properties
	patterns map[string]*regexp.Regexp
}

// schemas are those that this process has read, by their schemaKey: it takes longer than everything else about a document.
var schemas sync.Map

type schemaKey struct{ text, sections string }

// schemaOf is newSchema, once for each text and set of sections.
func schemaOf(text string, sections []Section) (*schema, error) {
	key := schemaKey{text: text}
	for _, section := range sections {
		key.sections += section.Key + "\x00"
	}
	if s, ok := schemas.Load(key); ok {
		return s.(*schema), nil
	}
	s, err := newSchema(text, sections)
	if err == nil {
		schemas.Store(key, s)
	}
	return s, err
}

// newSchema reads text for exactly these sections. A section that the text does not know is left to its own type:
// decoding is strict too.
func newSchema(text string, sections []Section) (*schema, error) {
	s := &schema{names: map[string]bool{}, patterns: map[string]*regexp.Regexp{}}
	if err := decodeStrict([]byte(text), &s.root); err != nil {
		return nil, fmt.Errorf("the document's JSON Schema: %w", err)
	}
	secrets := s.root.Properties["secrets"]
	if secrets == nil {
		return nil, fmt.Errorf("the document's JSON Schema has no secrets")
	}
	s.sections = map[string]*part{}
	for _, section := range sections {
		s.sections[section.Key] = cmp.Or(secrets.Properties[section.Key], &part{})
	}
	secrets.Properties = s.sections
	if err := s.add(s.root); err != nil {
		return nil, fmt.Errorf("the document's JSON Schema: %w", err)
	}
	return s, nil
}

// add notes what is in a part and below it, and says what cannot be followed.
func (s *schema) add(p *part) (err error) {
	if name, ok := strings.CutPrefix(p.Ref, "#/$defs/"); p.Ref != "" && (!ok || s.root.Defs[name] == nil) {
		return fmt.Errorf("there is no %s", p.Ref)
	}
	if p.Pattern != "" && s.patterns[p.Pattern] == nil {
		if s.patterns[p.Pattern], err = regexp.Compile(p.Pattern); err != nil {
			return err
		}
	}
	for name := range p.Properties {
		s.names[name] = true
	}
	for _, below := range slices.Concat(slices.Collect(maps.Values(p.Properties)), slices.Collect(maps.Values(p.Defs)), p.AnyOf, []*part{p.Items, p.AdditionalProperties.part}) {
		if below != nil && err == nil {
			err = s.add(below)
		}
	}
	return err
}

// describe is what a part says of itself, or of one of its properties.
func (p *part) describe(property ...string) string {
	for _, name := range property {
		if p = p.Properties[name]; p == nil {
			return ""
		}
	}
	return strings.ReplaceAll(p.Description, "\n", " ")
}

// properties are the names that an object may hold.
func (p *part) properties() []string { return slices.Collect(maps.Keys(p.Properties)) }

// owner is the section that a key outside of the sections is named after, "" when there is none: the path of one secret's
// file once stood under product.
func (s *schema) owner(path []string) string {
	if path[0] == "secrets" {
		return ""
	}
	key, best := strings.ToLower(path[len(path)-1]), ""
	for name := range s.sections {
		if strings.HasPrefix(key, strings.ToLower(name)) && len(name) > len(best) {
			best = name
		}
	}
	return best
}

// sectionKeys are the keys of a section, sorted.
func (s *schema) sectionKeys(section string) []string {
	return slices.Sorted(maps.Keys(s.sections[section].Properties))
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
