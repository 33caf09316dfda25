package labcli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// TestRequestIsMerged walks the whole way of a pull request: planned against the branch that it is for, merged, applied as it
// was reviewed. A request that also brings a relay is planned without it, and applied by nobody.
func TestRequestIsMerged(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	repo, tree, commit := w.repository()
	file := filepath.Join(w.dir, "meshrotate.yaml")
	agreed, err := os.ReadFile(file)
	must(t, err)
	commit(strings.Replace(string(agreed), "version: 7", "version: 6", 1))
	must(t, tree.Checkout(&git.CheckoutOptions{Branch: "refs/heads/request", Create: true}))

	commit(strings.Replace(string(agreed), "relays: [", "relays: [localhost, ", 1))
	w.run(1, "plan", "--base", "main").says(t, "hosts.relays is new, not contacted: localhost", "relay key", "→ 7")
	w.run(1, "plan", "--base", "main", "-o", "markdown").says(t, "- **error** hosts.relays is new, not contacted: localhost")
	w.run(1, "apply", "--yes", "--base", "main").says(t, "nothing was changed: hosts.relays is new, not contacted: localhost")

	request := commit(string(agreed))
	w.run(2, "plan", "--base", "main", "--out", "plan.json").says(t, "contacts, credentials, programs and state are those of main at ",
		"apply exactly this: meshrotate apply --base main plan.json")
	must(t, repo.Storer.SetReference(plumbing.NewHashReference("refs/heads/main", request)))
	w.run(1, "apply", "plan.json").says(t, "this apply would believe the document")
	w.run(0, "apply", "plan.json", "--base", "main")
	w.run(0, "plan", "--base", "main")
}

// TestARequestsFiles: what a request changes in a file that is trusted was not read when its plan was made. Once it is merged it would be.
func TestARequestsFiles(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	repo, tree, commit := w.repository()
	agreed, err := os.ReadFile(filepath.Join(w.dir, "meshrotate.yaml"))
	must(t, err)
	commit(strings.Replace(string(agreed), "version: 7", "version: 6", 1))
	must(t, tree.Checkout(&git.CheckoutOptions{Branch: "refs/heads/request", Create: true}))
	key := filepath.Join(w.dir, "keys", "license-vendor.pem")
	pem, err := os.ReadFile(key)
	must(t, err)
	must(t, os.WriteFile(key, append(pem, '\n'), 0o600))
	request := commit(string(agreed))
	w.run(1, "plan", "--base", "main", "--out", "plan.json").says(t, "keys/license-vendor.pem is changed, and not read")
	must(t, repo.Storer.SetReference(plumbing.NewHashReference("refs/heads/main", request)))
	w.run(1, "apply", "plan.json", "--base", "main").says(t, "or a file that it names, has changed", "no longer so: ", "keys/license-vendor.pem is changed, and not read", "nothing was contacted or changed")
	w.run(2, "plan", "--base", "main", "--out", "plan.json")
	w.run(0, "apply", "plan.json", "--base", "main")
}

// TestRequestInAClone: who checks a request out and plans it has not agreed to whom it contacts. The clone knows the branch that it is for.
func TestRequestInAClone(t *testing.T) {
	t.Parallel()
	w := startWorld(t)
	repo, _, commit := w.repository()
	file := filepath.Join(w.dir, "meshrotate.yaml")
	agreed, err := os.ReadFile(file)
	must(t, err)
	must(t, repo.Storer.SetReference(plumbing.NewHashReference("refs/remotes/origin/trunk", commit(string(agreed)))))
	must(t, repo.Storer.SetReference(plumbing.NewSymbolicReference("refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")))
	evil := strings.Replace(string(agreed), "relays: [", "relays: [localhost, ", 1)
	commit(evil)
	for _, verb := range [][]string{{"plan"}, {"apply", "--yes"}, {"rotate", "--compromised", "relaykey", "leaked", "--yes"}} {
		w.run(1, verb...).says(t, "hosts.relays is new, not contacted: localhost", "`--base HEAD` believes the")
	}
	w.run(2, "drift").says(t, "hosts.relays is new, not contacted: localhost")
	w.run(1, "plan", "--base", "HEAD").says(t, "1 relay cannot be reached")
	must(t, os.WriteFile(file, []byte(evil+"# whoever wrote it\n"), 0o600))
	w.run(1, "plan").says(t, "hosts.relays is new, not contacted: localhost")
	merged := commit(string(agreed))
	w.run(2, "plan").says(t, "contacts, credentials, programs and state are those of refs/remotes/origin/trunk at ")
	must(t, repo.Storer.SetReference(plumbing.NewHashReference("refs/remotes/origin/trunk", merged)))
	must(t, os.WriteFile(file, []byte(evil+"# my own\n"), 0o600)) // what somebody has written beside what is merged is their own
	w.run(1, "plan").says(t, "everything in", "1 relay cannot be reached")
	must(t, os.WriteFile(file, agreed, 0o600))
	must(t, repo.Storer.RemoveReference("refs/remotes/origin/trunk"))
	w.run(1, "plan").says(t, "does not say which branch of its remote is the default one", "nothing was contacted", "git remote set-head origin --auto")
	w.run(0, "apply", "--yes", "--base", "HEAD")
}

// repository makes one of the lab's folder. Commit writes the document and commits it with what it refers to.
func (w *world) repository() (repo *git.Repository, tree *git.Worktree, commit func(text string) plumbing.Hash) {
	w.t.Helper()
	repo, err := git.PlainInitWithOptions(w.dir, &git.PlainInitOptions{InitOptions: git.InitOptions{DefaultBranch: "refs/heads/main"}})
	must(w.t, err)
	tree, err = repo.Worktree()
	must(w.t, err)
	return repo, tree, func(text string) plumbing.Hash {
		w.t.Helper()
		must(w.t, os.WriteFile(filepath.Join(w.dir, "meshrotate.yaml"), []byte(text), 0o600))
		for _, name := range []string{"meshrotate.yaml", "licenses", "keys"} {
			_, err := tree.Add(name)
			must(w.t, err)
		}
		who := &object.Signature{Name: "ada", Email: "ada@example.org", When: time.Now()}
		hash, err := tree.Commit("rotate", &git.CommitOptions{Author: who, Committer: who})
		must(w.t, err)
		return hash
	}
}
