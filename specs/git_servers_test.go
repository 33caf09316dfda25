package specs_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/server"
	"github.com/go-git/go-git/v5/storage"

	"meshrotate/specs/gittest"
)

// goServer serves one repository over git's smart HTTP protocol with go-git's own server, which cannot be shallow.
func goServer(h *history) http.Handler {
	sessions := server.NewServer(oneLoader{h.repo.Storer})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := sessions.NewUploadPackSession(&transport.Endpoint{}, nil)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		if strings.HasSuffix(r.URL.Path, "/info/refs") {
			refs, err := session.AdvertisedReferencesContext(r.Context())
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			refs.Prefix = [][]byte{[]byte("# service=git-upload-pack"), {}}
			w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
			_ = refs.Encode(w)
			return
		}
		request := packp.NewUploadPackRequest()
		var response *packp.UploadPackResponse
		if err = request.Decode(r.Body); err == nil {
			response, err = session.UploadPack(r.Context(), request)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
		_ = response.Encode(w)
	})
}

type oneLoader struct{ s storage.Storer }

func (l oneLoader) Load(*transport.Endpoint) (storer.Storer, error) { return l.s, nil }

func newSSHKey(t *testing.T) (ssh.PublicKey, []byte) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return key, pem.EncodeToMemory(block)
}

// serveSSH runs git upload-pack for whoever has the client's key. It returns its address and a known_hosts file.
func serveSSH(t *testing.T, git string, client ssh.PublicKey) (address, known string) {
	t.Helper()
	_, hostPEM := newSSHKey(t)
	host, err := ssh.ParsePrivateKey(hostPEM)
	if err != nil {
		t.Fatal(err)
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if !bytes.Equal(key.Marshal(), client.Marshal()) {
			return nil, os.ErrPermission
		}
		return nil, nil
	}}
	config.AddHostKey(host)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go gittest.ServeSSH(conn, config, git, "upload-pack")
		}
	}()
	known = filepath.Join(t.TempDir(), "known_hosts")
	line := knownhosts.Line([]string{listener.Addr().String()}, host.PublicKey())
	if err := os.WriteFile(known, []byte(line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return listener.Addr().String(), known
}
