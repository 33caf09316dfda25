package tds

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// Begin is when what is issued is valid from: on virtual clocks, too, which begin in the year 2000.
var Begin = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)

// Issue makes a certificate authority and a certificate of it, for names and for 127.0.0.1. The authority's own
// certificate comes as PEM.
func Issue(names ...string) (server tls.Certificate, authority []byte, err error) {
	a, err := NewAuthority()
	if err != nil {
		return server, nil, err
	}
	server, err = a.Issue(Begin, time.Now().AddDate(30, 0, 0), names...)
	return server, a.PEM(), err
}

// Authority issues certificates.
type Authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	der  []byte
}

// NewAuthority makes one.
func NewAuthority() (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Lab CA"}, NotBefore: Begin, NotAfter: time.Now().AddDate(30, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, &key.PublicKey, key)
	return &Authority{key, ca, der}, err
}

// PEM is its own certificate.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.der})
}

// Issue makes a certificate that is valid for a while, for names and for 127.0.0.1.
func (a *Authority) Issue(from, to time.Time, names ...string) (server tls.Certificate, err error) {
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return server, err
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]}, NotBefore: from, NotAfter: to,
		DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, leaf, a.cert, &own.PublicKey, a.key)
	return tls.Certificate{Certificate: [][]byte{der, a.der}, PrivateKey: own}, err
}
