package specs

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A part is one part of a JSON Schema (2020-12), with the keywords that a document's schema has: one that has others is refused. A
// library that knows all of them compiles five schemas of schemas in every process, and then ours, which was most of what a start took.
// A test holds this against that library.
type part struct {
	Schema      string `json:"$schema"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Default     any    `json:"default"`
	Examples    []any  `json:"examples"`

	Defs  map[string]*part `json:"$defs"`
	Ref   string           `json:"$ref"`
	AnyOf []*part          `json:"anyOf"`

	Type  string     `json:"type"`
	Const *constant  `json:"const"`
	Enum  []constant `json:"enum"`

	Properties           map[string]*part `json:"properties"`
	AdditionalProperties additional       `json:"additionalProperties"`
	Required             []string         `json:"required"`
	MinProperties        *int             `json:"minProperties"`
	MaxProperties        *int             `json:"maxProperties"`

	Items       *part `json:"items"`
	MinItems    *int  `json:"minItems"`
	MaxItems    *int  `json:"maxItems"`
	UniqueItems bool  `json:"uniqueItems"`

	MinLength *int   `json:"minLength"`
	MaxLength *int   `json:"maxLength"`
	Pattern   string `json:"pattern"`

	Minimum *int64 `json:"minimum"`
	Maximum *int64 `json:"maximum"`
}

// additional is what may stand in an object beside its properties: anything, nothing, or what conforms to a part.
type additional struct {
	refused bool
	part    *part
}

// UnmarshalJSON reads true, false or a part.
func (a *additional) UnmarshalJSON(data []byte) error {
	var allowed bool
	if json.Unmarshal(data, &allowed) == nil {
		a.refused = !allowed
		return nil
	}
	return decodeStrict(data, &a.part)
}

// constant is a value as reader.value returns it.
type constant struct{ value any }

// UnmarshalJSON keeps a number as it is written.
func (c *constant) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return d.Decode(&c.value)
}

// A refusal is one thing in a document that a part of its schema refuses.
type refusal struct {
	path    []string
	part    *part
	keyword string
	got     any
	key     string // which one is missing or unknown, or the name of the part that is referred to
}

// A check holds a document against its schema.
type check struct {
	schema *schema
	found  []refusal
}

// conform collects what is refused of a value. Of one that has the wrong type, or is not what it must be, nothing else is said. Paths
// below are written one over the other, as far as path has room.
func (c *check) conform(p *part, v any, path []string) {
	refuseIf := func(refused bool, keyword, key string) bool {
		if refused {
			c.found = append(c.found, refusal{slices.Clone(path), p, keyword, v, key})
		}
		return refused
	}
	is := func(want constant) bool { return reflect.DeepEqual(v, want.value) }
	if refuseIf(p.Type != "" && typeOf(v) != p.Type, "type", "") ||
		refuseIf(p.Const != nil && !is(*p.Const), "const", "") ||
		refuseIf(p.Enum != nil && !slices.ContainsFunc(p.Enum, is), "enum", "") {
		return
	}
	if p.Ref != "" {
		name := strings.TrimPrefix(p.Ref, "#/$defs/")
		below := c.apart(c.schema.root.Defs[name], v, path)
		if !isOwnType(name) {
			c.found = append(c.found, below...)
		} else {
			refuseIf(len(below) > 0, "$ref", name)
		}
	}
	switch v := v.(type) {
	case map[string]any:
		refuseIf(p.MinProperties != nil && len(v) < *p.MinProperties, "minProperties", "")
		refuseIf(p.MaxProperties != nil && len(v) > *p.MaxProperties, "maxProperties", "")
		for _, key := range p.Required {
			_, given := v[key]
			refuseIf(!given, "required", key)
		}
		var unknown []string
		for key, value := range v {
			switch known := p.Properties[key]; {
			case known != nil:
				c.conform(known, value, append(path, key))
			case p.AdditionalProperties.part != nil:
				c.conform(p.AdditionalProperties.part, value, append(path, key))
			case p.AdditionalProperties.refused:
				unknown = append(unknown, key)
			}
		}
		slices.Sort(unknown)
		for _, key := range unknown[:min(len(unknown), maxShown)] {
			refuseIf(true, "additionalProperties", key)
		}
	case []any:
		refuseIf(p.MinItems != nil && len(v) < *p.MinItems, "minItems", "")
		refuseIf(p.MaxItems != nil && len(v) > *p.MaxItems, "maxItems", "")
		refuseIf(p.UniqueItems && hasTwice(v), "uniqueItems", "")
		for i, item := range v {
			if p.Items != nil {
				c.conform(p.Items, item, append(path, strconv.Itoa(i)))
			}
		}
	case string:
		length := utf8.RuneCountInString(v)
		refuseIf(p.MinLength != nil && length < *p.MinLength, "minLength", "")
		refuseIf(p.MaxLength != nil && length > *p.MaxLength, "maxLength", "")
		refuseIf(p.Pattern != "" && !c.schema.patterns[p.Pattern].MatchString(v), "pattern", "")
	case json.Number: // a whole one: see reader.scalar
		n, _ := v.Float64()
		refuseIf(p.Minimum != nil && n < float64(*p.Minimum), "minimum", "")
		refuseIf(p.Maximum != nil && n > float64(*p.Maximum), "maximum", "")
	}
	refuseIf(p.AnyOf != nil && !slices.ContainsFunc(p.AnyOf, func(one *part) bool { return len(c.apart(one, v, path)) == 0 }), "anyOf", "")
}

// apart is what is refused of a value by another part.
func (c *check) apart(p *part, v any, path []string) []refusal {
	other := check{schema: c.schema}
	other.conform(p, v, path)
	return other.found
}

// typeOf is what JSON Schema calls the type of what reader.value returns.
func typeOf(v any) string {
	switch v.(type) {
	case map[string]any:
		return "object"
	case []any:
		return "array"
	case string:
		return "string"
	case json.Number:
		return "integer"
	case bool:
		return "boolean"
	}
	return "null"
}

func hasTwice(list []any) bool {
	for i, item := range list {
		if slices.ContainsFunc(list[:i], func(before any) bool { return reflect.DeepEqual(before, item) }) {
			return true
		}
	}
	return false
}
