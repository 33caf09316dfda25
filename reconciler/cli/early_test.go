package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"meshrotate/reconciler/cli"
	"meshrotate/reconciler/render"
	"meshrotate/specs"
	"meshrotate/state"
	"meshrotate/state/file"
)

// leftDown is an entry of the ledger after which relay-9 is down.
func leftDown(t *testing.T, dir string, deployment string) {
	t.Helper()
	s, err := file.Open(dir)
	must(t, err)
	at := time.Date(2026, 11, 26, 14, 15, 33, 0, time.UTC)
	must(t, s.Append(t.Context(), state.Entry{Time: at, Run: "r-dead", Secret: "alpha", Version: "6", Outcome: state.Started, Deployment: deployment},
		state.Entry{Time: at, Run: "r-dead", Secret: "alpha", Version: "6", Outcome: state.Proven, Left: []string{"relay-9.example"},
			Outages: []state.Outage{{What: "relay-9", Host: "relay-9.example", Service: "Agent", Since: at}}}))
}

// A verb that ends before it looks at anything says what is down by the ledger, whatever its reason, in every format.
func TestEndsEarlyAndSaysWhatIsDown(t *testing.T) {
	write := func(d *deployment, old, new string) {
		_ = os.WriteFile(filepath.Join(d.dir, "meshrotate.yaml"), []byte(strings.Replace(document, old, new, 1)), 0o600)
	}
	said := []string{"by the ledger, for nothing was looked at:", "an earlier run stopped it, or was about to", "may be DOWN relay-9.example (Agent), since 2026-11-26 14:15:33 UTC"}
	verbs := map[string][]string{"plan": {"plan"}, "apply": {"apply", "--yes"}, "drift": {"drift"}, "status": {"status"}, "rotate": {"rotate", "--yes", "--compromised", "alpha", "posted"}}
	for _, c := range []struct {
		name   string
		args   []string // beside the verb's
		change func(t *testing.T, d *deployment)
		text   string // of the error
		silent bool   // where the record is, nobody can know
	}{
		{"a missing password", nil, func(t *testing.T, d *deployment) {
			d.app.Open = func(context.Context, *specs.Deployment, cli.Need) (*cli.Live, error) {
				return nil, errors.New("IM_PASSWORD is not set")
			}
		}, "IM_PASSWORD is not set", false},
		{"a secret of no form", nil, func(t *testing.T, d *deployment) { write(d, `{version: "7"}`, `{version: [7]}`) }, "has 1 problem", false},
		{"a policy of no form", nil, func(t *testing.T, d *deployment) { write(d, "secrets:", "policy: {parallel: many}\nsecrets:") }, "has 1 problem", false},
		{"a base without a repository", []string{"--base", "refs/heads/main"}, func(*testing.T, *deployment) {}, "lies in no Git repository", false},
		{"a base that is not there", []string{"--base", "refs/heads/gone"}, func(t *testing.T, d *deployment) { repository(t, d) }, "gone", false},
		{"a base, and a secret of no form", []string{"--base", "refs/heads/main"}, func(t *testing.T, d *deployment) {
			repository(t, d)
			write(d, `{version: "7"}`, `{version: [7]}`)
		}, "has 1 problem", false},
		{"an operator who allows no host", []string{"--operator", "{}-operator.yaml"}, func(t *testing.T, d *deployment) {
			_ = os.WriteFile(d.dir+"-operator.yaml", []byte("apiVersion: meshrotate/v1\nkind: Operator\ndeployments: [contoso-test]\n"), 0o600)
		}, "is new, not contacted", false},
		{"a request that names a state of its own, without a base", []string{"--base", "refs/heads/gone"}, func(t *testing.T, d *deployment) {
			repository(t, d)
			write(d, "secrets:", "state: {dir: ./.meshrotate}\nsecrets:")
		}, "gone", true},
		{"no YAML", nil, func(t *testing.T, d *deployment) { write(d, "kind:", "\tkind") }, "has 1 problem", true},
		{"a key that may be state", nil, func(t *testing.T, d *deployment) { write(d, "secrets:", "stat: {dir: x}\nsecrets:") }, "has 1 problem", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := deploy(t)
			leftDown(t, filepath.Join(d.dir, ".meshrotate"), "contoso-test")
			c.change(t, d)
			for verb, args := range verbs {
				args := append(args, c.args...)
				r := d.run(t.Context(), "", args...)
				if c.silent {
					if r.expect(t, 1, c.text); strings.Contains(r.err, "DOWN") {
						t.Errorf("%s", r.err)
					}
					continue
				}
				r.expect(t, 3, append(said, c.text)...)
				r = d.run(t.Context(), "", append(args, "-o", "json")...)
				r.expect(t, 3)
				var f render.Failure
				lines := strings.Split(strings.TrimSpace(r.err), "\n")
				must(t, json.Unmarshal([]byte(lines[len(lines)-1]), &f))
				if len(f.Down) != 1 || f.Down[0].Host != "relay-9.example" || f.Down[0].Service != "Agent" || f.Down[0].Since.IsZero() || f.Error == "" {
					t.Errorf("%s: %s", verb, r.err)
				}
				if changes := verb == "apply" || verb == "rotate"; changes {
					var o render.Outcome
					must(t, json.Unmarshal([]byte(r.out), &o))
					if o.OK || len(o.Down) != 1 || o.Deployment != "contoso-test" {
						t.Errorf("%s: %s", verb, r.out)
					}
				}
			}
		})
	}
}

// repository commits the document on a branch main.
func repository(t *testing.T, d *deployment) {
	t.Helper()
	r, err := git.PlainInitWithOptions(d.dir, &git.PlainInitOptions{InitOptions: git.InitOptions{DefaultBranch: plumbing.Main}})
	must(t, err)
	tree, err := r.Worktree()
	must(t, err)
	_, err = tree.Add("meshrotate.yaml")
	must(t, err)
	_, err = tree.Commit("the document", &git.CommitOptions{Author: &object.Signature{Name: "ada", Email: "ada@example", When: time.Now()}})
	must(t, err)
}

// What ends early for other reasons: a plan that cannot be read, nobody to ask, a look that is interrupted. Of a run that is taken for one
// at work it says that it is not known,
// and of another deployment nothing.
func TestEndsEarlyBesideTheDocument(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		of   string
		held time.Duration // how old the heartbeat is of a run that holds the lock, 0: nobody does
		code int
	}{
		{"a plan that is none", []string{"apply", "{}/meshrotate.yaml"}, "contoso-test", 0, 3},
		{"nobody to ask", []string{"apply"}, "contoso-test", 0, 3},
		{"no such kind", []string{"status", "--only", "gamma"}, "contoso-test", 0, 3},
		{"the ledger of another deployment", []string{"plan"}, "another", 0, 1},
		{"a run is at work", []string{"apply", "--yes"}, "contoso-test", time.Nanosecond, 1},
		{"a run is silent, and nobody knows whether it is dead", []string{"apply", "--yes"}, "contoso-test", 20 * time.Second, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := deploy(t)
			leftDown(t, filepath.Join(d.dir, ".meshrotate"), c.of)
			if c.held > 0 {
				s, err := file.Open(filepath.Join(d.dir, ".meshrotate"))
				must(t, err)
				s.Now = func() time.Time { return time.Now().Add(-c.held) }
				lease, err := s.Acquire(t.Context(), state.Holder{Run: "r-dead", By: "bob"})
				must(t, err)
				defer func() { _ = lease.Release(t.Context()) }()
			}
			r := d.run(t.Context(), "", c.args...)
			if said := strings.Contains(strings.Join(strings.Fields(r.err), " "), "whether they are down is not known"); said != (c.held == time.Nanosecond) {
				t.Errorf("what is not known: %s", r.err)
			}
			if r.code != c.code || strings.Contains(r.err, "may be DOWN") != (c.code == 3) {
				t.Errorf("exit code %d: %s", r.code, r.err)
			}
		})
	}
}
