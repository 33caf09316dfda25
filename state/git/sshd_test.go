package git_test

import (
	"bufio"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing/transport"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"golang.org/x/crypto/ssh"

	"meshrotate/state"
)

func sshKey(t *testing.T) (ed25519.PrivateKey, ssh.PublicKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return private, key
}

// sshd starts OpenSSH's server on loopback, for the user that runs the test: it is the host that has the key, and lets in who has it.
// A test without it is skipped; where CI promises it, it fails.
func sshd(t *testing.T, private ed25519.PrivateKey, public ssh.PublicKey) (address string) {
	t.Helper()
	program, err := exec.LookPath("sshd")
	if err != nil {
		if program = "/usr/sbin/sshd"; !exists(program) { // where Debian has it, on few people's PATH
			if os.Getenv("CI") == "true" {
				t.Fatal("sshd is not here, and CI must have it")
			}
			t.Skip("sshd is not here")
		}
	}
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		write(t, path, text)
		return path
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 { // where it puts its children that may do nothing
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = free.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	_ = free.Close()
	config := file("config", fmt.Sprintf("ListenAddress 127.0.0.1\nPort %s\nHostKey %s\nAuthorizedKeysFile %s\nPidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"+
		"KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nMaxStartups 200\nLogLevel INFO\n",
		port, file("key", string(pem.EncodeToMemory(block))), file("keys", string(ssh.MarshalAuthorizedKey(public)))))
	c := exec.Command(program, "-D", "-e", "-f", config)
	said, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "Server listening") {
			go func() {
				for lines.Scan() { // so that it never waits for a reader
				}
			}()
			return address
		}
	}
	t.Fatal("sshd did not start")
	return ""
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// OpenSSH's own server: two machines share a state over it, one of them applies, and who has another key is let in nowhere.
func TestSSHD(t *testing.T) {
	w := folder(t)
	private, public := sshKey(t)
	who, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	w.url = "ssh://" + who.Username + "@" + sshd(t, private, public) + w.dir
	t.Cleanup(w.end) // before the server
	with := func(key ed25519.PrivateKey) transport.AuthMethod {
		signer, err := ssh.NewSignerFromKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return &gitssh.PublicKeys{User: who.Username, Signer: signer, HostKeyCallbackHelper: gitssh.HostKeyCallbackHelper{HostKeyCallback: ssh.FixedHostKey(public)}}
	}
	other, _ := sshKey(t)
	w.auth = with(other)
	if _, err := w.machine().open().Entries(t.Context()); err == nil || !strings.Contains(err.Error(), "unable to authenticate") {
		t.Errorf("another key: %v", err)
	}
	w.auth = with(private)
	one, two := w.machine().open(), w.machine().open()
	lease := acquire(t, w, one, "r1")
	if _, err := two.Acquire(t.Context(), state.Holder{Run: "r2"}); err == nil {
		t.Error("two machines have the lock")
	}
	add(t, one, step("r1", "announced", 1))
	if err := one.Create(t.Context(), "relaykey/7.age", []byte("sealed")); err != nil {
		t.Fatal(err)
	}
	if err := one.Reserve(t.Context(), 1<<16); err != nil {
		t.Fatal(err)
	}
	add(t, one, step("r1", "stopped", 1))
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := steps(t, two); got != "announced stopped" {
		t.Error(got)
	}
	if value, err := two.Read(t.Context(), "relaykey/7.age"); err != nil || string(value) != "sealed" {
		t.Errorf("%q, %v", value, err)
	}
	lease = acquire(t, w, two, "r2")
	if err := lease.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
}
