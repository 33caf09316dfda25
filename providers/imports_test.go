package providers_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestWhoMayImportWhom holds the layers apart: the engine knows nothing of hosts, a rotation nothing of transports or of
// other rotations, and nobody but the program itself, and tests, knows the lab.
func TestWhoMayImportWhom(t *testing.T) {
	list := exec.Command("go", "list", "-json=Name,ImportPath,Imports", "meshrotate/...")
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	// allowed are the project's packages that a package may import, by prefix, longest first. What is not named may not
	// import any.
	under := func(p string, roots ...string) bool {
		return slices.ContainsFunc(roots, func(r string) bool { return p == r || strings.HasPrefix(p, r+"/") })
	}
	rules := []struct {
		who, reason string
		may         func(from, p string) bool
	}{
		{"reconciler/secret", "the standard library only", func(_, _ string) bool { return false }},
		{"reconciler", "the engine knows no provider", func(_, p string) bool { return under(p, "reconciler", "specs", "state") }},
		{"providers/rotations", "rotations know neither one another nor a transport nor the lab", func(from, p string) bool {
			return p == "reconciler" || p == "reconciler/secret" || under(p, "providers/site", "providers/licensefile", "specs") || p == "state"
		}},
		{"providers/site", "the vocabulary of rotations", func(_, p string) bool {
			return p == "reconciler" || p == "reconciler/secret" || p == "state"
		}},
		{"specs", "the document knows no provider and no engine", func(_, p string) bool { return under(p, "specs", "reconciler/secret") }},
		{"state", "the ledger knows nothing secret", func(_, p string) bool { return under(p, "state", "reconciler/secret") }},
		{"providers/mssql", "a client of SQL Server: it knows no target, no rotation and no host", func(_, p string) bool {
			return under(p, "providers/mssql", "providers/limits", "reconciler/secret")
		}},
		{"providers/lab/direct", "a client's end without a wire: it fails as the client for the wire does", func(_, p string) bool {
			return under(p, "providers/lab/wsman", "providers/winhost", "providers/winrm")
		}},
		{"providers/lab", "the lab is a world, not a part of the engine", func(_, p string) bool {
			return !under(p, "providers/live", "providers/rotations", "providers/winrm") && p != "providers"
		}},
		{"providers", "nothing that runs against real hosts needs the lab", func(_, p string) bool { return !under(p, "providers/lab", "reconciler/cli") }},
	}
	packages := 0
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			Name, ImportPath string
			Imports          []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages++
		from := strings.TrimPrefix(p.ImportPath, "meshrotate/")
		i := slices.IndexFunc(rules, func(r struct {
			who, reason string
			may         func(from, p string) bool
		}) bool {
			return under(from, r.who)
		})
		if i < 0 || p.Name == "main" {
			continue
		}
		for _, imported := range p.Imports {
			to, ours := strings.CutPrefix(imported, "meshrotate/")
			if ours && !rules[i].may(from, to) {
				t.Errorf("%s imports %s: %s", from, to, rules[i].reason)
			}
			if from == "reconciler/secret" && strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
				t.Errorf("%s imports %s: %s", from, imported, rules[i].reason)
			}
		}
	}
	if packages < 10 {
		t.Errorf("only %d packages were looked at", packages)
	}
}
