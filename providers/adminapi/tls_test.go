package adminapi_test

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
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/adminapi"
	"meshrotate/reconciler"
)

// Each way in which TLS fails is named, with its own remedy.
func TestTLSFailures(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		certificate func(*x509.Certificate)
		server      func(*tls.Config)
		stranger    bool // its authority is not declared
		kind        adminapi.Kind
		hint        string
	}{
		"as it should be":     {},
		"unknown authority":   {stranger: true, kind: adminapi.Untrusted, hint: "connect.adminApi.caFile"},
		"expired":             {certificate: func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, kind: adminapi.Untrusted, hint: "has expired on"},
		"not yet valid":       {certificate: func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }, kind: adminapi.Untrusted, hint: "set the clock"},
		"another name":        {certificate: func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"elsewhere.example"} }, kind: adminapi.Untrusted, hint: "connect.adminApi.url"},
		"no name at all":      {certificate: func(c *x509.Certificate) { c.IPAddresses = nil }, kind: adminapi.Untrusted, hint: "RFC 9525"},
		"not for servers":     {certificate: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, kind: adminapi.Untrusted, hint: "1.3.6.1.5.5.7.3.1"},
		"an old version only": {server: func(c *tls.Config) { c.MaxVersion = tls.VersionTLS11; c.MinVersion = tls.VersionTLS10 }, kind: adminapi.TLS, hint: "TLS 1.2"},
		"no cipher in common": {server: func(c *tls.Config) {
			c.MaxVersion = tls.VersionTLS12
			c.CipherSuites = []uint16{tls.TLS_RSA_WITH_RC4_128_SHA}
		}, kind: adminapi.TLS, hint: "cipher suite"},
		"a client's is demanded": {server: func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }, kind: adminapi.TLS, hint: "client certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "im-admin"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
				IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
			if c.certificate != nil {
				c.certificate(template)
			}
			der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
			if err != nil {
				t.Fatal(err)
			}
			s := httptest.NewUnstartedServer(answers(200, "application/json", `[]`))
			s.Config.ErrorLog = nolog()
			s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
			if c.server != nil {
				c.server(s.TLS)
			}
			s.StartTLS()
			t.Cleanup(s.Close)
			config := adminapi.Config{URL: s.URL, CAPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
			if c.stranger {
				config.CAPEM = nil
			}
			_, err = open(t, config).Relays(t.Context())
			if adminapi.KindOf(err) != c.kind || (err == nil) != (c.hint == "") {
				t.Fatalf("%v", err)
			}
			if hint := reconciler.HintOf(err); !strings.Contains(hint, c.hint) {
				t.Errorf("%v\nhint: %s", err, hint)
			}
		})
	}
}
