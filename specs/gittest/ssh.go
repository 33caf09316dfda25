// Package gittest serves Git repositories to tests.
package gittest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Key is a new key pair, and its private half as a file holds it.
func Key(t testing.TB) (ssh.Signer, []byte) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer, pem.EncodeToMemory(block)
}

// ListenSSH runs these of git's commands ("upload-pack", "receive-pack"), with this program, for whoever has the client's key, until
// the test ends. It returns its address and its own key.
func ListenSSH(t testing.TB, git string, client ssh.PublicKey, verbs ...string) (address string, host ssh.PublicKey) {
	t.Helper()
	own, _ := Key(t)
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if !bytes.Equal(key.Marshal(), client.Marshal()) {
			return nil, os.ErrPermission
		}
		return nil, nil
	}}
	config.AddHostKey(own)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn, config, git, verbs)
		}
	}()
	return l.Addr().String(), own.PublicKey()
}

// KnownHosts is a file that says whose key that is.
func KnownHosts(t testing.TB, address string, host ssh.PublicKey) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(path, []byte(knownhosts.Line([]string{address}, host)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// serve answers one connection on the folder that the client names.
func serve(conn net.Conn, config *ssh.ServerConfig, git string, verbs []string) {
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = channel.Close() }()
			for r := range requests {
				var asked struct{ Command string }
				if r.Type != "exec" || ssh.Unmarshal(r.Payload, &asked) != nil {
					_ = r.Reply(r.Type == "env", nil)
					continue
				}
				_ = r.Reply(true, nil)
				_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{pack(git, asked.Command, verbs, channel)}))
				return
			}
		}()
	}
}

// pack runs git-VERB 'FOLDER'.
func pack(git, command string, verbs []string, channel io.ReadWriter) uint32 {
	name, folder, _ := strings.Cut(command, " ")
	verb, ok := strings.CutPrefix(name, "git-")
	if !ok || !slices.Contains(verbs, verb) {
		return 1
	}
	c := exec.Command(git, "-c", "safe.directory=*", verb, strings.Trim(folder, "'"))
	c.Stdout = channel
	stdin, err := c.StdinPipe()
	if err != nil || c.Start() != nil {
		return 1
	}
	go func() {
		_, _ = io.Copy(stdin, channel)
		_ = stdin.Close()
	}()
	if c.Wait() != nil {
		return 1
	}
	return 0
}
