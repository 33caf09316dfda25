package providers_test

import (
	"encoding/json"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"meshrotate/providers"
	"meshrotate/specs/schemagen"
)

// disk is where a program can be put and run: TestMain moves everything else into memory.
var disk = os.TempDir()

// eighth is a program with a further kind of secret.
type eighth struct {
	root, dir string
	// replace is what the go command reads in the place of files of the module.
	replace map[string]string
	section string
}

func newEighth(t *testing.T) *eighth {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(disk, "meshrotate-eighth-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	e := &eighth{root: root, dir: dir, replace: map[string]string{}, section: read(t, "testdata/eighth/section.yaml")}
	for _, name := range []string{"toy.go", "plan.go"} {
		e.replace[filepath.Join(root, "providers", "rotations", "toy", name)] = filepath.Join(root, "providers", "testdata", "eighth", "toy", name)
	}
	kinds := filepath.Join(dir, "kinds.go")
	put(t, kinds, oneMore(t, read(t, "kinds.go")))
	e.replace[filepath.Join(root, "providers", "kinds.go")] = kinds
	return e
}

// oneMore is the registry with one more line, and its import.
func oneMore(t *testing.T, registry string) string {
	t.Helper()
	const list, imports = "return []reconciler.Kind{\n", "import (\n"
	for _, at := range []string{list, imports} {
		if strings.Count(registry, at) != 1 {
			t.Fatalf("kinds.go does not hold %q once", at)
		}
	}
	more := strings.Replace(registry, list, list+"\t\ttoy.Kind(),\n", 1)
	more = strings.Replace(more, imports, imports+"\t\"meshrotate/providers/rotations/toy\"\n", 1)
	formatted, err := format.Source([]byte(more))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(formatted), "\n") - strings.Count(registry, "\n"); n != 2 {
		t.Fatalf("kinds.go has %d more lines", n)
	}
	return string(formatted)
}

// build makes the schema as `go generate ./specs` does, and the program with it.
func (e *eighth) build(t *testing.T) string {
	t.Helper()
	generator := e.goBuild(t, "generate", "meshrotate/specs/schemagen/write")
	// The generator reads doc comments from the module that it is run in. That is a copy of what it reads.
	module := filepath.Join(e.dir, "module")
	for _, pattern := range []string{"go.mod", "specs/*.go", "providers/rotations/*/*.go"} {
		files, err := filepath.Glob(filepath.Join(e.root, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, from := range files {
			name, err := filepath.Rel(e.root, from)
			if err != nil {
				t.Fatal(err)
			}
			put(t, filepath.Join(module, name), read(t, from))
		}
	}
	for to, from := range e.replace {
		name, err := filepath.Rel(e.root, to)
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(module, name), read(t, from))
	}
	cmd := exec.Command(generator)
	cmd.Dir = filepath.Join(module, "specs")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("generate the schema: %v\n%s", err, out)
	}
	schema := filepath.Join(module, "specs", "schema.json")
	wantOneSectionMore(t, read(t, schema))
	e.replace[filepath.Join(e.root, "specs", "schema.json")] = schema
	return e.goBuild(t, "meshrotate", "meshrotate")
}

// goBuild builds a program of the module with what is put in the place of its files.
func (e *eighth) goBuild(t *testing.T, name, what string) string {
	t.Helper()
	overlay, err := json.Marshal(map[string]any{"Replace": e.replace})
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(e.dir, name+".json"), string(overlay))
	program := filepath.Join(e.dir, name)
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	if _, err := os.Stat(filepath.Join(e.root, "main.go")); err != nil { // the go command sees what a test looks at
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-overlay", filepath.Join(e.dir, name+".json"), "-o", program, what)
	cmd.Dir = e.root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", what, err, out)
	}
	return program
}

// wantOneSectionMore demands that a schema is ours but for one section, every part of which is described.
func wantOneSectionMore(t *testing.T, schema string) {
	t.Helper()
	ours, err := schemagen.Generate(providers.Sections())
	if err != nil {
		t.Fatal(err)
	}
	var before, after map[string]any
	if err := json.Unmarshal(ours, &before); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(schema), &after); err != nil {
		t.Fatal(err)
	}
	sections := after["properties"].(map[string]any)["secrets"].(map[string]any)["properties"].(map[string]any)
	toy, _ := sections["toy"].(map[string]any)
	properties, _ := toy["properties"].(map[string]any)
	for _, name := range []string{"version", "from", "every", "setting"} {
		if p, _ := properties[name].(map[string]any); p["description"] == nil {
			t.Errorf("the schema does not describe secrets.toy.%s: %v", name, toy)
		}
	}
	delete(sections, "toy")
	if !reflect.DeepEqual(before, after) {
		t.Error("the schema differs in more than one section")
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "\r\n", "\n") // a checkout on Windows may have made CRLF of it
}

func put(t *testing.T, path, text string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func rewrite(t *testing.T, path, old, changed string) {
	t.Helper()
	text := read(t, path)
	if !strings.Contains(text, old) {
		t.Fatalf("%s does not hold %q:\n%s", filepath.Base(path), old, text)
	}
	put(t, path, strings.Replace(text, old, changed, 1))
}
