package labcli_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// pen signs commits with an SSH key, as git does.
type pen struct{ key ssh.Signer }

func newPen(t *testing.T) pen {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	key, err := ssh.NewSignerFromKey(private)
	must(t, err)
	return pen{key}
}

func (p pen) Sign(message io.Reader) ([]byte, error) {
	s, err := sshsig.Sign(message, p.key, sshsig.HashSHA512, "git")
	if err != nil {
		return nil, err
	}
	return sshsig.Armor(s), nil
}

// line is that of allowed_signers.
func (p pen) line(who string) string {
	return who + " " + string(ssh.MarshalAuthorizedKey(p.key.PublicKey()))
}

// commitAs commits files where HEAD is, signed unless by is nil.
func (h *hostile) commitAs(by git.Signer, files map[string]string) {
	h.t.Helper()
	tree, err := h.repo.Worktree()
	must(h.t, err)
	for name, text := range files {
		must(h.t, os.WriteFile(filepath.Join(h.dir, name), []byte(h.words.Replace(text)), 0o600))
		_, err = tree.Add(name)
		must(h.t, err)
	}
	who := &object.Signature{Name: "ada", Email: "ada@example.org", When: time.Now()}
	_, err = tree.Commit("commit", &git.CommitOptions{Author: who, Committer: who, Signer: by})
	must(h.t, err)
}

// TestSignedRequest: only what somebody signed who may is applied, and a request cannot say who may.
func TestSignedRequest(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	ada, eve := newPen(t), newPen(t)
	document := strings.Replace(agreedDocument, "policy: {", "policy: {trustedSigners: [signers], ", 1)
	const name, signers = "deployments/contoso.yaml", "deployments/signers"
	h.commitAs(nil, map[string]string{name: document, signers: ada.line("ada")})
	h.request()
	wanted := strings.Replace(document, "version: 7", "version: 8", 1)
	file := []string{"-f", name, "--base", "main"}
	plan, apply := append([]string{"plan"}, file...), append([]string{"apply", "--yes"}, file...)
	says := func(what string, args ...string) {
		t.Helper()
		if _, said := h.run(args...); !strings.Contains(strings.Join(strings.Fields(said), " "), what) {
			t.Errorf("%v: without %q:\n%s", args, what, said)
		}
	}
	refused := func(what string) {
		t.Helper()
		says("[commit-not-signed]", plan...)
		says(what, plan...)
		before := h.met.Load()
		h.refuses(what, apply...)
		if h.met.Load() != before {
			t.Error("apply contacted the hosts")
		}
	}

	h.commitAs(nil, map[string]string{name: wanted})
	refused("is not signed")
	h.commitAs(eve, map[string]string{name: wanted + "# by eve\n"})
	refused("SSH key ssh-ed25519 " + ssh.FingerprintSHA256(eve.key.PublicKey()) + ", which is no trusted signer's")
	h.commitAs(eve, map[string]string{signers: eve.line("eve")})
	refused("which is no trusted signer's")
	says("policy.trustedSigners: signers is changed, and not read", plan...)

	h.commitAs(ada, map[string]string{signers: ada.line("ada"), name: wanted})
	says("signed by ada ("+ssh.FingerprintSHA256(ada.key.PublicKey())+")", plan...)
	if before := h.met.Load(); true {
		says("nothing was changed", apply...) // the hosts do not answer
		if h.met.Load() == before {
			t.Error("apply contacted nobody")
		}
	}
	must(t, os.WriteFile(filepath.Join(h.dir, name), []byte(h.words.Replace(wanted)+"# not committed\n"), 0o600))
	refused("is not as the commit that is checked out has it")

	head, err := h.repo.Head()
	must(t, err)
	must(t, h.repo.Storer.SetReference(plumbing.NewHashReference("refs/heads/main", head.Hash()))) // else it is held against that
	plain := []string{"-f", name}
	h.refuses("policy.trustedSigners counts where it was agreed to", append([]string{"apply", "--yes"}, plain...)...)
	says("policy.trustedSigners counts where it was agreed to", append([]string{"plan"}, plain...)...)
	operator := filepath.Join(t.TempDir(), "operator.yaml")
	own := filepath.Join(t.TempDir(), "signers")
	must(t, os.WriteFile(own, []byte(eve.line("eve")), 0o600))
	must(t, os.WriteFile(operator, []byte(h.words.Replace(operatorsFile)+"signers: ["+own+"]\n"), 0o600))
	h.commitAs(eve, map[string]string{name: wanted + "# again\n"})
	says("signed by eve", "plan", "-f", name, "--base", "main", "--operator", operator)
	says("signed by eve", "plan", "-f", name, "--operator", operator)
}
