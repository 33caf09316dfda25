package winrm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"math/big"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// certify makes a certificate for name that signs itself.
func certify(t testing.TB, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return certifyKey(t, name, key)
}

func certifyKey(t testing.TB, name string, key crypto.Signer) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

func TestHTTPS(t *testing.T) {
	own, roots := certify(t, "relay01")
	person, people := certify(t, "operator")
	k := &ticket{token: "token"}
	for _, c := range []struct {
		name     string
		change   func(*Config)
		token    string
		client   bool
		requests int
	}{
		{name: "basic", change: func(c *Config) { c.Auth, c.User = Basic, "admin" }, requests: 6},
		{name: "ntlm", change: func(*Config) {}, requests: 8},
		{name: "kerberos", change: func(c *Config) { c.Auth, c.Kerberos = Kerberos, k }, token: "token", requests: 7},
		{name: "another service", change: func(c *Config) { c.Auth, c.Kerberos, c.SPN = Kerberos, k, "WSMAN" }, token: "token", requests: 7},
		{name: "another account's service", change: func(c *Config) { c.Auth, c.Kerberos, c.SPN = Kerberos, k, "HOST/alias" }, token: "token", requests: 7},
		{name: "certificate", change: func(c *Config) { c.Auth, c.Certificate = Certificate, &person }, client: true, requests: 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := &server{t: t, wantToken: c.token}
			side := &tls.Config{Certificates: []tls.Certificate{own}}
			if c.client {
				side.ClientAuth, side.ClientCAs = tls.RequireAndVerifyClientCert, people
			}
			cfg := sealing(srv.start(side))
			cfg.HTTPS, cfg.TLS = true, &tls.Config{RootCAs: roots}
			c.change(&cfg)
			s, err := Open(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if out, err := run(t.Context(), s, []byte("x")); err != nil || string(out.Stdout) != "x" {
				t.Errorf("got %q, %v", out.Stdout, err)
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if s.Requests() != c.requests {
				t.Errorf("%d requests instead of %d", s.Requests(), c.requests)
			}
			if c.name == "ntlm" && srv.logins[0].ChannelBindings != channelBindings(own.Leaf) {
				t.Error("the login is not bound to the channel")
			}
		})
	}
	if want := []string{"HTTP/relay01", "WSMAN/relay01", "HOST/alias"}; !slices.Equal(k.spns, want) {
		t.Errorf("tokens for %q: one for each connection", k.spns)
	}
}

// channelBindings is what MS-NLMP 2.2.2.1 says: MD5 over gss_channel_bindings_struct with RFC 5929's data.
func channelBindings(leaf *x509.Certificate) [16]byte {
	hash := sha256.Sum256(leaf.Raw)
	data := append([]byte("tls-server-end-point:"), hash[:]...)
	b := binary.LittleEndian.AppendUint32(make([]byte, 16), uint32(len(data)))
	return md5.Sum(append(b, data...))
}

func TestTLSIsVerified(t *testing.T) {
	own, roots := certify(t, "relay01")
	for _, c := range []struct {
		name   string
		change func(*Config)
		class  Class
		says   string
	}{
		{"unknown authority", func(c *Config) { c.TLS = nil }, TLS, `issued by "CN=relay01"`},
		{"wrong name", func(c *Config) { c.Name = "relay02" }, TLS, "for relay01"},
		{"expired", func(c *Config) { c.TLS.Time = func() time.Time { return time.Now().Add(48 * time.Hour) } }, TLS, "valid until"},
		{"verification switched off", func(c *Config) { c.TLS.InsecureSkipVerify = true }, Refused, "always verified"},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := &server{t: t}
			cfg := sealing(srv.start(&tls.Config{Certificates: []tls.Certificate{own}}))
			cfg.HTTPS, cfg.TLS = true, &tls.Config{RootCAs: roots}
			c.change(&cfg)
			_, err := Open(t.Context(), cfg)
			wantClass(t, err, c.class, false)
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("%q does not say %q", err, c.says)
			}
			if srv.count("Handshake") != 0 {
				t.Error("it logged in")
			}
		})
	}
	t.Run("http on that port", func(t *testing.T) {
		srv := &server{t: t}
		cfg := sealing(srv.start(nil))
		cfg.HTTPS = true
		_, err := Open(t.Context(), cfg)
		var e *Error
		if !errors.As(err, &e) || e.Class != TLS && e.Class != Unreachable {
			t.Errorf("got %v", err)
		}
	})
}

// changed makes a certificate for relay01 that differs in one thing.
func changed(t *testing.T, change func(*x509.Certificate)) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "relay01"}, DNSNames: []string{"relay01"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

func TestEachTLSFailureHasItsHint(t *testing.T) {
	same := func(*x509.Certificate) {}
	person, _ := certify(t, "operator")
	for _, c := range []struct {
		name   string
		leaf   func(*x509.Certificate)
		server func(*tls.Config)
		client func(*Config)
		hint   string
	}{
		{"unknown authority", same, nil, func(c *Config) { c.TLS = nil }, "connect.winrm.caFile"},
		{"expired", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, nil, nil, "has expired on"},
		{"not yet valid", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }, nil, nil, "is valid from"},
		{"another name", same, nil, func(c *Config) { c.Name = "relay02" }, "by a name that its certificate holds"},
		{"no name", func(c *x509.Certificate) { c.DNSNames = nil }, nil, nil, "in the subject only"},
		{"not for servers", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, nil, nil, "Server Authentication"},
		{"old version", same, func(s *tls.Config) { s.MinVersion, s.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, nil, "enable TLS 1.2"},
		{"no cipher suite", same, func(s *tls.Config) {
			s.MaxVersion, s.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
		}, func(c *Config) {
			c.TLS.MaxVersion, c.TLS.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
		}, "no cipher suite in common"},
		{"client certificate refused", same, func(s *tls.Config) { s.ClientAuth, s.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool() },
			func(c *Config) { c.Auth, c.Certificate = Certificate, &person }, "certmapping"},
	} {
		t.Run(c.name, func(t *testing.T) {
			own, roots := changed(t, c.leaf)
			side := &tls.Config{Certificates: []tls.Certificate{own}}
			if c.server != nil {
				c.server(side)
			}
			srv := &server{t: t}
			cfg := sealing(srv.start(side))
			cfg.HTTPS, cfg.TLS = true, &tls.Config{RootCAs: roots}
			if c.client != nil {
				c.client(&cfg)
			}
			_, err := Open(t.Context(), cfg)
			wantClass(t, err, TLS, false)
			if !strings.Contains(hintOf(err), c.hint) {
				t.Errorf("%v\nhint %q does not say %q", err, hintOf(err), c.hint)
			}
		})
	}
	t.Run("plain http on the port", func(t *testing.T) {
		web := httptest.NewServer(nil)
		defer web.Close()
		cfg := sealing(strings.TrimPrefix(web.URL, "http://"))
		cfg.HTTPS = true
		_, err := Open(t.Context(), cfg)
		wantClass(t, err, TLS, false)
		if !strings.Contains(hintOf(err), "does not speak TLS") {
			t.Errorf("%v\nhint: %s", err, hintOf(err))
		}
	})
}
