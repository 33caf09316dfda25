package labcli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"meshrotate/specs/gittest"
)

// TestARequestInClonesThatPeopleHave: in whatever form Git has checked a request out, nobody has agreed to it.
func TestARequestInClonesThatPeopleHave(t *testing.T) {
	t.Parallel()
	git := gittest.Program(t)
	const asked = "new, not contacted"
	for _, c := range []struct {
		name, says string
		clone      []string   // what `git clone` is told
		then       [][]string // and git in the clone
	}{
		{name: "sparse", says: asked, clone: []string{"--sparse"}, then: [][]string{{"sparse-checkout", "set", "deployments"}, {"checkout", "request"}}},
		{name: "partial", says: asked, clone: []string{"--filter=blob:none"}, then: [][]string{{"checkout", "request"}}},
		{name: "with the objects of another", says: asked, clone: []string{"--reference=ORIGIN"}, then: [][]string{{"checkout", "request"}}},
		{name: "a branch without a commit", says: asked, then: [][]string{{"checkout", "--orphan", "mine", "origin/request"}}},
		{name: "a work tree of its own", says: asked, then: [][]string{{"worktree", "add", "there", "request"}}},
		{name: "a sparse work tree of its own", says: asked, clone: []string{"--sparse"}, then: [][]string{{"sparse-checkout", "set", "deployments"}, {"worktree", "add", "there", "request"}}},
		{name: "a repository that lies elsewhere", says: asked, clone: []string{"--separate-git-dir=../elsewhere.git"}, then: [][]string{{"checkout", "request"}}},
		{name: "a file over the default branch", says: asked, then: [][]string{{"checkout", "origin/request", "--", "deployments"}}},
		{name: "a file over it that the index does not have", says: asked, then: [][]string{{"restore", "--source=origin/request", "deployments"}}},
		{name: "a branch that was set back", says: asked, then: [][]string{{"checkout", "request"}, {"reset", "main"}, {"symbolic-ref", "HEAD", "refs/heads/main"}}},
		{name: "a merge that is not committed", says: asked, then: [][]string{{"merge", "--no-commit", "--no-ff", "origin/request"}}},
		{name: "of a remote that is called otherwise", says: asked, clone: []string{"-o upstream"}, then: [][]string{{"checkout", "request"}}},
		{name: "a pipeline's", says: "does not say which branch of its remote is the default one", then: [][]string{{"remote", "set-head", "origin", "-d"}, {"checkout", "request"}}},
		{name: "one branch alone", says: "does not say which branch of its remote is the default one", clone: []string{"--depth=1", "--branch=request"}},
		{name: "fetched from an address", says: "does not say which branch of its remote is the default one", then: [][]string{{"remote", "remove", "origin"}, {"fetch", "file://ORIGIN", "request"}, {"checkout", "FETCH_HEAD"}}},
		{name: "a split index", says: "git's index of the work tree cannot be read", then: [][]string{{"checkout", "request"}, {"update-index", "--split-index"}}},
		{name: "a sparse index", says: "git's index of the work tree cannot be read", clone: []string{"--sparse"},
			then: [][]string{{"sparse-checkout", "init", "--cone", "--sparse-index"}, {"sparse-checkout", "set", "deployments"}, {"checkout", "request"}}},
		{name: "a form that is not known", says: "unknown extension", then: [][]string{{"checkout", "request"}, {"config", "core.repositoryformatversion", "1"}, {"config", "extensions.refStorage", "reftable"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHostile(t)
			h.commit("other/file", "of the repository\n")
			h.request()
			h.commit("deployments/contoso.yaml", hostileDocument)
			at := filepath.Join(t.TempDir(), "clone")
			run := func(dir string, args ...string) {
				t.Helper()
				cmd := exec.Command(git, args...)
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=ada", "GIT_AUTHOR_EMAIL=ada@example.org", "GIT_COMMITTER_NAME=ada", "GIT_COMMITTER_EMAIL=ada@example.org")
				if said, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("git %v: %v\n%s", args, err, said)
				}
			}
			run(h.dir, "config", "uploadpack.allowFilter", "true")
			run(h.dir, "symbolic-ref", "HEAD", "refs/heads/main")
			for i := range c.then {
				for j := range c.then[i] {
					c.then[i][j] = strings.ReplaceAll(c.then[i][j], "ORIGIN", h.dir)
				}
			}
			run(filepath.Dir(at), strings.Fields(strings.ReplaceAll("clone -q "+strings.Join(c.clone, " ")+" file://ORIGIN "+at, "ORIGIN", h.dir))...)
			for _, args := range c.then {
				run(at, args...)
			}
			h.dir = at
			if _, err := os.Stat(filepath.Join(at, "there", ".git")); err == nil {
				h.dir = filepath.Join(at, "there")
			}
			for _, verb := range [][]string{{"plan"}, {"apply", "--yes"}, {"drift"}, {"rotate", "--compromised", "relaykey", "why", "--yes"}} {
				h.refuses(c.says, append(verb, "-f", "deployments/contoso.yaml")...)
			}
			for _, verb := range []string{"status", "history", "values"} {
				h.quiet(verb, "-f", "deployments/contoso.yaml")
			}
			if c.says == asked {
				h.refuses(asked, "plan", "-f", "deployments/contoso.yaml", "--base", map[bool]string{true: "refs/remotes/upstream/main", false: "refs/remotes/origin/main"}[len(c.clone) == 1 && c.clone[0] == "-o upstream"])
			}
		})
	}
}

// TestACloneOfOnesOwn: what is agreed to, and what somebody writes over it, is believed in a sparse clone, too.
func TestACloneOfOnesOwn(t *testing.T) {
	t.Parallel()
	git := gittest.Program(t)
	h := newHostile(t)
	at := filepath.Join(t.TempDir(), "clone")
	if said, err := exec.Command(git, "clone", "-q", "--sparse", "file://"+h.dir, at).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if said, err := exec.Command(git, "-C", at, "sparse-checkout", "set", "deployments").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	h.dir = at
	for _, written := range []bool{false, true} {
		if written {
			must(t, os.WriteFile(filepath.Join(at, "deployments", "contoso.yaml"), []byte(h.words.Replace(strings.Replace(agreedDocument, "version: 7", "version: 8", 1))), 0o600))
		}
		h.met.Store(0)
		if _, said := h.run("plan", "-f", "deployments/contoso.yaml"); h.met.Load() == 0 || !strings.Contains(said, "everything in deployments/contoso.yaml is trusted") {
			t.Errorf("%d contacts:\n%s", h.met.Load(), said)
		}
	}
}

// TestLinksOfARequest: a request's document may be a link that leads out of the checkout, to what its author has put there.
func TestLinksOfARequest(t *testing.T) {
	t.Parallel()
	git := gittest.Program(t)
	for _, name := range []string{"contoso.yaml", "deployments/contoso.yaml", "deployments"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHostile(t)
			out := newHostile(t) // a checkout of its own, where nothing else is checked out
			out.commit("deployments/contoso.yaml", h.words.Replace(hostileDocument))
			run := func(args ...string) {
				t.Helper()
				if said, err := exec.Command(git, append([]string{"-C", h.dir, "-c", "user.name=ada", "-c", "user.email=ada@example.org"}, args...)...).CombinedOutput(); err != nil {
					t.Fatalf("git %v: %v\n%s", args, err, said)
				}
			}
			run("update-ref", "refs/remotes/origin/main", "main")
			run("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
			h.request()
			must(t, os.RemoveAll(filepath.Join(h.dir, filepath.FromSlash(name))))
			to := filepath.Join(out.dir, "deployments")
			if strings.HasSuffix(name, ".yaml") {
				to = filepath.Join(to, "contoso.yaml")
			}
			h.link(name, to)
			run("add", "-A")
			run("commit", "-q", "-m", "link")
			file := name
			if !strings.HasSuffix(name, ".yaml") {
				file += "/contoso.yaml"
			}
			for _, verb := range []string{"plan", "drift"} {
				h.refuses("is a symbolic link", verb, "-f", file)
			}
			beside := filepath.Join(t.TempDir(), "beside.yaml") // and one that leads in
			must(t, os.Symlink(filepath.Join(h.dir, "hostile.yaml"), beside))
			h.commit("hostile.yaml", hostileDocument)
			h.refuses("name the file itself", "plan", "-f", beside)
			own := filepath.Join(h.dir, "own.yaml") // what Git does not know is nobody's request
			must(t, os.WriteFile(own, []byte(h.words.Replace(agreedDocument)), 0o600))
			if _, said := h.run("plan", "-f", own); h.met.Load() == 0 || !strings.Contains(said, "is trusted") {
				t.Errorf("%d contacts:\n%s", h.met.Load(), said)
			}
		})
	}
}
