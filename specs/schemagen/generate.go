// Package schemagen makes the JSON Schema of a document from the Go types that the document is decoded into, so that
// what editors offer, what the validator accepts and what the program reads are one thing. Doc comments become
// descriptions. It is used when the program is built and tested, and is no part of the program.
package schemagen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"

	"github.com/invopop/jsonschema"

	"meshrotate/specs"
)

// Generate returns the schema of a document with these sections, indented, with a final newline. The source files of the
// types must be at hand: it is run inside the module.
func Generate(sections []specs.Section) ([]byte, error) {
	g := generator{values: map[string]*jsonschema.Schema{}}
	g.reflector = jsonschema.Reflector{
		Anonymous:                  true,
		RequiredFromJSONSchemaTags: true,
		ExpandedStruct:             true,
		Namer:                      typeName,
		Mapper:                     g.value,
	}
	if err := g.readComments(); err != nil {
		return nil, err
	}
	root := g.reflector.Reflect(specs.Deployment{})
	root.Title = "meshrotate deployment"
	root.Description = "One IdentityMesh deployment: its hosts, how to reach them, and the secrets to rotate. It starts with apiVersion: " + specs.APIVersion
	secrets, _ := root.Properties.Get("secrets")
	secrets.Properties = jsonschema.NewProperties()
	secrets.AdditionalProperties = jsonschema.FalseSchema
	for _, section := range sections {
		property, err := g.section(root, section)
		if err != nil {
			return nil, err
		}
		secrets.Properties.Set(section.Key, property)
	}
	for name, schema := range g.values {
		root.Definitions[name] = schema
	}
	return finish(root)
}

type generator struct {
	reflector jsonschema.Reflector
	// values are the schemas of types that say their own, by name.
	values map[string]*jsonschema.Schema
}

// section reflects one section's type and moves its definitions into the root.
func (g *generator) section(root *jsonschema.Schema, section specs.Section) (*jsonschema.Schema, error) {
	t := reflect.TypeOf(section.New())
	if t == nil || t.Kind() != reflect.Pointer {
		return nil, fmt.Errorf("section %s: New must return a pointer", section.Key)
	}
	schema := g.reflector.ReflectFromType(t.Elem())
	for name, definition := range schema.Definitions {
		root.Definitions[name] = definition
	}
	schema.Definitions, schema.Version = nil, ""
	schema.Description = strings.TrimPrefix(schema.Description, "Spec is ")
	return schema, nil
}

// typeName keeps the types of this package under their own names, and puts the package before others: every rotation
// may have a Spec.
func typeName(t reflect.Type) string {
	if t.Name() == "" || t.PkgPath() == reflect.TypeFor[specs.Deployment]().PkgPath() {
		return t.Name()
	}
	return path.Base(t.PkgPath()) + "." + t.Name()
}

// value answers for types that read themselves and say their own schema.
func (g *generator) value(t reflect.Type) *jsonschema.Schema {
	own, ok := reflect.Zero(t).Interface().(interface{ SchemaJSON() string })
	if !ok {
		return nil
	}
	name := typeName(t)
	if g.values[name] == nil {
		schema := &jsonschema.Schema{}
		if err := json.Unmarshal([]byte(own.SchemaJSON()), schema); err != nil {
			panic(fmt.Sprintf("%s.SchemaJSON: %v", name, err))
		}
		g.values[name] = schema
	}
	// The type lets a `default` in the field's tag through; finish takes it away again.
	return &jsonschema.Schema{Ref: "#/$defs/" + name, Type: "string"}
}

var moduleLine = regexp.MustCompile(`(?m)^module\s+(\S+)`)

// readComments reads the doc comments of the whole module.
func (g *generator) readComments() error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	for {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil {
			m := moduleLine.FindSubmatch(data)
			if m == nil {
				return fmt.Errorf("%s: no module line", filepath.Join(dir, "go.mod"))
			}
			return g.readFolders(string(m[1]), dir)
		}
		if dir == filepath.Dir(dir) {
			return fmt.Errorf("doc comments: %w", err)
		}
		dir = filepath.Dir(dir)
	}
}

// readFolders reads the folders whose types can be in a document.
func (g *generator) readFolders(module, root string) error {
	for _, folder := range []string{"specs", "providers/rotations"} {
		if _, err := os.Stat(filepath.Join(root, folder)); err != nil {
			continue
		}
		// Paths given to AddGoComments become import paths, so they must be relative.
		here, err := os.Getwd()
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(here, filepath.Join(root, folder))
		if err != nil {
			return err
		}
		comments := jsonschema.Reflector{}
		if err := comments.AddGoComments("", relative); err != nil {
			return fmt.Errorf("doc comments of %s: %w", folder, err)
		}
		if g.reflector.CommentMap == nil {
			g.reflector.CommentMap = map[string]string{}
		}
		for name, text := range comments.CommentMap {
			name = path.Join(module, folder) + strings.TrimPrefix(name, path.Clean(filepath.ToSlash(relative)))
			first, _, _ := strings.Cut(text, "\n\n")
			g.reflector.CommentMap[name] = strings.Join(strings.Fields(first), " ")
		}
	}
	return nil
}

// finish writes the schema with what the reflector cannot know.
func finish(root *jsonschema.Schema) ([]byte, error) {
	data, err := json.Marshal(root)
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	if err := json.Unmarshal(data, &tree); err != nil {
		return nil, err
	}
	tidy(tree)
	// What a host overrides has no defaults of its own.
	overrides := tree["$defs"].(map[string]any)["HostConnect"].(map[string]any)["properties"].(map[string]any)
	for _, property := range overrides {
		delete(property.(map[string]any), "default")
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err = encoder.Encode(tree)
	return out.Bytes(), err
}

// tidy takes the helper `type` beside a reference away, everywhere, and lets a description that starts with a field's Go
// name start with the document's key.
func tidy(part any) {
	switch p := part.(type) {
	case map[string]any:
		properties, _ := p["properties"].(map[string]any)
		for key, property := range properties {
			text, _ := property.(map[string]any)["description"].(string)
			if first, rest, ok := strings.Cut(text, " "); ok && strings.EqualFold(first, key) {
				property.(map[string]any)["description"] = key + " " + rest
			}
		}
		if _, reference := p["$ref"].(string); reference {
			delete(p, "type")
		}
		for _, below := range p {
			tidy(below)
		}
	case []any:
		for _, below := range p {
			tidy(below)
		}
	}
}
