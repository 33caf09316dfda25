package tlshint

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net"
	"strings"
	"testing"
)

// Each hint is for what happened.
func TestHints(t *testing.T) {
	leaf := &x509.Certificate{RawSubject: []byte("leaf"), RawIssuer: []byte("issuing"), Issuer: pkix.Name{CommonName: "Contoso Issuing CA"}, DNSNames: []string{"elsewhere.example"}}
	self := &x509.Certificate{RawSubject: []byte("self"), RawIssuer: []byte("self"), DNSNames: []string{"a"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	unknown := func(c *x509.Certificate) error {
		return &tls.CertificateVerificationError{UnverifiedCertificates: []*x509.Certificate{c}, Err: x509.UnknownAuthorityError{Cert: c}}
	}
	const cipher = "remote error: tls: handshake failure"
	for _, c := range []struct {
		reason, host string
		err          error
		asked        bool
		says, not    string
	}{
		{"an authority in between is missing", "im-admin", unknown(leaf), false, `send the certificate of "Contoso Issuing CA"`, ""},
		{"nothing is in between", "im-admin", unknown(self), false, "name the authority", "Intermediate"},
		{"an address in the URL", "192.0.2.7", x509.HostnameError{Certificate: leaf, Host: "192.0.2.7"}, false, "the IP address 192.0.2.7", "DNS name"},
		{"an address of version 6", "2001:db8::7", x509.HostnameError{Certificate: &x509.Certificate{}, Host: "2001:db8::7"}, false, "the IP address 2001:db8::7", "DNS name"},
		{"a name in the URL", "im-admin", x509.HostnameError{Certificate: leaf, Host: "im-admin"}, false, "the DNS name im-admin", ""},
		{"it asked for a certificate", "im-admin", errors.New(cipher), true, "CLIENT", "cipher"},
		{"it did not", "im-admin", errors.New(cipher), false, "cipher suite", "CLIENT"},
	} {
		hint := Hint(c.err, Server{Host: c.host, Who: "the Admin service", CAFile: "caFile", Client: "CLIENT", Asked: c.asked})
		if !strings.Contains(hint, c.says) || c.not != "" && strings.Contains(hint, c.not) {
			t.Errorf("%s: %s", c.reason, hint)
		}
	}
}
