package providers_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/scanner"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"meshrotate/providers"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/session"
)

// emitted are all kinds of finding that the program can find, by what the compiler knows: every constant of the type FindingID
// outside of a Lesson, with the packages that have it. A FindingID that is made of something else while the program runs is an error.
func emitted(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export,Dir,GoFiles", "meshrotate").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	type listed struct {
		ImportPath, Export, Dir string
		GoFiles                 []string
	}
	var ours []listed
	exports := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
		if strings.HasPrefix(p.ImportPath, "meshrotate/") {
			ours = append(ours, p)
		}
	}
	fset := token.NewFileSet()
	from := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	all := map[string][]string{}
	for _, p := range ours {
		var files []*ast.File
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
		if _, err := (&types.Config{Importer: from}).Check(p.ImportPath, fset, files, info); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				e, ok := n.(ast.Expr)
				if !ok {
					return true
				}
				switch tv := info.Types[e]; {
				case isOf(tv.Type, "Lesson") && isLiteral(e):
					return false
				case tv.IsValue() && isOf(tv.Type, "FindingID") && tv.Value != nil:
					if id := constant.StringVal(tv.Value); id != "" {
						all[id] = append(all[id], p.ImportPath)
					}
				case tv.IsValue() && isOf(tv.Type, "FindingID") && converts(info, e):
					t.Errorf("%s: the kind of a finding is made up while the program runs", fset.Position(e.Pos()))
				}
				return true
			})
		}
	}
	return all
}

func isOf(t types.Type, name string) bool {
	named, ok := t.(*types.Named)
	return ok && named.Obj().Name() == name && named.Obj().Pkg() != nil && named.Obj().Pkg().Path() == "meshrotate/reconciler"
}

func isLiteral(e ast.Expr) bool {
	_, ok := e.(*ast.CompositeLit)
	return ok
}

// converts says that an expression makes a value of a type out of another one.
func converts(info *types.Info, e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	return ok && info.Types[call.Fun].IsType()
}

// catalogue are all lessons, by the package that they belong to.
func catalogue() map[string][]reconciler.Lesson {
	all := map[string][]reconciler.Lesson{"meshrotate/reconciler": reconciler.Lessons(), "meshrotate/reconciler/session": session.Lessons(), "meshrotate/providers/site": site.Lessons()}
	for _, k := range providers.Kinds() {
		all["meshrotate/providers/rotations/"+k.Name] = k.Lessons
	}
	return all
}

// Whatever the program can find is explained, once, by whom it belongs to: the package that finds it, or, where several do, the one
// that they all know. What is explained can be found.
func TestEveryFindingIsExplained(t *testing.T) {
	found := emitted(t)
	explained := map[reconciler.FindingID]bool{}
	check := func(where string, lessons []reconciler.Lesson) {
		for _, l := range lessons {
			id := string(l.ID)
			if explained[l.ID] {
				t.Errorf("%s is explained twice", id)
			}
			explained[l.ID] = true
			if l.Means == "" || l.Matters == "" || l.Do == "" || l.Example == "" {
				t.Errorf("%s: the lesson is not whole: %+v", id, l)
			}
			if text := l.Means + l.Matters + l.Do; strings.Count(text, "`")%2 != 0 || len(text) > 900 {
				t.Errorf("%s: %s", id, text)
			}
			from := slices.Compact(slices.Sorted(slices.Values(found[id])))
			switch {
			case len(from) == 0:
				t.Errorf("%s is explained by %s, and nobody finds it", id, where)
			case len(from) == 1 && from[0] != where, len(from) > 1 && where != "meshrotate/providers/site":
				t.Errorf("%s is explained by %s, and found by %v", id, where, from)
			}
		}
	}
	for where, lessons := range catalogue() {
		check(where, lessons)
	}
	for id, from := range found {
		if !explained[reconciler.FindingID(id)] {
			t.Errorf("%s, which %v finds, is not explained", id, from)
		}
	}
}

// Whatever the program can find is found in some test, which names it in a text of its own or in what it compares with: what no test
// names may be lost, or refuse no more, and nobody is told. Of whatever is refused in a world, its process demands that no service stops.
func TestEveryFindingIsFoundInATest(t *testing.T) {
	named := map[string]bool{}
	word := regexp.MustCompile(`[a-z0-9]+(-[a-z0-9]+)*`)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		slashed := filepath.ToSlash(path)
		golden := strings.Contains(slashed, "/testdata/") || strings.HasPrefix(slashed, "../examples/")
		if !golden && !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		texts := []string{string(content)}
		if strings.HasSuffix(path, "_test.go") {
			texts = literals(content)
		}
		for _, text := range texts {
			for _, w := range word.FindAllString(text, -1) {
				named[w] = true
			}
		}
		return nil
	})
	if err != nil || len(named) < 1000 {
		t.Fatalf("%d words: %v", len(named), err)
	}
	for where, lessons := range catalogue() {
		for _, l := range lessons {
			if !named[string(l.ID)] {
				t.Errorf("%s, of %s, is in no test", l.ID, where)
			}
		}
	}
}

// literals are the texts in a Go file.
func literals(source []byte) (all []string) {
	var s scanner.Scanner
	s.Init(token.NewFileSet().AddFile("", -1, len(source)), source, nil, 0)
	for {
		_, t, text := s.Scan()
		switch t {
		case token.EOF:
			return all
		case token.STRING:
			all = append(all, text)
		}
	}
}
