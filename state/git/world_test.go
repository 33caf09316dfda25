package git_test

import (
	"context"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"golang.org/x/crypto/ssh"

	"meshrotate/specs/gittest"
	"meshrotate/state"
	"meshrotate/state/git"
)

// world is a repository on a server, and machines that keep a state there.
type world struct {
	t      *testing.T
	dir    string // the bare repository's
	url    string
	auth   transport.AuthMethod
	cas    []byte
	passed atomic.Int64 // of the clock of all machines
	stop   atomic.Bool  // the server answers nobody
	mute   atomic.Int64 // so many pushes are taken, and not answered
	ttl    time.Duration

	mu   sync.Mutex
	held []state.Lease
}

// folder is a repository in a folder.
func folder(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: filepath.Join(t.TempDir(), "state.git")}
	w.url = w.dir
	w.git("init", "--bare", "--quiet", w.dir)
	t.Cleanup(w.end)
	return w
}

func (w *world) git(args ...string) string {
	w.t.Helper()
	c := exec.Command(gittest.Program(w.t), args...)
	c.Env = append(os.Environ(), "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*")
	out, err := c.CombinedOutput()
	if err != nil {
		w.t.Fatalf("git %s: %v\n%s", args, err, out)
	}
	return string(out)
}

const token = "hunter2-token"

// https serves a repository with git's own server behind a token.
func https(t *testing.T) *world {
	t.Helper()
	w := folder(t)
	backend := gittest.Backend(t, filepath.Dir(w.dir))
	s := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		switch {
		case w.stop.Load():
			http.Error(rw, "away", http.StatusServiceUnavailable)
		case password != token:
			rw.Header().Set("WWW-Authenticate", "Basic")
			rw.WriteHeader(http.StatusUnauthorized)
		case strings.HasSuffix(r.URL.Path, "/git-receive-pack") && w.mute.Add(-1) >= 0:
			backend.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		default:
			backend.ServeHTTP(rw, r)
		}
	}))
	t.Cleanup(s.Close)
	t.Cleanup(w.end)
	w.url, w.auth = s.URL+"/state.git", &githttp.BasicAuth{Username: "git", Password: token}
	w.cas = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return w
}

// overSSH serves a repository with git's own programs to whoever has the key.
func overSSH(t *testing.T) *world {
	t.Helper()
	w := folder(t)
	client, _ := gittest.Key(t)
	address, host := gittest.ListenSSH(t, gittest.Program(t), client.PublicKey(), "upload-pack", "receive-pack")
	t.Cleanup(w.end)
	w.url = "ssh://git@" + address + w.dir
	w.auth = &gitssh.PublicKeys{User: "git", Signer: client, HostKeyCallbackHelper: gitssh.HostKeyCallbackHelper{HostKeyCallback: ssh.FixedHostKey(host)}}
	return w
}

// machine is a disk of its own. Each open of it is a process.
type machine struct {
	w    *world
	disk string
}

func (w *world) machine() machine { return machine{w, filepath.Join(w.t.TempDir(), "journal")} }

func (m machine) open() *git.Store {
	w := m.w
	return git.Open(git.Config{URL: w.url, Branch: "meshrotate/contoso", Journal: m.disk, TTL: w.ttl,
		Auth: func(context.Context) (transport.AuthMethod, error) { return w.auth, nil },
		CAs:  func() ([]byte, error) { return w.cas, nil },
		Now:  func() time.Time { return time.Now().Add(time.Duration(w.passed.Load())) }})
}

// remembering is a lock that notes its leases: the heartbeats of those that nobody gives back end with the test.
type remembering struct {
	state.Lock
	w *world
}

func (r remembering) Acquire(ctx context.Context, h state.Holder) (state.Lease, error) {
	lease, err := r.Lock.Acquire(ctx, h)
	if err == nil {
		r.w.mu.Lock()
		defer r.w.mu.Unlock()
		r.w.held = append(r.w.held, lease)
	}
	return lease, err
}

func (w *world) end() {
	w.stop.Store(false)
	for _, lease := range w.held {
		_ = lease.Release(context.Background()) // it may be lost
	}
	w.held = nil
}

func (w *world) await(what string, is func() bool) {
	w.t.Helper()
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if is() {
			return
		}
	}
	w.t.Fatalf("never: %s", what)
}

func as[T error](err error) (e T, ok bool) { ok = errors.As(err, &e); return e, ok }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
