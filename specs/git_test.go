package specs_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"meshrotate/reconciler/secret"
	"meshrotate/specs"
)

const gitDocument = `apiVersion: meshrotate/v1
kind: Deployment
name: contoso
hosts: {admin: im-admin, relays: [relay-1]}
secrets:
  voucher: {version: VERSION, customer: Contoso, from: {file: vouchers/one.key}}
`

// history is a repository with two commits: version 1 with a voucher, tagged v1, then version 2.
type history struct {
	dir           string
	repo          *git.Repository
	first, second string
}

func newHistory(t *testing.T) *history {
	t.Helper()
	h := &history{dir: t.TempDir()}
	var err error
	if h.repo, err = git.PlainInitWithOptions(h.dir, &git.PlainInitOptions{InitOptions: git.InitOptions{DefaultBranch: "refs/heads/main"}}); err != nil {
		t.Fatal(err)
	}
	h.first = h.commit(t, map[string]string{
		"deployments/contoso.yaml":     strings.Replace(gitDocument, "VERSION", "1", 1),
		"deployments/vouchers/one.key": "first",
		"outside.key":                  "outside",
		"deployments/bad.yaml":         "apiVersion: meshrotate/v9\n",
		"deployments/windows.yaml":     strings.ReplaceAll(strings.Replace(gitDocument, "VERSION", "1", 1), "\n", "\r\n"),
	})
	at := &object.Signature{Name: "test", Email: "test@contoso.example", When: time.Unix(1, 0)}
	if _, err := h.repo.CreateTag("v1", plumbing.NewHash(h.first), &git.CreateTagOptions{Tagger: at, Message: "annotated"}); err != nil {
		t.Fatal(err)
	}
	h.second = h.commit(t, map[string]string{
		"deployments/contoso.yaml":     strings.Replace(gitDocument, "VERSION", "2", 1),
		"deployments/vouchers/one.key": "second",
	})
	return h
}

func (h *history) commit(t *testing.T, files map[string]string) string {
	t.Helper()
	tree, err := h.repo.Worktree()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		full := filepath.Join(h.dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := tree.Add(name); err != nil {
			t.Fatal(err)
		}
	}
	at := &object.Signature{Name: "test", Email: "test@contoso.example", When: time.Unix(1, 0)}
	hash, err := tree.Commit("commit", &git.CommitOptions{Author: at})
	if err != nil {
		t.Fatal(err)
	}
	return hash.String()
}

func (h *history) set(t *testing.T, name, hash string) {
	t.Helper()
	ref := plumbing.NewHashReference(plumbing.ReferenceName(name), plumbing.NewHash(hash))
	if err := h.repo.Storer.SetReference(ref); err != nil {
		t.Fatal(err)
	}
}

// wantRevision checks that a document and the file it refers to are of the same commit.
func wantRevision(t *testing.T, d *specs.Deployment, err error, commit, voucher string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if d.Origin.Commit != commit || d.Origin.File != "deployments/contoso.yaml" || d.Origin.Dir != "" {
		t.Errorf("origin is %+v, want commit %s", d.Origin, commit)
	}
	data, err := d.Origin.ReadFile("vouchers/one.key")
	if err != nil || string(data) != voucher {
		t.Errorf("the voucher is %q, %v; want %q", data, err, voucher)
	}
}

func TestLoadGitLocal(t *testing.T) {
	h := newHistory(t)
	for _, c := range []struct {
		reason, repo, ref, commit, voucher string
	}{
		{"HEAD without a name", h.dir, "", h.second, "second"},
		{"a branch", h.dir, "main", h.second, "second"},
		{"a branch in full", h.dir, "refs/heads/main", h.second, "second"},
		{"an annotated tag", h.dir, "v1", h.first, "first"},
		{"a full hash", h.dir, h.first, h.first, "first"},
		{"a short hash", h.dir, h.first[:10], h.first, "first"},
		{"a parent", h.dir, "HEAD~1", h.first, "first"},
		{"a URL of a folder", "file://" + h.dir, "v1", h.first, "first"},
		{"a folder inside the work tree", filepath.Join(h.dir, "deployments"), "main", h.second, "second"},
		{"the .git folder itself, as a bare repository is", filepath.Join(h.dir, ".git"), "v1", h.first, "first"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			d, err := testLoader(t).LoadGit(t.Context(), specs.Git{Repo: c.repo, Ref: c.ref, Path: "deployments/contoso.yaml"})
			wantRevision(t, d, err, c.commit, c.voucher)
		})
	}
	t.Run("what is not committed is not read", func(t *testing.T) {
		if err := os.WriteFile(filepath.Join(h.dir, "deployments/contoso.yaml"), []byte("dirty"), 0o644); err != nil {
			t.Fatal(err)
		}
		d, err := testLoader(t).LoadGit(t.Context(), specs.Git{Repo: h.dir, Path: "./deployments/contoso.yaml"})
		wantRevision(t, d, err, h.second, "second")
	})
}

func TestLoadGitRefuses(t *testing.T) {
	h := newHistory(t)
	link := filepath.Join(h.dir, "link.yaml")
	if err := os.Symlink("/etc/passwd", link); err == nil {
		tree, _ := h.repo.Worktree()
		if _, err := tree.Add("link.yaml"); err != nil {
			t.Fatal(err)
		}
		h.commit(t, map[string]string{"x": "y"})
	}
	nobody := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(nobody, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		reason string
		git    specs.Git
		want   string
	}{
		{"no such branch", specs.Git{Repo: h.dir, Ref: "nowhere", Path: "deployments/contoso.yaml"}, "revision nowhere"},
		{"no such file", specs.Git{Repo: h.dir, Path: "contoso.yaml"}, "no such file"},
		{"a folder", specs.Git{Repo: h.dir, Path: "deployments"}, "no such file"},
		{"outside", specs.Git{Repo: h.dir, Path: "../x.yaml"}, "not a path inside the repository"},
		{"absolute", specs.Git{Repo: h.dir, Path: "/etc/passwd"}, "not a path inside the repository"},
		{"no path", specs.Git{Repo: h.dir}, "not a path inside the repository"},
		{"a symbolic link", specs.Git{Repo: h.dir, Path: "link.yaml"}, "not a regular file"},
		{"no repository", specs.Git{Repo: t.TempDir(), Path: "x.yaml"}, "repository"},
		{"no such folder", specs.Git{Repo: filepath.Join(h.dir, "nothing"), Path: "x.yaml"}, "repository"},
		{"no repository named", specs.Git{Path: "x.yaml"}, "no repository is named"},
		{"a bad document names its file", specs.Git{Repo: h.dir, Path: "deployments/bad.yaml"}, "deployments/bad.yaml:1:1"},
		{"a password in the URL", specs.Git{Repo: "https://me:hunter2@git.example/x", Path: "x.yaml"}, "must not hold"},
		{"a token in the URL", specs.Git{Repo: "https://hunter2@git.example/x", Path: "x.yaml"}, "must not hold"},
		{"a password for ssh in the URL", specs.Git{Repo: "ssh://me:hunter2@git.example/x", Path: "x.yaml"}, "must not hold"},
		{"http across a network", specs.Git{Repo: "http://git.example/x", Path: "x.yaml"}, "use https"},
		{"the git protocol", specs.Git{Repo: "git://git.example/x", Path: "x.yaml"}, "not supported"},
		{"a program of git's", specs.Git{Repo: "ext://sh", Path: "x.yaml"}, "not supported"},
		{"a key that is none", specs.Git{Repo: "ssh://git@127.0.0.1:1/x", Path: "x.yaml", SSHKey: secret.NewString("hunter2"), KnownHosts: nobody}, "the SSH key cannot be read"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			_, err := testLoader(t).LoadGit(t.Context(), c.git)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a secret was repeated: %v", err)
			}
		})
	}
}

func TestReadFileStaysInTheRevision(t *testing.T) {
	h := newHistory(t)
	d, err := testLoader(t).LoadGit(context.Background(), specs.Git{Repo: h.dir, Path: "deployments/contoso.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ reason, name, want, problem string }{
		{"beside the document", "vouchers/one.key", "second", ""},
		{"above it, inside the repository", "../outside.key", "outside", ""},
		{"above the repository", "../../x", "", "not a path inside"},
		{"absolute", "/etc/passwd", "", "same revision"},
		{"missing", "nothing", "", "no such file"},
	} {
		data, err := d.Origin.ReadFile(c.name)
		if c.problem == "" && (err != nil || string(data) != c.want) || c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)) {
			t.Errorf("%s: %q, %v", c.reason, data, err)
		}
	}
}

// TestLoadFileCommit: a commit is claimed only for what the commit holds.
func TestLoadFileCommit(t *testing.T) {
	h := newHistory(t)
	document := filepath.Join(h.dir, "deployments", "contoso.yaml")
	load := func(file string) string {
		t.Helper()
		d, err := testLoader(t).LoadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return d.Origin.Commit
	}
	if got := load(document); got != h.second {
		t.Errorf("a clean file has commit %q, want %s", got, h.second)
	}
	if got := load(filepath.Join(h.dir, "deployments", "windows.yaml")); got != h.second {
		t.Errorf("a clean file with CRLF has commit %q, want %s", got, h.second)
	}
	text := string(read(t, document))
	for _, c := range []struct{ reason, text, want string }{
		{"as git for Windows checks out", strings.ReplaceAll(text, "\n", "\r\n"), h.second},
		{"changed", text + "# changed\n", ""},
		{"as it was in another commit", strings.Replace(text, "version: 2", "version: 1", 1), ""},
		{"changed back", text, h.second},
	} {
		if err := os.WriteFile(document, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := load(document); got != c.want {
			t.Errorf("%s: commit %q, want %q", c.reason, got, c.want)
		}
	}
	untracked := filepath.Join(h.dir, "new.yaml")
	if err := os.WriteFile(untracked, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := load(untracked); got != "" {
		t.Errorf("an untracked file has commit %q", got)
	}
	outside := filepath.Join(t.TempDir(), "x.yaml")
	if err := os.WriteFile(outside, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := load(outside); got != "" {
		t.Errorf("a file outside a repository has commit %q", got)
	}
}
