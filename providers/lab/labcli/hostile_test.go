package labcli_test

import (
	"bytes"
	"cmp"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"meshrotate/providers/values"
)

// stranger listens where no operator has agreed to go, over TCP and UDP, and counts what it is sent.
type stranger struct {
	address string
	heard   atomic.Int64
	mu      sync.Mutex
	said    strings.Builder // what it was sent
	news    chan struct{}
}

func newStranger(t *testing.T) *stranger {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	s := &stranger{address: l.Addr().String(), news: make(chan struct{}, 1)}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.heard.Add(1)
			go func() {
				b := make([]byte, 64<<10)
				n, _ := c.Read(b)
				s.listen("contact, " + string(b[:n]))
				_ = c.Close()
			}()
		}
	}()
	u, err := net.ListenPacket("udp", s.address)
	must(t, err)
	t.Cleanup(func() { _ = u.Close() })
	go func() {
		for b := make([]byte, 1500); ; {
			n, _, err := u.ReadFrom(b)
			if err != nil {
				return
			}
			s.heard.Add(1)
			s.listen("contact, " + string(b[:n]))
		}
	}()
	return s
}

func (s *stranger) listen(said string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said.WriteString(said + "\n")
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// hears waits until it was sent a text.
func (s *stranger) hears(text string) bool {
	for patience := time.After(20 * time.Second); ; {
		s.mu.Lock()
		found := strings.Contains(s.said.String(), text)
		s.mu.Unlock()
		if found {
			return true
		}
		select {
		case <-s.news:
		case <-patience:
			return false
		}
	}
}

// hostile is a repository whose branch main has the agreed document, and whose branch request has that of an attack.
type hostile struct {
	t        *testing.T
	dir      string
	repo     *git.Repository
	friend   *httptest.Server
	met      *atomic.Int64 // how often the friend was contacted
	stranger *stranger     // hears as well what the friend is asked and nobody has agreed to
	ran      string        // is there once the agreed program was run
	words    *strings.Replacer
	env      []string
}

func newHostile(t *testing.T) *hostile {
	t.Helper()
	h := &hostile{t: t, dir: t.TempDir(), met: &atomic.Int64{}, stranger: newStranger(t)}
	h.friend = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.met.Add(1)
		asked, err := httputil.DumpRequest(r, true)
		store := strings.HasPrefix(r.URL.Path, "/v1/") // the agreed document asks its stores for nothing
		if err != nil || store || strings.Contains(string(asked), cloudKey) || strings.Contains(string(asked), shadowFile) || strings.Contains(string(asked), liveKey) {
			h.stranger.heard.Add(1)
			h.stranger.listen("contact, " + string(asked))
		}
		if store && r.Method == http.MethodGet {
			_, _ = w.Write([]byte(`{"data": {"data": {"value": "` + bankKey + `"}, "metadata": {"version": 1}}}`))
			return
		}
		w.WriteHeader(http.StatusNotFound) // so that nobody asks again
	}))
	t.Cleanup(h.friend.Close)
	shadow, kept := filepath.Join(t.TempDir(), "shadow"), filepath.Join(t.TempDir(), "state")
	must(t, os.WriteFile(shadow, []byte(shadowFile), 0o600))
	must(t, os.MkdirAll(filepath.Join(kept, "values", "relaykey"), 0o700))
	must(t, os.WriteFile(filepath.Join(kept, "values", "relaykey", "7.age"), []byte(liveKey), 0o600))
	must(t, os.WriteFile(filepath.Join(kept, "ledger.head"), []byte(`{"entries":0}`), 0o600))
	must(t, os.WriteFile(filepath.Join(kept, "ledger.jsonl"), nil, 0o600))
	tool := filepath.Join(t.TempDir(), "op")
	h.ran = tool + ".ran"
	must(t, os.WriteFile(tool, []byte("#!/bin/sh\necho \"$*, $CLOUD_KEY, $(cat)\" >"+h.ran+"\necho value\n"), 0o700))
	h.words = strings.NewReplacer("RAN", h.ran, "TOOL", tool, "STRANGER", h.stranger.address, "FRIEND", h.friend.Listener.Addr().String(), "STATE", kept, "SHADOW", shadow)
	identity, _, err := values.NewIdentity()
	must(t, err)
	h.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "CLOUD_KEY=" + cloudKey, "IM_PASSWORD=agreed", "IM_VAULT=agreed", "IM_OP=agreed", "MESHROTATE_AGE_IDENTITY=" + string(identity.Expose())}
	h.repo, err = git.PlainInitWithOptions(h.dir, &git.PlainInitOptions{InitOptions: git.InitOptions{DefaultBranch: "refs/heads/main"}})
	must(t, err)
	h.commit("deployments/contoso.yaml", agreedDocument)
	return h
}

// commit commits one file where HEAD is.
func (h *hostile) commit(name, text string) {
	h.t.Helper()
	full := filepath.Join(h.dir, filepath.FromSlash(name))
	must(h.t, os.MkdirAll(filepath.Dir(full), 0o700))
	must(h.t, os.WriteFile(full, []byte(h.words.Replace(text)), 0o600))
	tree, err := h.repo.Worktree()
	must(h.t, err)
	_, err = tree.Add(name)
	must(h.t, err)
	who := &object.Signature{Name: "ada", Email: "ada@example.org", When: time.Now()}
	_, err = tree.Commit("commit", &git.CommitOptions{Author: who, Committer: who})
	must(h.t, err)
}

// request checks out the branch request, from main.
func (h *hostile) request() {
	h.t.Helper()
	tree, err := h.repo.Worktree()
	must(h.t, err)
	must(h.t, tree.Checkout(&git.CheckoutOptions{Branch: "refs/heads/request", Create: true}))
}

// agreeToAFile has the base take the key out of a file of the revision, and the request begin there.
func (h *hostile) agreeToAFile() {
	h.t.Helper()
	tree, err := h.repo.Worktree()
	must(h.t, err)
	must(h.t, tree.Checkout(&git.CheckoutOptions{Branch: "refs/heads/main"}))
	h.commit("deployments/contoso.yaml", strings.Replace(agreedDocument, "from: generated", "from: {file: seven.age}", 1))
	must(h.t, tree.Checkout(&git.CheckoutOptions{Branch: "refs/heads/further", Create: true}))
}

// run runs the program in the repository, and returns its exit code and all that it said.
func (h *hostile) run(args ...string) (int, string) {
	h.t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env = h.dir, h.env
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	if cmd.ProcessState == nil {
		h.t.Fatal(err)
	}
	for _, canary := range []string{cloudKey, shadowFile, liveKey} {
		if strings.Contains(said.String(), canary) {
			h.t.Errorf("%v: a secret was said:\n%s", args, said.String())
		}
	}
	return cmd.ProcessState.ExitCode(), said.String()
}

// quiet runs a verb from which the stranger must hear nothing.
func (h *hostile) quiet(args ...string) {
	h.t.Helper()
	if _, said := h.run(args...); h.stranger.heard.Load() > 0 {
		h.t.Errorf("%v: the stranger was contacted:\n%s", args, said)
		h.stranger.heard.Store(0)
	}
}

// refuses runs a verb that must end without a word to the stranger, and says what it will not do.
func (h *hostile) refuses(says string, args ...string) string {
	h.t.Helper()
	code, said := h.run(args...)
	if n := h.stranger.heard.Load(); n > 0 {
		h.t.Errorf("%v: the stranger was contacted %d times:\n%s", args, n, said)
	}
	if _, err := os.Stat(h.ran); err == nil {
		h.t.Errorf("%v: the program was run:\n%s", args, said)
	}
	flat := strings.Join(strings.Fields(said), " ")
	if code == 0 || args[0] != "drift" && code != 1 || !strings.Contains(flat, h.words.Replace(says)) {
		h.t.Errorf("%v: exit code %d, without %q:\n%s", args, code, h.words.Replace(says), said)
	}
	return said
}

// control shows that an attack is one: where its document is believed, the stranger hears of it, or the program is run.
func (h *hostile) control(a attack) {
	h.t.Helper()
	if a.never || a.silent != "" {
		h.t.Logf("not shown where the document is believed: %s", cmp.Or(a.silent, "no document is, that says this"))
		return
	}
	for _, name := range []plumbing.ReferenceName{"refs/remotes/origin/HEAD", "refs/remotes/origin/main"} {
		must(h.t, h.repo.Storer.RemoveReference(name)) // it is no clone then
	}
	head, err := h.repo.Head()
	must(h.t, err)
	must(h.t, h.repo.Storer.SetReference(plumbing.NewHashReference("refs/heads/main", head.Hash())))
	must(h.t, os.WriteFile(filepath.Join(h.dir, "deployments", "contoso.yaml"), []byte(h.words.Replace(a.and(h.t, a.believed))), 0o600))
	_, said := h.run("plan", "-f", "deployments/contoso.yaml")
	if a.runs != "" {
		if ran, err := os.ReadFile(h.ran); err != nil || !strings.Contains(string(ran), h.words.Replace(a.runs)) {
			h.t.Errorf("though the document is believed, the program was not run, but %q, %v:\n%s", ran, err, said)
		}
		return
	}
	if !h.stranger.hears(cmp.Or(a.hears, "contact")) {
		h.t.Errorf("though the document is believed, the stranger has not heard %q, but %q:\n%s", a.hears, h.stranger.said.String(), said)
	}
}

// link makes a symbolic link and commits it.
func (h *hostile) link(name, to string) {
	h.t.Helper()
	full := filepath.Join(h.dir, filepath.FromSlash(name))
	_ = os.Remove(full)
	if err := os.Symlink(to, full); err != nil {
		h.t.Skipf("no symbolic links here: %v", err)
	}
}
