// Package tlshint tells the ways in which a TLS handshake fails apart: each has another remedy. The texts of alerts and of
// certificates' faults are those of Go's crypto/tls and crypto/x509.
package tlshint

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// Server is who was called, and what can be done about it there.
type Server struct {
	Host   string // its name
	Who    string // "the host", "the Admin service"
	CAFile string // the setting that names trusted authorities
	Rename string // how it is called by another name
	Plain  string // what to do when the port does not speak TLS
	Renew  string // where a new certificate is put
	Client string // what to do when it refuses ours
	Asked  bool   // it asked for a client's certificate, and we have none
	Log    string // where it says why it gave up
}

// Hint is what to do about an error of a handshake.
func Hint(err error, s Server) string {
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	switch {
	case errors.As(err, new(tls.RecordHeaderError)):
		return s.Plain
	case errors.As(err, &invalid):
		return s.invalid(invalid)
	case errors.As(err, &name):
		return s.name(name.Certificate)
	case errors.As(err, new(x509.UnknownAuthorityError)) && !strings.Contains(err.Error(), "insecure algorithm"):
		return s.unknown(err)
	}
	return s.alert(err.Error())
}

// unknown is about an authority that nobody here knows. One between it and a known one may be missing, which the server is to send.
func (s Server) unknown(err error) string {
	hint := "name the authority that issued the certificate of " + s.Who + " in " + s.CAFile + ", or give it a certificate of an authority that is trusted here"
	var verify *tls.CertificateVerificationError
	if !errors.As(err, &verify) || len(verify.UnverifiedCertificates) == 0 {
		return hint
	}
	last := verify.UnverifiedCertificates[len(verify.UnverifiedCertificates)-1]
	if bytes.Equal(last.RawIssuer, last.RawSubject) {
		return hint
	}
	return hint + fmt.Sprintf("; where that is known, an authority between it and the certificate is not sent: have %s send the certificate of %q as well (on Windows: in its store Intermediate Certification Authorities), or name that in %s", s.Who, last.Issuer.CommonName, s.CAFile)
}

func (s Server) invalid(e x509.CertificateInvalidError) string {
	switch e.Reason {
	case x509.Expired: // or not yet valid: the library has one reason for both
		day := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
		if strings.Contains(e.Detail, "is before") {
			return fmt.Sprintf("the certificate of %s, or one above it, is valid from %s only: set the clock of this machine, and of the authority that issued it too early", s.Who, day(e.Cert.NotBefore))
		}
		return fmt.Sprintf("the certificate of %s, or one above it, has expired on %s: renew it and %s; if it has not, set the clock of this machine", s.Who, day(e.Cert.NotAfter), s.Renew)
	case x509.IncompatibleUsage:
		return "the certificate of " + s.Who + " is not for servers: issue one with the usage Server Authentication (1.3.6.1.5.5.7.3.1)"
	}
	return "a certificate in the chain of " + s.Who + " breaks the rules of its authority: have it issued anew"
}

func (s Server) name(c *x509.Certificate) string {
	called := "the DNS name " + s.Host
	if net.ParseIP(strings.Trim(s.Host, "[]")) != nil { // which a DNS name does not cover
		called = "the IP address " + s.Host
	}
	if c != nil && len(c.DNSNames)+len(c.IPAddresses) == 0 {
		return fmt.Sprintf("the certificate names its host in the subject only, which nobody reads any more (RFC 9525): issue one with %s (subjectAltName)", called)
	}
	return fmt.Sprintf("%s; or issue a certificate with %s (subjectAltName)", s.Rename, called)
}

// alert is about what one side says when it gives a handshake up: the library has texts for it only.
func (s Server) alert(text string) string {
	has := func(some ...string) bool {
		for _, one := range some {
			if strings.Contains(text, one) {
				return true
			}
		}
		return false
	}
	switch {
	case has("protocol version"):
		return s.Who + " speaks older versions only: enable TLS 1.2 there (Schannel, Protocols\\TLS 1.2\\Server)"
	case has("remote error") && has("handshake failure") && s.Asked:
		return s.Client
	case has("handshake failure", "insufficient security", "cipher suite"):
		return s.Who + " and this machine have no cipher suite in common: allow one with ECDHE and AES-GCM there (Get-TlsCipherSuite), and see that its certificate has a private key"
	case has("remote error") && has("certificate", "access denied"):
		return s.Client
	case has("unrecognized name"):
		return s.Who + " has no certificate for this name: call it by another one, or bind a certificate for this one"
	case has("insecure algorithm"):
		return "the certificate is signed with an algorithm that is not trusted any more: issue one signed with SHA-256"
	}
	return s.Log
}
