package schemagen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/go-multierror"

	"meshrotate/specs"
)

// Compare says how a schema differs from the types it should describe, nil when they agree: it is what Generate gives; every
// field of a type is a property and every property is a field; each has a description; and a document that uses every
// property is decoded strictly and comes out with the same keys.
func Compare(schema []byte, sections []specs.Section) error {
	var wrong *multierror.Error
	generated, err := Generate(sections)
	if err != nil {
		return err
	}
	if !bytes.Equal(schema, generated) {
		wrong = multierror.Append(wrong, fmt.Errorf("the schema is not what the types give: run go generate ./specs"))
	}
	var root map[string]any
	if err := json.Unmarshal(schema, &root); err != nil {
		return err
	}
	c := comparison{root: root}
	c.types(reflect.TypeFor[specs.Deployment](), root, "")
	c.decodes(root, new(specs.Deployment), "")
	for _, section := range sections {
		at := "secrets." + section.Key
		part := object(root, "properties", "secrets", "properties", section.Key)
		c.types(reflect.TypeOf(section.New()), part, at)
		c.decodes(part, section.New(), at)
	}
	return multierror.Append(wrong, c.wrong...).ErrorOrNil()
}

type comparison struct {
	root  map[string]any
	wrong []error
}

func (c *comparison) say(format string, args ...any) {
	c.wrong = append(c.wrong, fmt.Errorf(format, args...))
}

// types compares a type with its part of the schema, and goes down.
func (c *comparison) types(t reflect.Type, part map[string]any, path string) {
	part = c.resolve(part)
	switch t.Kind() {
	case reflect.Pointer:
		c.types(t.Elem(), part, path)
	case reflect.Slice:
		c.types(t.Elem(), object(part, "items"), path+"[]")
	case reflect.Map:
		if t.Elem().Kind() != reflect.Interface { // secrets: compared by the caller
			c.types(t.Elem(), object(part, "additionalProperties"), path+".*")
		}
	case reflect.Struct:
		fields := map[string]reflect.Type{}
		taggedFields(t, fields)
		properties := properties(part)
		for name, field := range fields {
			p, ok := properties[name].(map[string]any)
			if !ok {
				c.say("%s.%s is in the type and not in the schema", path, name)
				continue
			}
			if p["description"] == nil {
				c.say("%s.%s has no description: give the field a doc comment", path, name)
			}
			c.types(field, p, path+"."+name)
		}
		for name := range properties {
			if fields[name] == nil {
				c.say("%s.%s is in the schema and not in the type", path, name)
			}
		}
	}
}

// taggedFields lists what encoding/json reads, by name, embedded structs included.
func taggedFields(t reflect.Type, fields map[string]reflect.Type) {
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			taggedFields(f.Type, fields)
		case name != "" && name != "-":
			fields[name] = f.Type
		}
	}
}

// decodes reads a document with every property into the type, strictly, and looks whether all of it arrived.
func (c *comparison) decodes(part map[string]any, into any, path string) {
	sample := c.sample(part)
	data, err := json.Marshal(sample)
	if err != nil {
		c.say("%s: %w", path, err)
		return
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		c.say("%s: a document with every property is not decoded: %w", path, err)
		return
	}
	var back any
	if data, err = json.Marshal(into); err == nil {
		err = json.Unmarshal(data, &back)
	}
	if err != nil {
		c.say("%s: %w", path, err)
		return
	}
	c.arrived(sample, back, path)
}

func (c *comparison) arrived(sent, back any, path string) {
	switch s := sent.(type) {
	case map[string]any:
		b, _ := back.(map[string]any)
		for key, value := range s {
			if b[key] == nil {
				c.say("%s.%s is accepted and then lost", path, key)
				continue
			}
			c.arrived(value, b[key], path+"."+key)
		}
	case []any:
		if b, _ := back.([]any); len(b) == len(s) {
			c.arrived(s[0], b[0], path+"[0]")
		}
	}
}

// sample is a value that a part of the schema accepts, with every property.
func (c *comparison) sample(part map[string]any) any {
	for _, key := range []string{"default", "const"} {
		if part[key] != nil {
			return part[key]
		}
	}
	part = c.resolve(part)
	for _, key := range []string{"enum", "examples"} {
		if list, _ := part[key].([]any); len(list) > 0 {
			return list[0]
		}
	}
	switch part["type"] {
	case "object":
		value := map[string]any{}
		for name, p := range properties(part) {
			value[name] = c.sample(p.(map[string]any))
		}
		if more, ok := part["additionalProperties"].(map[string]any); ok {
			value["key"] = c.sample(more)
		}
		return value
	case "array":
		return []any{c.sample(object(part, "items"))}
	case "integer", "number":
		if least, ok := part["minimum"].(float64); ok && least > 0 {
			return least
		}
		return 1.0
	case "boolean":
		return true
	}
	return "text"
}

func (c *comparison) resolve(part map[string]any) map[string]any {
	if ref, ok := part["$ref"].(string); ok {
		return object(c.root, "$defs", strings.TrimPrefix(ref, "#/$defs/"))
	}
	return part
}

// properties are a part's own, or those of its alternatives.
func properties(part map[string]any) map[string]any {
	found := map[string]any{}
	alternatives, _ := part["anyOf"].([]any)
	for _, one := range slices.Concat([]any{part}, alternatives) {
		for name, p := range object(one.(map[string]any), "properties") {
			found[name] = p
		}
	}
	return found
}

func object(part map[string]any, path ...string) map[string]any {
	for _, key := range path {
		part, _ = part[key].(map[string]any)
	}
	return part
}
