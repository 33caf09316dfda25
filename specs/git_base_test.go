package specs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"

	"meshrotate/specs"
	"meshrotate/specs/gittest"
)

// TestExactly: a name of what is trusted means one thing, or nothing.
func TestExactly(t *testing.T) {
	h := newHistory(t)
	h.set(t, "refs/remotes/origin/main", h.first)
	h.set(t, "refs/remotes/origin/twice", h.first)
	h.set(t, "refs/tags/origin/twice", h.second)
	for _, c := range []struct{ ref, commit, says string }{
		{"main", h.second, ""},
		{"refs/heads/main", h.second, ""},
		{"HEAD", h.second, ""},
		{"origin/main", h.first, ""},
		{"v1", h.first, ""}, // an annotated tag
		{h.first, h.first, ""},
		{"origin/twice", "", "this may be refs/tags/origin/twice or refs/remotes/origin/twice"},
		{"refs/remotes/origin/twice", h.first, ""},
		{h.first[:12], "", "no such branch, tag or full commit hash"},
		{"main~1", "", "no such"},
		{"main^{/commit}", "", "no such"},
		{":/commit", "", "no such"},
		{"@{1}", "", "no such"},
		{"", "", "no such"},
		{"config", "", "no such"},
		{"../../etc/passwd", "", "no such"},
		{"--upload-pack=x", "", "no such"},
	} {
		commit, err := specs.Git{Repo: h.dir, Ref: c.ref, Exact: true}.Commit(t.Context())
		switch {
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%q: %v, want %q", c.ref, err, c.says)
		case c.says == "" && (err != nil || commit.Hash.String() != c.commit):
			t.Errorf("%q: %v, %v", c.ref, commit, err)
		}
	}
}

// TestDefaultBranch: nobody's guess may be another's branch.
func TestDefaultBranch(t *testing.T) {
	h := newHistory(t)
	expect := func(reason, name string) {
		t.Helper()
		got, err := specs.Git{Repo: h.dir}.DefaultBranch()
		if got != name || (err == nil) != (name != "") {
			t.Errorf("%s: %q, %v", reason, got, err)
		}
	}
	expect("no remote", "refs/heads/main")
	if _, err := h.repo.CreateRemote(&config.RemoteConfig{Name: "origin", URLs: []string{"https://git.contoso.example/im.git"}}); err != nil {
		t.Fatal(err)
	}
	expect("a remote of which a single commit was fetched", "")
	if err := h.repo.DeleteRemote("origin"); err != nil {
		t.Fatal(err)
	}
	h.set(t, "refs/remotes/origin/main", h.first)
	expect("a clone that does not say", "")
	if err := h.repo.Storer.SetReference(plumbing.NewSymbolicReference("refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")); err != nil {
		t.Fatal(err)
	}
	expect("a clone that says", "refs/remotes/origin/trunk")
	if name, err := (specs.Git{Repo: "https://git.contoso.example/im.git"}).DefaultBranch(); name != "HEAD" || err != nil {
		t.Errorf("elsewhere: %q, %v", name, err)
	}
}

// TestDefaultBranchOfABareOne: whoever may push a branch may call it main; none can push another HEAD.
func TestDefaultBranchOfABareOne(t *testing.T) {
	h := newHistory(t)
	config, err := h.repo.Config()
	if err != nil {
		t.Fatal(err)
	}
	config.Core.IsBare = true
	if err := h.repo.SetConfig(config); err != nil {
		t.Fatal(err)
	}
	h.set(t, "refs/heads/trunk", h.first)
	for _, name := range []plumbing.ReferenceName{"refs/heads/trunk", "refs/heads/main"} {
		if err := h.repo.Storer.SetReference(plumbing.NewSymbolicReference(plumbing.HEAD, name)); err != nil {
			t.Fatal(err)
		}
		if got, err := (specs.Git{Repo: filepath.Join(h.dir, ".git")}).DefaultBranch(); got != name.String() || err != nil {
			t.Errorf("HEAD is %s: %q, %v", name, got, err)
		}
	}
	h.set(t, "refs/heads/master", h.first)
	config.Core.IsBare = false
	if err := h.repo.SetConfig(config); err != nil {
		t.Fatal(err)
	}
	if got, err := (specs.Git{Repo: h.dir}).DefaultBranch(); err == nil {
		t.Errorf("main and master: %q", got)
	}
}

// TestLinkedWorkTree: what `git worktree add` makes is a work tree of the repository itself.
func TestLinkedWorkTree(t *testing.T) {
	program, h := gittest.Program(t), newHistory(t)
	linked := filepath.Join(t.TempDir(), "linked")
	cmd := exec.Command(program, "worktree", "add", "-q", "-b", "request", linked)
	cmd.Dir = h.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w, err := specs.FindWorkTree(filepath.Join(linked, "deployments", "contoso.yaml"))
	if err != nil || w.Root != linked || w.Path != "deployments/contoso.yaml" {
		t.Fatalf("%+v, %v", w, err)
	}
	commit, err := specs.Git{Repo: w.Root, Ref: "main", Exact: true}.Commit(t.Context())
	if err != nil || commit.Hash.String() != h.second {
		t.Errorf("%v, %v", commit, err)
	}
	state := filepath.Join(linked, "state")
	if committed, err := w.Committed(state); committed || err != nil {
		t.Errorf("a new folder: %v, %v", committed, err)
	}
	if committed, err := w.Committed(filepath.Join(linked, "deployments")); !committed || err != nil {
		t.Errorf("a committed folder: %v, %v", committed, err)
	}
	if err := os.Symlink(t.TempDir(), state); err == nil {
		if committed, err := w.Committed(state); !committed && err == nil {
			t.Error("a link was taken for a folder")
		}
	}
}
