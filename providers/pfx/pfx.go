// Package pfx reads PFX files (PKCS #12, RFC 7292), as people export certificates with their keys.
package pfx

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"meshrotate/reconciler/secret"
)

// ErrPassword is a password that does not open the file.
var ErrPassword = errors.New("the password does not open the PFX")

// ErrForm is a file that is no PFX at all, and ErrNoKey one with certificates only.
var (
	ErrForm  = errors.New("the file is no PFX (PKCS #12)")
	ErrNoKey = errors.New("the PFX has no private key in it")
	ErrLong  = fmt.Errorf("the PFX could not be opened in %s: it wants its password hashed more often than anybody needs", most)
)

// Hint is what to do about an error of Open.
func Hint(err error) string {
	switch {
	case errors.Is(err, ErrForm):
		return "name a file that was exported as PFX, as it was exported: no PEM, no text, nothing cut off"
	case errors.Is(err, ErrNoKey):
		return "export the certificate again, with its private key"
	case errors.Is(err, ErrPassword):
		return "see that the file and the password belong together"
	}
	return "export it again, as PFX with one certificate and its private key"
}

// most is how long a file may take to be opened. It says itself how often its password is to be hashed, be it two thousand million times; what
// Windows exports is opened in milliseconds.
const most = 20 * time.Second

// Open returns the certificate whose key is in the file. Where that takes too long, or nobody waits any more, it goes on behind.
func Open(ctx context.Context, file, password secret.Value) (*x509.Certificate, error) {
	type opened struct {
		c   *x509.Certificate
		err error
	}
	limited, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	done := make(chan opened, 1)
	go func() {
		c, err := open(file, password)
		done <- opened{c, err}
	}()
	select {
	case o := <-done:
		return o.c, o.err
	case <-limited.Done():
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, ErrLong
	}
}

func open(file, password secret.Value) (*x509.Certificate, error) {
	var whole asn1.RawValue
	if rest, err := asn1.Unmarshal(file.Expose(), &whole); err != nil || len(rest) > 0 || whole.Tag != asn1.TagSequence {
		return nil, ErrForm // the library's words are about its own types
	}
	_, c, _, err := pkcs12.DecodeChain(file.Expose(), string(password.Expose()))
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword), errors.Is(err, pkcs12.ErrDecryption):
		return nil, ErrPassword
	case err != nil && strings.Contains(err.Error(), "private key missing"): // it has no name of its own
		return nil, ErrNoKey
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
