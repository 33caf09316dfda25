package schemagen_test

import (
	"strings"
	"testing"

	"meshrotate/specs"
	"meshrotate/specs/schemagen"
)

// inner is a further object of a section, and holds what a rotation may use.
type inner struct {
	// Host is a host.
	Host string `json:"host" jsonschema:"required,minLength=1"`
	// Key is its key.
	Key *specs.Source `json:"key,omitempty"`
}

type section struct {
	specs.Secret `json:",inline"`
	// Also are others.
	Also []inner `json:"also,omitempty"`
	// Soak is how long to wait.
	Soak specs.Duration `json:"soak,omitzero" jsonschema:"default=1d"`
	// Named are others by name.
	Named map[string]inner `json:"named,omitempty"`
	// Strict is a switch.
	Strict bool `json:"strict,omitempty"`
}

// lossy shows what Compare must find: no comment, and a field that is accepted and then lost.
type lossy struct {
	Plain string `json:"plain,omitempty"`
}

func TestCompare(t *testing.T) {
	good := []specs.Section{
		{Key: "one", New: func() any { return &section{} }},
		{Key: "many", New: func() any { return &[]section{} }},
	}
	schema, err := schemagen.Generate(good)
	if err != nil {
		t.Fatal(err)
	}
	if err := schemagen.Compare(schema, good); err != nil {
		// Comments of test files' types are not read: the folders are those of the real sections.
		for _, line := range strings.Split(err.Error(), "\n") {
			if strings.Contains(line, "* ") && !strings.Contains(line, "has no description") {
				t.Error(line)
			}
		}
	}
	if again, _ := schemagen.Generate(good); string(again) != string(schema) {
		t.Error("the same types gave two schemas")
	}

	for _, c := range []struct {
		reason, from, to, want string
	}{
		{"a renamed property is in neither", `"planTtl"`, `"planTTL"`, "planTtl is in the type and not in the schema"},
		{"a property too many is not decoded", `"planTtl"`, `"planTTL"`, "planTTL is in the schema and not in the type"},
		{"an edit by hand is found", `"minimum": 1,`, `"minimum": 2,`, "not what the types give"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			edited := strings.Replace(string(schema), c.from, c.to, 1)
			if err := schemagen.Compare([]byte(edited), good); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want %q in:\n%v", c.want, err)
			}
		})
	}
	undocumented := []specs.Section{{Key: "lossy", New: func() any { return &lossy{} }}}
	schema, err = schemagen.Generate(undocumented)
	if err != nil {
		t.Fatal(err)
	}
	if err := schemagen.Compare(schema, undocumented); err == nil || !strings.Contains(err.Error(), "secrets.lossy.plain has no description") {
		t.Errorf("a field without a comment was not found: %v", err)
	}
}

// The embedded schema is compared with the real sections where they are known: beside the registry. Here its frame is
// compared, which needs none of them.
func TestEmbeddedSchemaIsWhole(t *testing.T) {
	err := schemagen.Compare(specs.Schema(), nil)
	for _, line := range strings.Split(err.Error(), "\n") {
		if strings.Contains(line, "* ") && !strings.Contains(line, "not what the types give") {
			t.Error(line)
		}
	}
}
