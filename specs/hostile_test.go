package specs_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"meshrotate/specs"
)

// TestHostile feeds what strangers and accidents feed. Every case is refused with one clear sentence.
func TestHostile(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for i := 'b'; i < 'k'; i++ {
		bomb += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", i, i, i-1, i-1, i-1, i-1, i-1, i-1, i-1, i-1, i-1)
	}
	for _, c := range []struct {
		reason, data, want string
	}{
		{"10 MB are refused by their size", strings.Repeat("a: b\n", 2_000_000), "larger than 1 MiB"},
		{"10 MB of open brackets too", strings.Repeat("[", 10_000_000), "larger than 1 MiB"},
		{"open brackets within the size", strings.Repeat("[", 1_000_000), "not YAML"},
		{"nested deeper than any document needs", strings.Repeat("[", 500) + strings.Repeat("]", 500), "nested deeper than 32"},
		{"nested mappings", "a:" + strings.Repeat(" {a:", 500) + " b" + strings.Repeat("}", 500), "nested deeper than 32"},
		{"an anchor bomb", bomb, "anchors and aliases are not allowed"},
		{"an alias of nothing, which the parser would quote", "a: *hunter2\n", "anchors and aliases are not allowed"},
		{"an anchor that holds itself", "a: &a [*a]\n", "anchors and aliases are not allowed"},
		{"a merge key", "a: {<<: {b: c}}\n", "merge keys are not allowed"},
		{"a tag", "a: !!binary aGk=\n", "tags are not allowed"},
		{"a tag of a program's own", "a: !ruby/object {}\n", "tags are not allowed"},
		{"two documents", "a: b\n---\na: b\n", "second document"},
		{"a second document that is not YAML", "a: b\n---\n[\n", "not YAML"},
		{"nothing", "", "empty"},
		{"a comment only", "# nothing\n", "empty"},
		{"a byte order mark only", "\xef\xbb\xbf", "empty"},
		{"a document that is null", "---\n", "is empty"},
		{"a scalar", "hello", "must be a mapping"},
		{"a NUL", "a: b\x00c\n", "x.yaml:1:5: a NUL byte"},
		{"UTF-16, as Notepad may save it", "\xff\xfea\x00:\x00", "NUL"},
		{"Latin-1", "a: caf\xe9\n", "x.yaml:1:7: this is not UTF-8"},
		{"a raw control character", "a: \x1b[31m\n", "x.yaml:1:4: a control character (U+001B)"},
		{"an escaped control character", `apiVersion: "\e[31m"`, "control character"},
		{"an escaped control character in a key", `"\e[31m": b`, "control character"},
		{"a text that reads backwards", "name: \"a\u202eb\"\n", "control character"},
		{"the same, written with an escape", `apiVersion: "\u202e"`, "control character"},
		{"a comment that ends at a line separator", "a: # b\u2028 {c: d}\n", "x.yaml:1:7: a new line begins behind this character (U+2028)"},
		{"at a paragraph separator", "a: b\na: # b\u2029 {c: d}\n", "x.yaml:2:7: a new line begins behind this character (U+2029)"},
		{"at a next line", "a: # b\u0085 {c: d}\n", "x.yaml:1:7: a new line begins behind this character (U+0085)"},
		{"at a carriage return", "a: # b\r {c: d}\n", "x.yaml:1:7: a new line begins behind this character (U+000D)"},
		{"at a carriage return before that of a line's end", "a: # b\r\r\n", "x.yaml:1:7: a new line begins behind this character (U+000D)"},
		{"at a carriage return at the end", "a: # b\r", "x.yaml:1:7: a new line begins behind this character (U+000D)"},
		{"a comment that reads backwards", "a: b # \u202ec\n", "x.yaml:1:8: a control character (U+202E)"},
		{"a comment in which the order is isolated", "a: b # \u2066c\n", "x.yaml:1:8: a control character (U+2066)"},
		{"a byte order mark in a comment", "a: b # \ufeffc\n", "x.yaml:1:8: a control character (U+FEFF)"},
		{"a terminal's command in a comment", "a: b # \x1b[2K\n", "x.yaml:1:8: a control character (U+001B)"},
		{"a tab as indentation", "a:\n\tb: c\n", "tabs"},
		{"a directive", "%YAML 9.9\n---\na: b\n", "not YAML"},
		{"JSON is YAML, and still checked", `{"apiVersion": "meshrotate/v1", "kind": "Deployment", "extra": 1}`, "extra: unknown key"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			_, err := testLoader(t).Load("x.yaml", []byte(c.data))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want %q in:\n%.2000v", c.want, err)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a text was repeated: %v", err)
			}
		})
	}
}

// TestManyProblems keeps the answer short whatever was fed, and the way to it: each of these once took minutes, or all
// memory.
func TestManyProblems(t *testing.T) {
	var unique strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&unique, "k%d: {a: [b]}\n", i)
	}
	frame := "apiVersion: meshrotate/v1\nkind: Deployment\nname: x\nsecrets: {}\n"
	for _, c := range []struct {
		reason, data string
		least, most  int
	}{
		{"unknown keys", unique.String(), 100, 100},
		{"one key again and again", "{" + strings.Repeat("a,", 400_000) + "}", 100, 100},
		{"one relay again and again", frame + "hosts: {admin: a, relays: [" + strings.Repeat("r,", 400_000) + "]}", 100, 100},
		{"ranges that stand for more hosts than memory holds", frame + "hosts: {admin: a, relays: [" + strings.Repeat("'r[1..10000]',", 70_000) + "]}", 1, 100},
		{"the same in what is tolerated", frame + "hosts: {admin: a, relays: ['r[1..10000]']}\npolicy: {unreachable: {tolerate: [" + strings.Repeat("'r[1..10000]',", 60_000) + "]}}", 1, 100},
	} {
		t.Run(c.reason, func(t *testing.T) {
			_, err := testLoader(t).Load("x.yaml", []byte(c.data))
			if n := len(specs.Problems(err)); n < c.least || n > c.most {
				t.Errorf("%d problems listed", n)
			}
			if err != nil && c.least == 100 && !strings.Contains(err.Error(), "only the first 100") {
				t.Error("it is not said that there may be more")
			}
		})
	}
}

// TestNoSecretIsRepeated writes a secret by mistake, in every way that we can think of, at every place where the schema
// wants a source. It must be refused, and never repeated: errors end in CI logs and in pull-request comments.
func TestNoSecretIsRepeated(t *testing.T) {
	const canary = "Hunter2Canary"
	ways := map[string]any{
		"a text":                    canary,
		"a list":                    []any{canary},
		"a key of its own":          map[string]any{canary: "x"},
		"a key without a value":     map[string]any{canary: nil},
		"a key with an object":      map[string]any{canary: map[string]any{canary: canary}},
		"beside a right key":        map[string]any{"env": "NAME", canary: canary},
		"an unknown kind of source": map[string]any{"value": canary},
		"a wrong case":              map[string]any{"Env": canary},
		"two sources":               map[string]any{"env": canary, "file": canary},
		"an object as a name":       map[string]any{"env": map[string]any{"x": canary}},
		"a name that is no name":    map[string]any{"env": canary + "!"},
		"lines":                     canary + "\n" + canary,
		"a control character":       canary + "\x1b",
	}
	loader := testLoader(t)
	places := sourcePlaces(t, loader.Schema)
	if len(places) < 8 {
		t.Fatalf("only %d places for sources: %v", len(places), places)
	}
	for _, place := range places {
		for _, way := range slices.Sorted(maps.Keys(ways)) {
			var document any = ways[way]
			for _, key := range slices.Backward(place) {
				if key == "[]" {
					document = []any{document}
				} else {
					document = map[string]any{key: document}
				}
			}
			data, err := json.Marshal(document) // every JSON text is YAML
			if err != nil {
				t.Fatal(err)
			}
			err = refusedWithout(t, loader, place, way, string(data), canary)
			at := strings.ReplaceAll(strings.Join(place, "."), ".[]", "[0]")
			if !slices.ContainsFunc(specs.Problems(err), func(p *specs.Problem) bool { return strings.HasPrefix(p.Path, at) }) {
				t.Errorf("%v: %s: nothing was reported there:\n%v", place, way, err)
			}
		}
		// What only YAML can write: block style, unquoted, odd starts.
		for _, way := range []string{canary, "'" + canary + "'", "*" + canary, "&" + canary + " x", "!" + canary + " x", "|\n" + strings.Repeat(" ", 60) + canary,
			"@" + canary, "%" + canary, "`" + canary, canary + ": x", "{" + canary, "[" + canary, `"\` + canary + `"`, "\t" + canary, "? " + canary, "- " + canary} {
			refusedWithout(t, loader, place, way, block(place, way), canary)
		}
	}
}

func refusedWithout(t *testing.T, loader specs.Loader, place []string, way, document, canary string) error {
	t.Helper()
	_, err := loader.Load("x.yaml", []byte(document))
	if err == nil {
		t.Errorf("%v: %s: accepted", place, way)
	} else if strings.Contains(strings.ToLower(err.Error()), strings.ToLower(canary)) {
		t.Errorf("%v: %s: repeated:\n%v", place, way, err)
	}
	return err
}

// block writes text at a place in block style.
func block(place []string, text string) string {
	var b strings.Builder
	for i, key := range place {
		b.WriteString("\n" + strings.Repeat("  ", i))
		if key == "[]" {
			b.WriteString("-")
		} else {
			b.WriteString(key + ":")
		}
	}
	return b.String() + " " + text + "\n"
}

// sourcePlaces walks the schema for every place where a source may stand.
func sourcePlaces(t *testing.T, schema []byte) [][]string {
	t.Helper()
	var root map[string]any
	if err := json.Unmarshal(schema, &root); err != nil {
		t.Fatal(err)
	}
	var places [][]string
	var walk func(part map[string]any, path []string)
	walk = func(part map[string]any, path []string) {
		if ref, ok := part["$ref"].(string); ok {
			name := strings.TrimPrefix(ref, "#/$defs/")
			if name == "Source" {
				places = append(places, slices.Clone(path))
				return
			}
			part = root["$defs"].(map[string]any)[name].(map[string]any)
		}
		properties, _ := part["properties"].(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(properties)) {
			walk(properties[key].(map[string]any), append(slices.Clone(path), key))
		}
		if items, ok := part["items"].(map[string]any); ok {
			walk(items, append(slices.Clone(path), "[]"))
		}
		if more, ok := part["additionalProperties"].(map[string]any); ok {
			walk(more, append(slices.Clone(path), "somehost"))
		}
	}
	walk(root, nil)
	return places
}

var position = regexp.MustCompile(`^fuzz\.yaml(:\d+:\d+)?: `)

// FuzzLoad: no input panics; what is refused says where; what is accepted keeps what the package promises.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/bad/*.yaml"} {
		for _, file := range glob(f, pattern) {
			f.Add(read(f, file))
		}
	}
	loader := testLoader(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := loader.Load("fuzz.yaml", data)
		if err != nil {
			checkProblems(t, err, strings.Count(string(data), "\n")+strings.Count(string(data), "\r")+2)
			return
		}
		seen := map[string]bool{}
		for _, host := range d.AllHosts() {
			if seen[strings.ToLower(host)] {
				t.Errorf("host %q twice", host)
			}
			seen[strings.ToLower(host)] = true
			address, w := d.WinRMFor(host)
			if w.Transport == "http" && w.Auth != "ntlm" && !specs.Loopback(address) {
				t.Errorf("%s: %s over http", address, w.Auth)
			}
		}
		for key, spec := range d.Secrets {
			if s, ok := spec.(*spareKeySpec); ok && (s.Version == "" || s.From.IsZero()) {
				t.Errorf("%s: no version or no source", key)
			}
		}
	})
}

func checkProblems(t *testing.T, err error, lines int) {
	t.Helper()
	if !utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\x1b\x00\r") {
		t.Errorf("not fit for a terminal: %q", err)
	}
	problems := specs.Problems(err)
	if len(problems) == 0 {
		t.Errorf("no problem in %v", err)
	}
	for _, p := range problems {
		if p.Text == "" || p.Line > lines || !position.MatchString(p.Error()) {
			t.Errorf("not placed: %q", p.Error())
		}
	}
}
