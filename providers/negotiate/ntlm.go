package negotiate

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/bodgit/ntlmssp"
)

// handshake is the client's side of one NTLMv2 exchange (MS-NLMP 3.1.5.1). It uses the messages of bodgit/ntlmssp,
// which give a MIC and channel bindings: servers with Extended Protection demand them.
type handshake struct{ client *ntlmssp.Client }

func newHandshake(c Credential) (*handshake, error) {
	user, domain := c.split()
	if user == "" || c.Password.IsZero() {
		return nil, errors.New("NTLM: a user and a password are needed")
	}
	client, err := ntlmssp.NewClient(
		ntlmssp.SetUserInfo(user, string(c.Password.Expose())),
		ntlmssp.SetDomain(domain),
		ntlmssp.SetVersion(ntlmssp.DefaultVersion()),
	)
	if err != nil {
		return nil, fmt.Errorf("NTLM: %w", err)
	}
	return &handshake{client}, nil
}

func (h *handshake) negotiate() ([]byte, error) { return h.client.Authenticate(nil, nil) }

// authenticate answers the server's challenge. The challenge is a stranger's bytes: the library's panics are errors,
// and its error texts, which may quote them, are dropped.
func (h *handshake) authenticate(challenge []byte, binding *ntlmssp.ChannelBindings) (answer []byte, err error) {
	defer func() {
		if recover() != nil {
			answer, err = nil, errChallenge
		}
	}()
	if len(challenge) == 0 {
		return nil, errChallenge
	}
	if len(challenge) >= 24 && binary.LittleEndian.Uint32(challenge[20:])&flagAnonymous != 0 {
		return nil, errAnonymous // the library would leave the password out
	}
	if answer, err = h.client.Authenticate(challenge, binding); err != nil {
		return nil, errChallenge
	}
	return answer, nil
}

var (
	errChallenge   = errors.New("NTLM: the server's challenge cannot be read")
	errAnonymous   = errors.New("NTLM: the server asks for an anonymous sign-in")
	errNoChallenge = errors.New("NTLM: the server answered a request without its body and asked for no sign-in")
)

// flagAnonymous is NTLMSSP_NEGOTIATE_ANONYMOUS (MS-NLMP 2.2.2.5).
const flagAnonymous = 0x800

// channelBinding ties a handshake to the TLS connection by the server's certificate (RFC 5929, section 4.1). It is
// nil without TLS.
func channelBinding(state *tls.ConnectionState) *ntlmssp.ChannelBindings {
	if state == nil || len(state.PeerCertificates) == 0 {
		return nil
	}
	cert := state.PeerCertificates[0]
	h := crypto.SHA256 // also where the certificate was signed with MD5 or SHA-1
	switch cert.SignatureAlgorithm {
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		h = crypto.SHA384
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		h = crypto.SHA512
	}
	sum := h.New()
	sum.Write(cert.Raw)
	return &ntlmssp.ChannelBindings{ApplicationData: sum.Sum([]byte(ntlmssp.TLSServerEndPoint + ":"))}
}
