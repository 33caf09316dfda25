package specs_test

import (
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/specs/gittest"
)

// TestLoadGitHTTPS serves one repository in two ways: the first needs nothing but Go, the second is git itself.
func TestLoadGitHTTPS(t *testing.T) {
	h := newHistory(t)
	h.set(t, "refs/heads/both", h.first)
	h.set(t, "refs/tags/both", h.second)
	t.Run("go", func(t *testing.T) { testHTTPS(t, h, goServer(h)) })
	t.Run("git", func(t *testing.T) {
		testHTTPS(t, h, gittest.Backend(t, h.dir))
	})
}

func testHTTPS(t *testing.T, h *history, git http.Handler) {
	const token = "hunter2-token"
	var refused atomic.Int64
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != token {
			refused.Add(1)
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		git.ServeHTTP(w, r)
	}))
	defer s.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	good := specs.Git{Repo: s.URL + "/.git", Path: "deployments/contoso.yaml", Password: secret.NewString(token), CAs: ca}
	parents := good
	parents.Ref, parents.Exact, parents.Parents = h.second, true, true
	if commit, err := parents.Commit(t.Context()); err != nil {
		t.Error(err)
	} else if parent, err := commit.Parent(0); err != nil || parent.Hash.String() != h.first {
		t.Errorf("what the commit was made of: %v, %v", parent, err)
	}
	for _, c := range []struct {
		reason, ref, commit, voucher string
	}{
		{"HEAD", "", h.second, "second"},
		{"a branch", "main", h.second, "second"},
		{"an annotated tag", "v1", h.first, "first"},
		{"a branch in full beside a tag of its name", "refs/heads/both", h.first, "first"},
		{"the newest commit by its hash", h.second, h.second, "second"},
		{"an older commit by its hash", h.first, h.first, "first"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			g := good
			g.Ref = c.ref
			d, err := testLoader(t).LoadGit(t.Context(), g)
			wantRevision(t, d, err, c.commit, c.voucher)
		})
	}
	for _, c := range []struct {
		reason string
		change func(*specs.Git)
		want   string
	}{
		{"a name of two things", func(g *specs.Git) { g.Ref = "both" }, "write one of them in full"},
		{"a branch that is not there", func(g *specs.Git) { g.Ref = "nowhere" }, "no such branch or tag"},
		{"a hash that is not there", func(g *specs.Git) { g.Ref = strings.Repeat("12", 20) }, "revision 1212"},
		{"a wrong token", func(g *specs.Git) { g.Password = secret.NewString("hunter2-wrong") }, "auth"},
		{"no token", func(g *specs.Git) { g.Password = secret.Value{} }, "auth"},
		{"an unknown certificate authority", func(g *specs.Git) { g.CAs = nil }, "certificate"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			g := good
			c.change(&g)
			_, err := testLoader(t).LoadGit(t.Context(), g)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a secret was repeated: %v", err)
			}
		})
	}
	if refused.Load() == 0 {
		t.Error("the server never refused: the cases prove nothing")
	}
}

// TestLoadGitStops: a server that never answers does not hold the program.
func TestLoadGitStops(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer s.Close()
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := testLoader(t).LoadGit(ctx, specs.Git{Repo: s.URL, Path: "x.yaml"})
	if err == nil || ctx.Err() == nil {
		t.Errorf("returned %v", err)
	}
}

func TestLoadGitSSH(t *testing.T) {
	h := newHistory(t)
	program := gittest.Program(t)
	client, clientPEM := gittest.Key(t)
	address, host := gittest.ListenSSH(t, program, client.PublicKey(), "upload-pack")
	known := gittest.KnownHosts(t, address, host)
	good := specs.Git{Repo: "ssh://git@" + address + h.dir, Path: "deployments/contoso.yaml", SSHKey: secret.New(clientPEM), KnownHosts: known}
	for _, c := range []struct{ reason, ref, commit, voucher string }{
		{"a branch", "main", h.second, "second"},
		{"a tag", "v1", h.first, "first"},
		{"a hash", h.first, h.first, "first"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			g := good
			g.Ref = c.ref
			d, err := testLoader(t).LoadGit(t.Context(), g)
			wantRevision(t, d, err, c.commit, c.voucher)
		})
	}
	_, otherPEM := gittest.Key(t)
	empty := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		reason string
		change func(*specs.Git)
		want   string
	}{
		{"a key that the server does not know", func(g *specs.Git) { g.SSHKey = secret.New(otherPEM) }, "unable to authenticate"},
		{"a server that we do not know", func(g *specs.Git) { g.KnownHosts = empty }, "knownhosts: key is unknown"},
		{"no file of known hosts", func(g *specs.Git) { g.KnownHosts = empty + "x" }, "known SSH hosts"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			g := good
			c.change(&g)
			if _, err := testLoader(t).LoadGit(t.Context(), g); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
