package licensefile

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// Over says what a signature is over.
type Over string

// A signature is over the payload's bytes, or over their base64.
const (
	Decoded Over = "decoded"
	Encoded Over = "encoded"

	encodedPSS Over = "a token says so itself"
)

// Signature says how files are signed, where the file does not say so itself. The zero value is PKCS #1 v1.5 over the payload's
// bytes. The hash is SHA-256.
type Signature struct {
	PSS  bool
	Over Over
}

// ErrNotCheckable says that nobody here can check this layout's signature.
var ErrNotCheckable = errors.New("the signature of a license file of this layout cannot be checked")

// Verify checks the signature.
func (l *License) Verify(key *rsa.PublicKey, s Signature) error {
	if l.unsigned {
		return errors.New("the license file says of itself that it is not signed")
	}
	over := s.Over
	if over == "" {
		over = Decoded
	}
	if l.Layout == jwt {
		over, s.PSS = Encoded, false
		if l.signed[encodedPSS] != nil {
			over, s.PSS = encodedPSS, true
		}
	}
	if l.signed[over] == nil {
		return fmt.Errorf("%w: %s", ErrNotCheckable, l.Layout)
	}
	h := sha256.Sum256(l.signed[over])
	err := rsa.VerifyPKCS1v15(key, crypto.SHA256, h[:], l.signature)
	if s.PSS {
		err = rsa.VerifyPSS(key, crypto.SHA256, h[:], l.signature, nil)
	}
	if err != nil {
		return errors.New("the license's signature is not by the declared public key: the file was changed, cut short, or issued by somebody else")
	}
	return nil
}

// PublicKey reads a PEM file: a PKIX or PKCS #1 public key, or a certificate.
func PublicKey(file []byte) (*rsa.PublicKey, error) {
	block, _ := pem.Decode(file)
	if block == nil {
		return nil, errors.New("no PEM block in the public key file")
	}
	if k, err := x509.ParsePKCS1PublicKey(block.Bytes); err == nil {
		return k, nil
	}
	if c, err := x509.ParseCertificate(block.Bytes); err == nil {
		if k, ok := c.PublicKey.(*rsa.PublicKey); ok {
			return k, nil
		}
	}
	k, err := x509.ParsePKIXPublicKey(block.Bytes)
	if rk, ok := k.(*rsa.PublicKey); err == nil && ok {
		return rk, nil
	}
	return nil, errors.New("the public key file holds no RSA public key")
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
