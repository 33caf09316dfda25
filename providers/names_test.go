package providers_test

import (
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// names are how secrets are called. Relays and Admin are parts of the product: whoever stops a service may know them.
var names = regexp.MustCompile(`(?i)licen[cs]e|relay[^a-z0-9]{0,8}key|api[^a-z0-9]{0,2}key|sql[^a-z0-9]{0,2}login|service[^a-z0-9]{0,2}account`)

// theirs are where a secret may be known by its name: its own package, the registry, the world to try it on.
var theirs = []string{"providers/rotations/", "providers/lab/", "providers/licensefile/", "providers/kinds.go"}

// examples are comments that explain something general by a secret that there is. Nothing there acts on it.
var examples = map[string]bool{
	"reconciler/doc.go": true, "reconciler/rotation.go": true, "reconciler/secret/ref.go": true,
	"specs/deployment.go": true, "specs/problem.go": true, "specs/section.go": true,
	"state/ledger.go": true, "state/file/store.go": true,
}

// Nothing general knows a secret by its name: not in code, not in a text, and not in a comment, where the first step to
// code is made.
func TestNobodyKnowsASecretByName(t *testing.T) {
	looked := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(filepath.ToSlash(path), "../")
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || strings.HasSuffix(d.Name(), "test") || path != ".." && strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir // suites of tests name what they try
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		for _, prefix := range theirs {
			if strings.HasPrefix(name, prefix) {
				return nil
			}
		}
		looked++
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, f := range mentions(source) {
			if !f.comment || !examples[name] {
				t.Errorf("%s:%d knows a secret by its name: %s", name, f.line, f.text)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if looked < 100 {
		t.Errorf("only %d files were looked at", looked)
	}
}

// mention is a place that names a secret.
type mention struct {
	line    int
	text    string
	comment bool
}

// mentions are the identifiers, texts and comments of a source file that name a secret. A name that goes over the end of
// a comment's line is one, too.
func mentions(source []byte) []mention {
	var s scanner.Scanner
	f := token.NewFileSet().AddFile("", -1, len(source))
	s.Init(f, source, nil, scanner.ScanComments)
	var all []mention
	var comment string // lines of a comment that follow one another
	var from, to int
	flush := func() {
		if text := names.FindString(comment); text != "" {
			all = append(all, mention{from, strings.Join(strings.Fields(text), " "), true})
		}
		comment = ""
	}
	for {
		pos, tok, text := s.Scan()
		line := f.Line(pos)
		if tok == token.COMMENT && comment != "" && line == to+1 {
			comment, to = comment+"\n"+text, line
			continue
		}
		if tok == token.SEMICOLON && text == "\n" {
			continue // it stands after each line, comment or not
		}
		flush()
		switch tok {
		case token.EOF:
			return all
		case token.COMMENT:
			comment, from, to = text, line, line
		case token.IDENT, token.STRING, token.CHAR:
			if names.MatchString(text) {
				all = append(all, mention{line, text, false})
			}
		}
	}
}

func TestMentions(t *testing.T) {
	for source, want := range map[string]int{
		"package p\n\nvar relayKey = 1\n":                             1,
		"package p\n\nconst s = `secrets.License`\n":                  1,
		"package p\n\n// the relay\n// key is old\nvar x int\n":       1,
		"package p\n\nvar x int // its api key\n":                     1,
		"package p\n\n// a relay's state, and a key beside it\n":      0,
		"package p\n\nvar relays, keys int // of relays; the key\n":   0,
		"package p\n\nvar x int // a licence\nvar y int // API_KEY\n": 2,
	} {
		if got := mentions([]byte(source)); len(got) != want {
			t.Errorf("%q: %+v", source, got)
		}
	}
}
