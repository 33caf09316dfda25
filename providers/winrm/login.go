package winrm

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"meshrotate/providers/limits"
	"meshrotate/providers/negotiate"
)

// schemeCertificate is the Authorization of a client that shows a certificate (MS-WSMV 2.2.1, DSP0226 C.4).
const schemeCertificate = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"

// login authenticates a new connection. Basic and certificates go with the requests themselves, the first of which
// proves them. The others are handshakes with empty bodies: nothing leaves before the host has accepted the login.
func (s *Session) login(ctx context.Context, c *connection) error {
	switch s.cfg.Auth {
	case Basic:
		pair := append([]byte(s.cfg.User+":"), s.cfg.Password.Expose()...)
		c.authorization = "Basic " + base64.StdEncoding.EncodeToString(pair)
		return nil
	case Certificate:
		c.authorization = schemeCertificate
		return nil
	}
	leave, err := s.cfg.Guard.enter(ctx, &s.cfg)
	if err != nil {
		return s.refusedByGuard(ctx, err)
	}
	ctx, cancel := s.limited(ctx)
	defer cancel()
	if s.cfg.Auth == Kerberos {
		err = s.kerberos(ctx, c)
	} else {
		err = s.ntlm(ctx, c)
	}
	c.proven = err == nil
	leave(err)
	return err
}

// ntlm logs in with two requests, and seals what follows on plain HTTP. Raw NTLM messages travel inside Negotiate.
func (s *Session) ntlm(ctx context.Context, c *connection) error {
	domain, user := account(s.cfg.User)
	login := &ntlmLogin{domain: domain, user: user, password: s.cfg.Password.Expose(), bound: bindings(c)}
	challenge, err := s.leg(ctx, c, login.negotiate())
	if err != nil {
		return err
	}
	if challenge == nil {
		return s.fail(opHandshake, Protocol, violation("the host accepts a login without a challenge"))
	}
	if err := checkChallenge(challenge); err != nil {
		return s.fail(opHandshake, Protocol, err)
	}
	n := newNonces()
	more, err := s.leg(ctx, c, login.authenticate(challenge, n))
	if err != nil {
		return err
	}
	if more != nil { // NTLM has no third message: this is a refusal with a reason in it
		return s.fail(opHandshake, Credential, &httpError{http.StatusUnauthorized})
	}
	if c.sealed {
		c.seal = &sealer{sessionKeys(n.exported[:])}
	}
	return nil
}

// kerberos logs in with one token. The host's own proof is not asked for: TLS has given one. What goes wrong after the
// KDC has given a ticket is the host's: the KDC has taken the credential.
func (s *Session) kerberos(ctx context.Context, c *connection) error {
	spn := negotiate.Service(s.cfg.SPN, s.cfg.Name)
	token, err := s.cfg.Kerberos.Token(ctx, spn)
	if err != nil {
		return s.noTicket(ctx, err)
	}
	more, err := s.leg(ctx, c, token)
	var e *Error
	if more != nil || errors.As(err, &e) && e.Class == Credential {
		return s.fail(opHandshake, Ticket, negotiate.TicketRefused(spn, more, s.cfg.Now()))
	}
	return err
}

// noTicket is the Error for a source that gives no token. Only what the KDC says of the credential itself is the
// credential's; all else is the host's or the KDC's own trouble, or passes.
func (s *Session) noTicket(ctx context.Context, err error) error {
	var e *Error
	var service *negotiate.ServiceError
	switch {
	case ctx.Err() != nil, limits.Met(err) != nil:
		return s.lost(ctx, opHandshake, err)
	case errors.As(err, &e):
		return s.fail(opHandshake, e.Class, err)
	case errors.As(err, new(*negotiate.CredentialError)):
		return s.fail(opHandshake, Credential, err)
	case errors.As(err, &service) && service.Unreachable:
		return s.fail(opHandshake, Unreachable, err)
	}
	return s.fail(opHandshake, Ticket, err)
}

// leg sends one token with an empty body. It returns the host's next token, or nil when the host is content.
func (s *Session) leg(ctx context.Context, c *connection, token []byte) ([]byte, error) {
	s.requests++
	a, err := c.post(ctx, soapType, "Negotiate "+base64.StdEncoding.EncodeToString(token), empty(0), headRoom)
	if err != nil {
		var bad *protocolError
		if errors.As(err, &bad) {
			return nil, s.fail(opHandshake, Protocol, err)
		}
		return nil, s.lost(ctx, opHandshake, err)
	}
	switch a.status {
	case http.StatusOK:
		return nil, nil
	case http.StatusUnauthorized:
		return s.nextToken(a.offers, token)
	}
	return nil, s.answered(opHandshake, a.status)
}

// nextToken finds the token in a 401. Without one the host has refused: the credential, or, right after the first
// NTLM message, which holds none, the way to log in.
func (s *Session) nextToken(offers []string, sent []byte) ([]byte, error) {
	for _, o := range offers {
		if scheme, text, _ := strings.Cut(o, " "); strings.EqualFold(scheme, "Negotiate") && text != "" {
			token, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
			if err != nil {
				return nil, s.fail(opHandshake, Protocol, violation("the host's token is not base64"))
			}
			return token, nil
		}
	}
	if isFirstNTLM(sent) {
		return nil, s.fail(opHandshake, Unsupported, &offerError{"NTLM", "Negotiate", schemes(offers)})
	}
	return nil, s.unauthorized(offers)
}

// unauthorized is the Error for a 401 that answers a credential.
func (s *Session) unauthorized(offers []string) *Error {
	scheme := map[Auth]string{Basic: "Basic", NTLM: "Negotiate", Kerberos: "Negotiate"}[s.cfg.Auth]
	offered := schemes(offers)
	if scheme != "" && len(offered) > 0 && !containsFold(offered, scheme) {
		return s.fail(opHandshake, Unsupported, &offerError{scheme, scheme, offered})
	}
	return s.fail(opHandshake, Credential, &httpError{http.StatusUnauthorized})
}

// An offerError is a way to log in that the host does not take: it does not offer the scheme, or refuses what comes inside.
type offerError struct {
	way, wanted string
	offers      []string
}

func (e *offerError) Error() string {
	return fmt.Sprintf("no %s; the host offers %q", e.way, e.offers)
}

func schemes(offers []string) []string {
	var all []string
	for _, o := range offers {
		scheme, _, _ := strings.Cut(o, " ")
		all = append(all, clip([]byte(scheme)))
	}
	return all
}

func containsFold(all []string, s string) bool {
	for _, a := range all {
		if strings.EqualFold(a, s) {
			return true
		}
	}
	return false
}

// account takes the user as DOMAIN\user, as user@realm or as user, which is an account of the host.
func account(of string) (domain, user string) {
	domain, user, found := strings.Cut(of, `\`)
	if !found {
		return "", of
	}
	if domain == "." {
		domain = ""
	}
	return strings.TrimSpace(domain), user
}

// bindings ties the login to the TLS connection (RFC 5929, tls-server-end-point), so that it cannot be relayed.
func bindings(c *connection) []byte {
	secured, ok := c.Conn.(*tls.Conn)
	if !ok {
		return nil
	}
	leaf := secured.ConnectionState().PeerCertificates[0]
	hash := crypto.SHA256 // also in place of MD5 and SHA-1
	switch leaf.SignatureAlgorithm {
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		hash = crypto.SHA384
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		hash = crypto.SHA512
	}
	h := hash.New()
	h.Write(leaf.Raw)
	return h.Sum([]byte("tls-server-end-point:"))
}
