package cli_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"

	"meshrotate/reconciler"
	"meshrotate/reconciler/cli"
)

// TestDrift writes nothing.
func TestDrift(t *testing.T) {
	d := deploy(t)
	before := tree(t, d.dir)
	d.run(t.Context(), "", "drift").expect(t, 2, "drift: 1 secret not as declared")
	d.w.Down = []string{"relay-2.example"}
	d.run(t.Context(), "", "drift", "--only", "beta").expect(t, 1, "not everything could be looked at", "beta word is unknown")
	d.w.Down = nil
	d.run(t.Context(), "", "drift", "--only", "beta").expect(t, 0, "no drift")
	if after := tree(t, d.dir); after != before {
		t.Errorf("files before:\n%s\nafter:\n%s", before, after)
	}
}

func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil {
			b.WriteString(path + " " + info.ModTime().String() + "\n")
		}
		return err
	}))
	return b.String()
}

// TestUsage explains what was mistyped.
func TestUsage(t *testing.T) {
	d := deploy(t)
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"plam"}, []string{`there is no verb "plam"`, "did you mean `meshrotate plan`?"}},
		{[]string{"plan", "--onyl", "x"}, []string{"unknown flag: --onyl", "did you mean --only?"}},
		{[]string{"plan", "--only", "alpa"}, []string{"no such kind of secret", "did you mean alpha?"}},
		{[]string{"plan", "--host", "relay-3.example"}, []string{"has no such host", "did you mean relay-1.example?"}},
		{[]string{"plan", "-o", "yaml"}, []string{"the formats are text, markdown, json, html"}},
		{[]string{"plan", "prod.yaml"}, []string{"takes no argument", "-f FILE"}},
		{[]string{"apply", "nope.json"}, []string{"the saved plan: open nope.json", "--out plan.json"}},
		{[]string{"plan", "--ref", "main"}, []string{"--ref and --path go with --repo"}},
		{[]string{"plan", "--repo", "."}, []string{"-f and --repo exclude each other"}},
		{[]string{"plan", "--parallel", "-1"}, []string{"--parallel is -1"}},
		{[]string{"plan", "--base", ""}, []string{"--base is empty; nothing was contacted"}},
		{[]string{"apply", "--yes", "--only", ""}, []string{"--only is empty; nothing was contacted"}},
		{[]string{"drift", "--only", "alpha,"}, []string{"--only is empty"}},
		{[]string{"apply", "--operator", " "}, []string{"--operator is empty"}},
		{[]string{"apply", ""}, []string{"`meshrotate apply`: an argument is empty"}},
		{[]string{"history", "--since", "yesterday"}, []string{"neither a span nor a day", "90d"}},
		{[]string{"history", "--since"}, []string{"flag needs an argument"}},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			if c.args[0] == "plam" || c.args[len(c.args)-1] == "--since" { // -f does not fit behind it
				var err bytes.Buffer
				code := cli.Main(t.Context(), c.args, cli.Stdio{Err: &err}, d.app)
				result{code, "", err.String()}.expect(t, 1, c.want...)
				return
			}
			d.run(t.Context(), "", c.args...).expect(t, 1, append(c.want, "hint:")...)
		})
	}
}

// TestHelp demands that every verb teaches: what it does, examples, exit codes where they matter; at 80 columns.
func TestHelp(t *testing.T) {
	for verb, want := range map[string][]string{
		"":         {"Every day:", "Exit codes:", "meshrotate validate"},
		"plan":     {"Examples:", "Exit codes:", "--out"},
		"apply":    {"Examples:", "Exit codes:", "Ctrl-C", "--only"},
		"drift":    {"Examples:", "Exit codes:", "Nothing is written"},
		"status":   {"Examples:", "Exit codes:"},
		"history":  {"Examples:", "--since"},
		"validate": {"Examples:", "Exit codes:"},
		"unlock":   {"Examples:", "--fence"},
		"schema":   {"Examples:", "yaml-language-server"},
		"version":  {"Examples:"},
	} {
		t.Run(verb, func(t *testing.T) {
			var out bytes.Buffer
			args := []string{"--help"}
			if verb != "" {
				args = []string{verb, "--help"}
			}
			code := cli.Main(t.Context(), args, cli.Stdio{Out: &out}, app())
			result{code, out.String(), ""}.expect(t, 0, want...)
			for line := range strings.Lines(out.String()) {
				if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
					t.Errorf("%d columns: %s", n, line)
				}
			}
		})
	}
}

// TestJSON demands JSON of every verb, on standard output and on standard error.
func TestJSON(t *testing.T) {
	d := deploy(t)
	for _, c := range []struct {
		args []string
		code int
		keys []string
	}{
		{[]string{"validate"}, 0, []string{"format", "valid", "secrets"}},
		{[]string{"plan"}, 2, []string{"format", "digest", "changes", "rounds", "seen"}},
		{[]string{"status"}, 2, []string{"format", "secrets", "drifted"}},
		{[]string{"drift"}, 2, []string{"format", "secrets", "drifted"}},
		{[]string{"apply", "--yes"}, 0, []string{"format", "ok", "secrets", "next"}},
		{[]string{"apply", "--yes"}, 0, []string{"format", "ok", "secrets", "next"}}, // nothing to do
		{[]string{"history"}, 0, []string{"format", "rotations"}},
		{[]string{"unlock"}, 0, []string{"locked", "removed"}},
		{[]string{"plan", "--only", "x"}, 1, nil},
	} {
		r := d.run(t.Context(), "", append(c.args, "-o", "json")...)
		r.expect(t, c.code)
		var got map[string]any
		if c.keys != nil {
			if err := json.Unmarshal([]byte(r.out), &got); err != nil {
				t.Fatalf("%v: %v in %s", c.args, err, r.out)
			}
		}
		for _, k := range c.keys {
			if _, ok := got[k]; !ok {
				t.Errorf("%v: %q is missing in %s", c.args, k, r.out)
			}
		}
		for line := range strings.Lines(r.err) {
			if !json.Valid([]byte(line)) {
				t.Errorf("%v: standard error has %q", c.args, line)
			}
		}
	}
}

// TestRevision takes the document from a Git revision, and records the commit.
func TestRevision(t *testing.T) {
	d := deploy(t)
	repo, err := git.PlainInit(d.dir, false)
	must(t, err)
	tree, err := repo.Worktree()
	must(t, err)
	_, err = tree.Add("meshrotate.yaml")
	must(t, err)
	hash, err := tree.Commit("rotate alpha", &git.CommitOptions{Author: &object.Signature{Name: "ada", Email: "ada@contoso.example", When: time.Now()}})
	must(t, err)
	must(t, os.WriteFile(filepath.Join(d.dir, "meshrotate.yaml"), []byte("not committed"), 0o600))
	var out, errs bytes.Buffer
	code := cli.Main(t.Context(), []string{"plan", "--repo", d.dir, "--ref", "HEAD"}, cli.Stdio{Out: &out, Err: &errs}, d.app)
	result{code, out.String(), errs.String()}.expect(t, 2, "contoso-test at "+hash.String()[:7]+" (meshrotate.yaml)",
		"to apply: meshrotate apply --repo "+d.dir+" --ref HEAD")
	code = cli.Main(t.Context(), []string{"plan", "--repo", d.dir, "--ref", "nope"}, cli.Stdio{Out: &out, Err: &errs}, d.app)
	result{code, "", errs.String()}.expect(t, 1, "nope", "hint:")
}

// TestDigestStable demands that looking twice plans the same.
func TestDigestStable(t *testing.T) {
	d := deploy(t)
	digest := func() string {
		var p struct{ Digest string }
		must(t, json.Unmarshal([]byte(d.run(t.Context(), "", "plan", "-o", "json").out), &p))
		return p.Digest
	}
	if a, b := digest(), digest(); a != b || a == "" {
		t.Errorf("%q, %q", a, b)
	}
}

// BenchmarkHelp and BenchmarkValidate are what a person waits for before anything is contacted.
func BenchmarkHelp(b *testing.B) {
	for b.Loop() {
		cli.Main(b.Context(), []string{"--help"}, cli.Stdio{}, app())
	}
}

func BenchmarkValidate(b *testing.B) {
	name := filepath.Join(b.TempDir(), "m.yaml")
	if err := os.WriteFile(name, []byte(document), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if code := cli.Main(b.Context(), []string{"validate", "-f", name}, cli.Stdio{}, app()); code != 0 {
			b.Fatal(code)
		}
	}
}

var _ reconciler.Site = (*world)(nil)

// What a run left down on a host that the document does not name any more is down, rotation after rotation, until somebody says otherwise.
func TestDownElsewhere(t *testing.T) {
	d := deploy(t)
	leftDown(t, filepath.Join(d.dir, ".meshrotate"), "contoso-test")
	const says = "a run has left Agent down on 2026-11-26 14:15:33 UTC, and the document does not name this host any more"
	for verb, code := range map[string]int{"plan": 2, "drift": 2} {
		d.run(t.Context(), "", verb).expect(t, code, "relay-9.example: "+says, "[down-elsewhere]", "`meshrotate apply --confirm relay-9.example`")
	}
	for range 2 { // the first one rotates, the second has nothing to do
		d.run(t.Context(), "", "apply", "--yes").expect(t, 3, "may be DOWN relay-9.example (Agent), since 2026-11-26 14:15:33 UTC", says)
	}
	for _, verb := range []string{"plan", "status", "drift"} { // nothing is to be done, and it is down all the same
		d.run(t.Context(), "", verb).expect(t, 3, "[down-elsewhere]", "may be DOWN", "relay-9.example (Agent), since 2026-11-26 14:15:33 UTC")
	}
	d.run(t.Context(), "", "apply", "--yes", "--confirm", "relay-8.example").expect(t, 3, "relay-8.example", "nothing was changed")
	d.run(t.Context(), "", "apply", "--yes", "--confirm", "relay-9.example").expect(t, 0)
	must(t, os.WriteFile(filepath.Join(d.dir, "meshrotate.yaml"), []byte(strings.Replace(document, `"7"`, `"8"`, 1)), 0o600))
	d.run(t.Context(), "", "apply", "--yes").expect(t, 0)
	if r := d.run(t.Context(), "", "drift"); r.code != 0 || strings.Contains(r.out, "relay-9") {
		t.Errorf("exit code %d: %s", r.code, r.out)
	}
}
