package connect_test

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"meshrotate/providers/connect"
	"meshrotate/specs"
	"meshrotate/specs/gittest"
	"meshrotate/state"
)

// bare is a repository that takes pushes, and git's program.
func bare(t *testing.T) (dir, program string) {
	t.Helper()
	program = gittest.Program(t)
	dir = filepath.Join(t.TempDir(), "state.git")
	if out, err := exec.Command(program, "init", "-q", "--bare", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir, program
}

// writes opens the state of a document in a folder, and has one machine write what another then reads.
func writes(t *testing.T, folder, stateGit string, env map[string]string) error {
	t.Helper()
	open := func() state.State {
		text := "{apiVersion: meshrotate/v1, kind: Deployment, name: x, hosts: {admin: a, relays: [r]}, secrets: {}, connect: {winrm: {auth: ntlm, user: u, password: {env: P}}}, state: {dir: " +
			t.TempDir() + ", git: " + stateGit + "}}"
		d, err := specs.Loader{}.LoadAs(filepath.Join(folder, "x.yaml"), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		s, err := connect.OpenState(d, connect.Options{LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one := open()
	lease, err := one.Lock.Acquire(t.Context(), state.Holder{Run: "r1"})
	if err != nil {
		return err
	}
	if err := one.Values.Create(t.Context(), "relaykey/7.age", []byte("sealed")); err != nil {
		return err
	}
	if err := lease.Release(t.Context()); err != nil {
		return err
	}
	got, err := open().Values.Read(t.Context(), "relaykey/7.age")
	if err == nil && string(got) != "sealed" {
		t.Errorf("another machine reads %q", got)
	}
	return err
}

// The state's branch over SSH: with the key and the server's key that the document names, and with no other.
func TestStateInGitBySSHKey(t *testing.T) {
	dir, program := bare(t)
	client, key := gittest.Key(t)
	_, other := gittest.Key(t)
	address, host := gittest.ListenSSH(t, program, client.PublicKey(), "upload-pack", "receive-pack")
	stranger, _ := gittest.Key(t)
	for _, c := range []struct {
		reason string
		key    []byte
		known  string
		want   string // "": it works
	}{
		{"the right key", key, gittest.KnownHosts(t, address, host), ""},
		{"another key", other, gittest.KnownHosts(t, address, host), "unable to authenticate"},
		{"a key that is none", []byte("hunter2"), gittest.KnownHosts(t, address, host), "SSH key"},
		{"no key", nil, gittest.KnownHosts(t, address, host), "state.git.sshKey"},
		{"a server that is not the one", key, gittest.KnownHosts(t, address, stranger.PublicKey()), "knownhosts: key mismatch"},
		{"a file of servers that is not there", key, filepath.Join(dir, "nowhere"), "known SSH hosts"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			env := map[string]string{}
			if c.key != nil {
				env["KEY"] = string(c.key)
			}
			git := fmt.Sprintf("{repo: 'ssh://git@%s%s', branch: 'b-%d', sshKey: {env: KEY}, knownHosts: %q}", address, dir, len(c.reason), c.known)
			held(t, writes(t, t.TempDir(), git, env), c.want)
		})
	}
}

// The same over HTTPS, with a token and an authority: from the place that the document names, and else from the environment.
func TestStateInGitByToken(t *testing.T) {
	const token = "hunter2-token"
	dir, _ := bare(t)
	backend := gittest.Backend(t, filepath.Dir(dir))
	var users atomic.Value
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if password != token {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		users.Store(user)
		backend.ServeHTTP(w, r)
	}))
	defer s.Close()
	folder := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	for name, text := range map[string][]byte{"ca.pem": ca, "none.pem": []byte("none")} {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		reason, more string
		env          map[string]string
		user, want   string
	}{
		{"a token", "token: {env: TOKEN}, caFile: ca.pem", map[string]string{"TOKEN": token}, "git", ""},
		{"a token and a user", "token: {env: TOKEN}, user: bot, caFile: ca.pem", map[string]string{"TOKEN": token}, "bot", ""},
		{"the environment's token", "caFile: ca.pem", map[string]string{specs.GitToken: token}, "git", ""},
		{"the declared one comes before the environment's", "token: {env: TOKEN}, caFile: ca.pem", map[string]string{specs.GitToken: "hunter2-old", "TOKEN": token}, "git", ""},
		{"a wrong token", "token: {env: TOKEN}, caFile: ca.pem", map[string]string{"TOKEN": "hunter2-wrong"}, "", "auth"},
		{"a token that is not there", "token: {env: TOKEN}, caFile: ca.pem", nil, "", "state.git.token"},
		{"an age identity", "token: {env: TOKEN}, caFile: ca.pem", map[string]string{"TOKEN": "AGE-SECRET-KEY-1QQQ"}, "", "state.git.token: it is an age identity"},
		{"no authority", "token: {env: TOKEN}", map[string]string{"TOKEN": token}, "", "certificate"},
		{"an authority that is none", "token: {env: TOKEN}, caFile: none.pem", map[string]string{"TOKEN": token}, "", "state.git.caFile: no certificate in none.pem"},
		{"an authority that is not there", "token: {env: TOKEN}, caFile: nowhere.pem", map[string]string{"TOKEN": token}, "", "state.git.caFile"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			users.Store("")
			git := fmt.Sprintf("{repo: '%s/state.git', branch: 'b-%d', %s}", s.URL, len(c.reason), c.more)
			held(t, writes(t, folder, git, c.env), c.want)
			if got := users.Load(); got != c.user {
				t.Errorf("signed in as %q, want %q", got, c.user)
			}
		})
	}
}

// held compares an error, and sees that no secret is in it.
func held(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Error(err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("got %v, want %q", err, want)
	case err != nil && strings.Contains(err.Error(), "hunter2"):
		t.Errorf("a secret was repeated: %v", err)
	}
}
