package pfx_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"meshrotate/providers/pfx"
	"meshrotate/reconciler/secret"
)

func certificate(t *testing.T, use ...x509.ExtKeyUsage) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Build"}, ExtKeyUsage: use, NotAfter: time.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err == nil {
		c, err = x509.ParseCertificate(der)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c, key
}

// The forms that Windows has exported over the years open, and nothing else does.
func TestOpen(t *testing.T) {
	c, key := certificate(t, x509.ExtKeyUsageCodeSigning)
	for name, form := range map[string]*pkcs12.Encoder{"AES": pkcs12.Modern, "TripleDES": pkcs12.LegacyDES, "RC2": pkcs12.LegacyRC2} {
		b, err := form.Encode(key, c, nil, "päss wörd")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := pfx.Open(t.Context(), secret.New(b), secret.NewString("päss wörd")); err != nil || pfx.SHA1(got) != pfx.SHA1(c) || len(pfx.SHA1(got)) != 40 || len(pfx.SHA256(got)) != 64 {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := pfx.Open(t.Context(), secret.New(b), secret.NewString("another")); !errors.Is(err, pfx.ErrPassword) {
			t.Errorf("%s: another password: %v", name, err)
		}
		if _, err := pfx.Open(t.Context(), secret.New(b[:len(b)/2]), secret.NewString("päss wörd")); err == nil {
			t.Errorf("%s: half of it opens", name)
		}
	}
	if _, err := pfx.Open(t.Context(), secret.NewString("-----BEGIN CERTIFICATE-----"), secret.NewString("x")); !errors.Is(err, pfx.ErrForm) {
		t.Errorf("a file of another kind: %v", err)
	}
	b, err := pkcs12.Modern.EncodeTrustStore([]*x509.Certificate{c}, "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pfx.Open(t.Context(), secret.New(b), secret.NewString("x")); !errors.Is(err, pfx.ErrNoKey) {
		t.Errorf("without its key: %v", err)
	}
}

// A file says itself how much work it is. Whoever is interrupted does not wait for it.
func TestOpenIsEnded(t *testing.T) {
	c, key := certificate(t, x509.ExtKeyUsageCodeSigning)
	b, err := pkcs12.Modern.WithIterations(1<<20).Encode(key, c, nil, "x")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := pfx.Open(ctx, secret.New(b), secret.NewString("x")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestSignsCode(t *testing.T) {
	for want, use := range map[bool][]x509.ExtKeyUsage{true: {x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageCodeSigning}, false: {x509.ExtKeyUsageServerAuth}} {
		if c, _ := certificate(t, use...); pfx.SignsCode(c) != want {
			t.Errorf("%v", use)
		}
	}
	if c, _ := certificate(t); !pfx.SignsCode(c) {
		t.Error("one for any purpose")
	}
}
