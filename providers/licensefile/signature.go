package licensefile

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha1" // to name what is not taken
	"crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Over says what a signature is over.
type Over string

// A signature is over the payload's bytes, or over their base64.
const (
	Decoded Over = "decoded"
	Encoded Over = "encoded"
)

// Signature says how files are signed, where the file does not say so itself. The zero value is PKCS #1 v1.5 over the payload's
// bytes with SHA-256.
type Signature struct {
	PSS  bool
	Over Over
	Hash string // sha256, sha384 or sha512
}

// ErrNotCheckable says that nobody here can check this file's signature.
var ErrNotCheckable = errors.New("the signature of this license file cannot be checked here")

var errForged = errors.New("the license's signature is not by the declared public key: the file was changed, cut short, or issued by somebody else")

// Verify checks the signature. Who made it otherwise than is said is not called a forger.
func (l *License) Verify(key crypto.PublicKey, s Signature) error {
	if l.unsigned {
		return errors.New("the license file says of itself that it is not signed")
	}
	if len(l.tokens) > 0 {
		return l.verifyTokens(key)
	}
	s.Over, s.Hash = cmp.Or(s.Over, Decoded), cmp.Or(s.Hash, "sha256")
	if l.signed[s.Over] == nil {
		return fmt.Errorf("%w: its layout is %s", ErrNotCheckable, l.Layout)
	}
	if s.Hash != "sha1" && l.holds(key, s) {
		return nil
	}
	for _, hash := range []string{"sha256", "sha384", "sha512", "sha1"} {
		for _, over := range []Over{Decoded, Encoded} {
			for _, pss := range []bool{false, true} {
				if other := (Signature{PSS: pss, Over: over, Hash: hash}); l.holds(key, other) {
					return fmt.Errorf("%w: it is by the declared key, and made in another way than the document says: %s", ErrNotCheckable, other)
				}
			}
		}
	}
	return errForged
}

// String is what the document would say.
func (s Signature) String() string {
	if s.Hash == "sha1" {
		return "with SHA-1, which is not taken"
	}
	return fmt.Sprintf("secrets.license.signature: {padding: %s, over: %s, hash: %s}", map[bool]string{true: "pss", false: "pkcs1"}[s.PSS], s.Over, s.Hash)
}

func (l *License) holds(key crypto.PublicKey, s Signature) bool {
	hash, text := hashes[strings.TrimPrefix(s.Hash, "sha")], l.signed[s.Over]
	if s.Hash == "sha1" {
		hash = crypto.SHA1
	}
	if hash == 0 || text == nil {
		return false
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		return holdsRSA(k, hash, s.PSS, text, l.signature)
	case *ecdsa.PublicKey:
		return holdsECDSA(k, hash, text, l.signature, true)
	case ed25519.PublicKey:
		return ed25519.Verify(k, text, l.signature)
	}
	return false
}

// PublicKey reads a PEM file: a PKIX or PKCS #1 public key, or a certificate. It is of RSA, ECDSA or Ed25519.
func PublicKey(file []byte) (crypto.PublicKey, error) {
	block, _ := pem.Decode(file)
	if block == nil {
		return nil, errors.New("no PEM block in the public key file")
	}
	if k, err := x509.ParsePKCS1PublicKey(block.Bytes); err == nil {
		return k, nil
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if c, failed := x509.ParseCertificate(block.Bytes); failed == nil {
		key, err = c.PublicKey, nil
	}
	switch key.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
		if err == nil {
			return key, nil
		}
	}
	return nil, errors.New("the public key file holds no public key of RSA, ECDSA or Ed25519")
}

// Sign makes a license file. It serves the lab and tests.
func Sign(l License, key *rsa.PrivateKey) ([]byte, error) {
	body, err := json.Marshal(map[string]string{"customerName": l.Customer, "tier": l.Tier, "expiresUtc": l.Expires.UTC().Format(time.RFC3339)})
	if err != nil {
		return nil, err
	}
	h := sha256.Sum256(body)
	sig, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, h[:])
	if err != nil {
		return nil, fmt.Errorf("sign a license: %w", err)
	}
	e := base64.StdEncoding
	return []byte(e.EncodeToString(body) + "." + e.EncodeToString(sig) + "\n"), nil
}
