package webauth

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/binary"
	"errors"
)

// checkBindings compares the channel bindings that a client saw with the server's certificate. A login that was
// relayed from another TLS connection carries other ones.
func (c *Conn) checkBindings(got [16]byte) error {
	if c.tls == nil || c.rules.Certificate == nil {
		return nil
	}
	if got == [16]byte{} {
		if c.rules.RequireBindings {
			return errors.New("channel bindings are required")
		}
		return nil
	}
	if got != endpointBindings(c.rules.Certificate) {
		return errors.New("channel bindings of another certificate")
	}
	return nil
}

// endpointBindings is the MD5 of a gss_channel_bindings_struct whose addresses are empty and whose application data is
// tls-server-end-point (RFC 5929 4.1; MS-NLMP 2.2.2.1, MsvAvChannelBindings). The certificate is hashed by the
// algorithm of its signature; MD5 and SHA-1 give way to SHA-256.
func endpointBindings(cert *x509.Certificate) [16]byte {
	var hash []byte
	switch cert.SignatureAlgorithm {
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384, x509.SHA384WithRSAPSS:
		sum := sha512.Sum384(cert.Raw)
		hash = sum[:]
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512, x509.SHA512WithRSAPSS:
		sum := sha512.Sum512(cert.Raw)
		hash = sum[:]
	default:
		sum := sha256.Sum256(cert.Raw)
		hash = sum[:]
	}
	data := append([]byte("tls-server-end-point:"), hash...)
	bindings := make([]byte, 16, 20+len(data))
	bindings = binary.LittleEndian.AppendUint32(bindings, uint32(len(data)))
	return md5.Sum(append(bindings, data...))
}
