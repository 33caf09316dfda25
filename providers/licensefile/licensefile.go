// Package licensefile reads IdentityMesh's license.key: a signed statement of customer, tier and expiry.
//
// The file is text: the payload in base64, a dot, the signature in base64. The payload is JSON; the signature is RSA
// PKCS #1 v1.5 over the payload's bytes with SHA-256. A JSON Web Token (RFC 7519, RS256), whose payload is the middle
// one of three parts, is read too. The product's documents say only that the file is "an RSA-signed payload", so
// nothing beyond the named claims is demanded of it.
package licensefile

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
)

// License is what a license file says. It is customer data, not a secret.
type License struct {
	Customer string    `json:"customerName"`
	Tier     string    `json:"tier"`
	Expires  time.Time `json:"expiresUtc"`

	signed, signature []byte
}

// maxSize bounds a file, in bytes. Real ones have a few hundred.
const maxSize = 64 << 10

// Parse reads a license file. Errors never quote the file.
func Parse(file []byte) (*License, error) {
	if len(file) > maxSize {
		return nil, fmt.Errorf("a license file of %d bytes: at most %d are read", len(file), maxSize)
	}
	text := bytes.TrimSpace(bytes.TrimPrefix(file, []byte("\xef\xbb\xbf")))
	if len(text) == 0 {
		return nil, errors.New("the license file is empty")
	}
	parts := strings.Split(string(text), ".")
	payload := parts[0]
	switch len(parts) {
	case 2:
	case 3:
		payload = parts[1]
	default:
		return nil, errors.New("not a license file, or cut short: it should be a payload, a dot and a signature")
	}
	l := &License{}
	body, err := decode(payload)
	if err == nil {
		l.signature, err = decode(parts[len(parts)-1])
	}
	if err != nil || len(l.signature) == 0 {
		return nil, errors.New("the license file is damaged or cut short: it is not base64")
	}
	l.signed = body
	if len(parts) == 3 {
		l.signed = []byte(parts[0] + "." + parts[1])
	}
	if err := json.Unmarshal(body, l); err != nil {
		return nil, errors.New("the license file is damaged: its payload is not the expected JSON")
	}
	if l.Customer == "" || l.Tier == "" || l.Expires.IsZero() {
		return nil, errors.New("the license file does not name a customer, a tier and an expiry")
	}
	return l, nil
}

// decode takes both base64 alphabets, padded or not.
func decode(s string) ([]byte, error) {
	s = strings.NewReplacer("-", "+", "_", "/", "\r", "", "\n", "").Replace(strings.TrimRight(s, "="))
	return base64.RawStdEncoding.DecodeString(s)
}

// Verify checks the signature.
func (l *License) Verify(key *rsa.PublicKey) error {
	h := sha256.Sum256(l.signed)
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, h[:], l.signature); err != nil {
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
