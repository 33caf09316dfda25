// Package pfx reads PFX files (PKCS #12, RFC 7292), as people export certificates with their keys.
package pfx

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"software.sslmate.com/src/go-pkcs12"

	"meshrotate/reconciler/secret"
)

// ErrPassword is a password that does not open the file.
var ErrPassword = errors.New("the password does not open the PFX")

// Open returns the certificate whose key is in the file.
func Open(file, password secret.Value) (*x509.Certificate, error) {
	_, c, _, err := pkcs12.DecodeChain(file.Expose(), string(password.Expose()))
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword), errors.Is(err, pkcs12.ErrDecryption):
		return nil, ErrPassword
	case err != nil:
		return nil, fmt.Errorf("the PFX cannot be read: %w", err)
	}
	return c, nil
}

// SHA1 is a certificate's thumbprint, as Windows shows it.
func SHA1(c *x509.Certificate) string {
	sum := sha1.Sum(c.Raw)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// SHA256 is the longer one.
func SHA256(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// SignsCode says that the certificate may sign code: it says so, or is for any purpose.
func SignsCode(c *x509.Certificate) bool {
	return len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny) || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageCodeSigning)
}
