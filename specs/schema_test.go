package specs_test

import (
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"meshrotate/specs"
)

// The schema is one, by JSON Schema's own: a start does not ask that again.
func TestSchemaIsASchema(t *testing.T) {
	compiled := func(text string) error {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			return err
		}
		c := jsonschema.NewCompiler()
		if err := c.AddResource("mem:///schema.json", doc); err != nil {
			return err
		}
		_, err = c.Compile("mem:///schema.json")
		return err
	}
	text := string(specs.Schema())
	if err := compiled(text); err != nil {
		t.Error(err)
	}
	if compiled(strings.Replace(text, `"type": "object"`, `"type": "objekt"`, 1)) == nil {
		t.Error("a schema that is none was taken for one")
	}
}
