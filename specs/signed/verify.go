package signed

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// namespace is what git signs under.
const namespace = "git"

// Commit says who signed a commit and, when it merges others, those: each that it brings to what its first parent has must be signed
// by one of the signers. The error names the commit and the key. A signature on a tag says nothing about it.
func (s Signers) Commit(c *object.Commit, now time.Time) (who string, err error) {
	if who, err = s.one(c, now); err != nil || c.NumParents() < 2 {
		return who, err
	}
	brought, err := brings(c)
	if err != nil {
		return "", fmt.Errorf("what commit %.7s merges: %w", c.Hash, err)
	}
	var by []string
	for _, m := range brought {
		one, err := s.one(m, now)
		if err != nil {
			return "", fmt.Errorf("of what commit %.7s merges, %w", c.Hash, err)
		}
		if !slices.Contains(by, one) {
			by = append(by, one)
		}
	}
	if len(by) > 0 {
		who += ", and what it merges by " + strings.Join(by, ", ")
	}
	return who, nil
}

// brings are the commits that a merge brings: all that it leads to, and its first parent does not. Whoever merges a branch into a
// request signs that merge, and says nothing of the request's own commits.
func brings(c *object.Commit) (all []*object.Commit, err error) {
	known := map[plumbing.Hash]bool{}
	main, err := c.Parent(0)
	if err != nil {
		return nil, err
	}
	for next := []*object.Commit{main}; len(next) > 0; next = next[1:] {
		if known[next[0].Hash] {
			continue
		}
		known[next[0].Hash] = true
		for i := range next[0].ParentHashes {
			if p, err := next[0].Parent(i); err == nil { // a shallow clone ends somewhere: what lies before is then asked of what was brought
				next = append(next, p)
			}
		}
	}
	for next := []*object.Commit{c}; len(next) > 0; next = next[1:] {
		for i, hash := range next[0].ParentHashes {
			if known[hash] {
				continue
			}
			known[hash] = true
			p, err := next[0].Parent(i)
			if err != nil {
				return nil, fmt.Errorf("commit %.7s: %w", hash, err)
			}
			all, next = append(all, p), append(next, p)
		}
	}
	return all, nil
}

func (s Signers) one(c *object.Commit, now time.Time) (who string, err error) {
	o := &plumbing.MemoryObject{}
	if err := c.EncodeWithoutSignature(o); err != nil {
		return "", fmt.Errorf("commit %.7s: %w", c.Hash, err)
	}
	body := func() io.Reader { r, _ := o.Reader(); return r } // it is in memory
	switch {
	case c.PGPSignature == "":
		err = errors.New("is not signed")
	case strings.HasPrefix(c.PGPSignature, "-----BEGIN "+sshsig.PEMType):
		who, err = s.bySSH(c.PGPSignature, body(), now)
	default:
		who, err = s.byPGP(c.PGPSignature, body(), now)
	}
	if err != nil {
		return "", fmt.Errorf("commit %.7s %w", c.Hash, err)
	}
	return who, nil
}

func (s Signers) byPGP(signature string, body io.Reader, now time.Time) (string, error) {
	key := issuer(signature)
	config := &packet.Config{Time: func() time.Time { return now }}
	block, err := armor.Decode(strings.NewReader(signature))
	if err != nil || block.Type != openpgp.SignatureType {
		return "", errors.New("has a signature that is none of OpenPGP's")
	}
	sig, signer, err := openpgp.VerifyDetachedSignature(s.pgp, body, block.Body, config)
	switch {
	case errors.Is(err, pgperrors.ErrUnknownIssuer):
		return "", fmt.Errorf("is signed with %s, which is no trusted signer's", key)
	case errors.Is(err, pgperrors.ErrKeyExpired):
		return "", fmt.Errorf("is signed with %s, which has expired", key)
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return "", fmt.Errorf("is signed with %s, which was revoked", key)
	case errors.Is(err, pgperrors.ErrSignatureExpired):
		return "", fmt.Errorf("is signed with %s, and the signature has expired", key)
	case err != nil:
		return "", fmt.Errorf("is not what was signed with %s: %w", key, err)
	case config.RejectMessageHashAlgorithm(sig.Hash): // another commit can be made that has the same
		return "", fmt.Errorf("is signed with %s over %s, which binds to nothing any more", key, sig.Hash)
	}
	name := fmt.Sprintf("%X", signer.PrimaryKey.Fingerprint)
	if id := signer.PrimaryIdentity(); id != nil {
		name = id.Name + " (" + name + ")"
	}
	return name, nil
}

// issuer is the key that a signature says it was made with.
func issuer(signature string) string {
	block, err := armor.Decode(strings.NewReader(signature))
	if err != nil {
		return "a key that cannot be read"
	}
	p, err := packet.NewReader(block.Body).Next()
	sig, ok := p.(*packet.Signature)
	switch {
	case err != nil || !ok:
		return "a key that cannot be read"
	case len(sig.IssuerFingerprint) > 0:
		return fmt.Sprintf("OpenPGP key %X", sig.IssuerFingerprint)
	case sig.IssuerKeyId != nil:
		return fmt.Sprintf("OpenPGP key %016X", *sig.IssuerKeyId)
	}
	return "an OpenPGP key without a name"
}

func (s Signers) bySSH(signature string, body io.Reader, now time.Time) (string, error) {
	sig, err := sshsig.Unarmor([]byte(signature))
	if err != nil {
		return "", fmt.Errorf("has an SSH signature that cannot be read: %w", err)
	}
	key := fmt.Sprintf("SSH key %s %s", sig.PublicKey.Type(), ssh.FingerprintSHA256(sig.PublicKey))
	if sig.Signature.Format == ssh.KeyAlgoRSA { // SHA-1, which the format does not allow (PROTOCOL.sshsig)
		return "", fmt.Errorf("is signed with %s over SHA-1", key)
	}
	if err := sshsig.Verify(body, sig, sig.PublicKey, sig.HashAlgorithm, namespace); err != nil {
		return "", fmt.Errorf("is not what was signed with %s: %w", key, err)
	}
	why := "which is no trusted signer's"
	if _, certified := sig.PublicKey.(*ssh.Certificate); certified && s.authorities > 0 {
		why += ": it is a certificate, and lines of allowed_signers with cert-authority are passed over here"
	}
	for _, a := range s.ssh {
		switch {
		case string(a.key.Marshal()) != string(sig.PublicKey.Marshal()):
		case a.namespaces != nil && !slices.Contains(a.namespaces, namespace):
			why = "which may not sign commits (namespaces)"
		case !a.after.IsZero() && now.Before(a.after):
			why = "which is not valid yet"
		case !a.before.IsZero() && !now.Before(a.before):
			why = "which has expired"
		default:
			return a.principals + " (" + ssh.FingerprintSHA256(a.key) + ")", nil
		}
	}
	return "", fmt.Errorf("is signed with %s, %s", key, why)
}
