package specs

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"
)

// TestConformsAsTheLibrarySays: a library of JSON Schema says of every document what we say, whether it conforms. They are those of this
// repository, and thousands that are one of them with something changed.
func TestConformsAsTheLibrarySays(t *testing.T) {
	text := strings.Replace(embedded, `"uniqueItems": true`, `"uniqueItems": true, "maxItems": 3`, 1)
	library := compiledBy(t, text)
	var sections []Section
	known := map[string]bool{}
	for key := range rootOf(t, text).Properties["secrets"].Properties {
		sections = append(sections, Section{Key: key})
	}
	s, err := newSchema(text, sections)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../examples/*/*.yaml")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	files = append(files, "testdata/good/full.yaml", "testdata/bad/shapes.yaml")
	rng := rand.New(rand.NewPCG(1, 2))
	agreed := map[bool]int{}
	documents := [][]byte{[]byte("{apiVersion: meshrotate/v1, kind: Deployment, name: x, hosts: {admin: a}, secrets: {license: {version: 1, from: {file: a}, tiers: [Standard, Enterprise]}, sqlLogin: {logins: [a, b], version: 1, from: generated}}}")}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, data)
	}
	for _, data := range documents {
		data, err = yaml.YAMLToJSON(data)
		if err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			tree := treeOf(t, data)
			if rng.IntN(20) > 0 {
				tree = changed(rng, tree)
			}
			c := check{schema: s}
			c.conform(s.root, tree, rootPath())
			want := library.Validate(tree)
			if (want == nil) != (len(c.found) == 0) {
				written, _ := json.Marshal(tree)
				t.Fatalf("%s\nwe refuse %v\nthe library says %v", written, c.found, want)
			}
			agreed[want == nil]++
			for _, f := range c.found {
				known[f.keyword] = true
			}
		}
	}
	if agreed[true] < 500 || agreed[false] < 500 {
		t.Errorf("%v", agreed)
	}
	for _, keyword := range []string{"type", "enum", "required", "additionalProperties", "minLength", "minItems", "maxItems", "uniqueItems", "pattern", "minimum", "maximum", "$ref"} {
		if !known[keyword] {
			t.Errorf("nothing was refused for %s", keyword)
		}
	}
}

// TestSchemaWithMore: what this program does not hold documents against, it does not take for nothing.
func TestSchemaWithMore(t *testing.T) {
	for from, to := range map[string]string{
		`"uniqueItems"`:     `"contains"`,
		`#/$defs/Version"`:  `#/$defs/Nothing"`,
		`"^[A-Za-z0-9._-]{`: `"^[A-Za-z0-9._-{`,
	} {
		text := strings.Replace(embedded, from, to, 1)
		if _, err := newSchema(text, []Section{{Key: "license"}}); err == nil || text == embedded {
			t.Errorf("a schema with %s in place of %s was taken", to, from)
		}
	}
}

func compiledBy(t *testing.T, text string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:///schema.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("mem:///schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func rootOf(t *testing.T, text string) *part {
	t.Helper()
	var root *part
	if err := decodeStrict([]byte(text), &root); err != nil {
		t.Fatal(err)
	}
	return root
}

func treeOf(t *testing.T, data []byte) any {
	t.Helper()
	var c constant
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	return c.value
}

// changed is a tree with something else in one place.
func changed(rng *rand.Rand, tree any) any {
	others := []any{nil, true, "", "x", "generated", "2026-12-31", "7", json.Number("0"), json.Number("7"), json.Number("-1"), json.Number("99999999"), strings.Repeat("long", 200),
		[]any{}, []any{"a", "a"}, []any{"a", "b", "c", "d"}, map[string]any{}, map[string]any{"env": "A"}, map[string]any{"file": "a", "env": "A"}, map[string]any{"store": "a", "path": "b"}}
	other := others[rng.IntN(len(others))]
	switch v := tree.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for key := range v {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		switch n := rng.IntN(12); {
		case len(keys) == 0 || n == 0:
			return other
		case n == 1:
			delete(v, keys[rng.IntN(len(keys))])
		case n == 2:
			v["other"] = other
		default:
			key := keys[rng.IntN(len(keys))]
			v[key] = changed(rng, v[key])
		}
		return v
	case []any:
		switch n := rng.IntN(6); {
		case len(v) == 0 || n == 0:
			return other
		case n == 3:
			return v[1:]
		case n == 1:
			return append(v, v[0])
		case n == 2:
			return append(v, other)
		default:
			at := rng.IntN(len(v))
			v[at] = changed(rng, v[at])
		}
		return v
	}
	return other
}
