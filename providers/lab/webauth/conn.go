// Package webauth is how the lab's HTTP servers tell who is calling: Negotiate (NTLM or Kerberos), NTLM, Basic, bearer
// tokens and client certificates.
//
// It is a test double: it exists to prove a client wrong. As on Windows, an NTLM login belongs to the connection, not
// to the request, so the state is a Conn and lives as long as the connection does. Rules.Wrap guards an http.Handler;
// a server with its own connection loop calls Conn.Authenticate itself. Tokens is an OAuth 2.0 token endpoint for the
// client-credentials grant (RFC 6749 4.4).
package webauth

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/spnego"

	"meshrotate/providers/lab/ntlm"
)

// Rules say who may come in, and how. The zero Rules let nobody in.
type Rules struct {
	// NTLM knows the users of Negotiate, NTLM and Basic.
	NTLM ntlm.Server
	// Negotiate, RawNTLM and Basic switch the schemes on. Negotiate takes raw NTLM tokens as well, as Windows does.
	Negotiate, RawNTLM, Basic bool
	// Kerberos verifies tickets inside Negotiate; nil means NTLM only.
	Kerberos *Kerberos
	// Bearer checks an access token and names its owner; nil switches the scheme off.
	Bearer func(token string) (user string, ok bool)
	// CertificateUser maps a client's certificate to a user; nil switches the scheme off. The TLS configuration
	// must ask for certificates, and the server relies on this function to verify them.
	CertificateUser func(*x509.Certificate) (user string, ok bool)
	// Certificate is the server's own: with it, channel bindings that a client sends are verified (RFC 5929,
	// tls-server-end-point). Nil skips that.
	Certificate *x509.Certificate
	// RequireBindings refuses an NTLM login over TLS without channel bindings, as hardened servers do.
	RequireBindings bool
}

// MutualTLS is the authorization header of a client that logs in by its certificate (DSP0226 C.3.3).
const MutualTLS = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"

// Conn is the login state of one connection. It serves one request at a time.
type Conn struct {
	rules *Rules
	tls   *tls.ConnectionState
	login *ntlm.Login
	user  string
	seal  *ntlm.Context
}

// NewConn starts without a login. state is nil for a connection in the clear.
func (r *Rules) NewConn(state *tls.ConnectionState) *Conn { return &Conn{rules: r, tls: state} }

// Answer is what one request's authorization led to.
type Answer struct {
	// User is who calls; empty means that the request must be refused with Status.
	User string
	// Status is 0 when User is set, else 401.
	Status int
	// Challenges are the values for WWW-Authenticate. They can be there beside a User: the last token of a login.
	Challenges []string
	// Reason says for the server's own log why a login failed; nil when none was tried.
	Reason error
}

// Seal is the NTLM context of this connection; nil before an NTLM login.
func (c *Conn) Seal() *ntlm.Context { return c.seal }

// User is who the connection belongs to; empty without a login that lasts longer than a request.
func (c *Conn) User() string { return c.user }

// Authenticate looks at one request's Authorization header, which may be empty.
func (c *Conn) Authenticate(authorization string) Answer {
	scheme, token, _ := strings.Cut(authorization, " ")
	token = strings.TrimSpace(token)
	r := c.rules
	switch {
	case authorization == "":
		if c.user != "" {
			return Answer{User: c.user}
		}
		return c.refuse(nil)
	case strings.EqualFold(scheme, "Negotiate") && r.Negotiate, strings.EqualFold(scheme, "NTLM") && r.RawNTLM:
		return c.negotiate(scheme, token)
	case strings.EqualFold(scheme, "Basic") && r.Basic:
		return c.basic(token)
	case strings.EqualFold(scheme, "Bearer") && r.Bearer != nil:
		if user, ok := r.Bearer(token); ok {
			return Answer{User: user}
		}
		return c.refuse(errors.New("bearer: unknown or expired token"))
	case authorization == MutualTLS && r.CertificateUser != nil:
		return c.certificate()
	}
	return c.refuse(fmt.Errorf("scheme %q is not offered", scheme))
}

// refuse forgets the connection's login and offers every scheme.
func (c *Conn) refuse(reason error) Answer {
	c.login, c.user, c.seal = nil, "", nil
	return Answer{Status: http.StatusUnauthorized, Challenges: c.rules.offers(), Reason: reason}
}

func (r *Rules) offers() (out []string) {
	if r.Negotiate {
		out = append(out, "Negotiate")
	}
	if r.RawNTLM {
		out = append(out, "NTLM")
	}
	if r.Basic {
		out = append(out, `Basic realm="WSMAN"`)
	}
	if r.Bearer != nil {
		out = append(out, "Bearer")
	}
	return out
}

func (c *Conn) negotiate(scheme, token string) Answer {
	raw, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return c.refuse(fmt.Errorf("%s: %w", scheme, err))
	}
	if c.login == nil {
		c.user, c.seal = "", nil
		if c.rules.Kerberos != nil {
			if inner, mech, err := parseKerberos(raw); err == nil {
				return c.kerberos(inner, mech)
			}
		}
		c.login = &ntlm.Login{Server: &c.rules.NTLM}
	}
	reply, seal, err := c.login.Step(raw)
	if err != nil {
		return c.refuse(err)
	}
	var challenges []string
	if len(reply) > 0 {
		challenges = []string{scheme + " " + base64.StdEncoding.EncodeToString(reply)}
	}
	if seal == nil {
		return Answer{Status: http.StatusUnauthorized, Challenges: challenges}
	}
	if err := c.checkBindings(seal.ChannelBindings); err != nil {
		return c.refuse(err)
	}
	c.login, c.seal, c.user = nil, seal, seal.User
	return Answer{User: c.user, Challenges: challenges}
}

// kerberos logs the connection in with one token, as IIS does by default.
func (c *Conn) kerberos(inner *spnego.KRB5Token, mech asn1.ObjectIdentifier) Answer {
	user, reply, err := c.rules.Kerberos.accept(inner, mech)
	if err != nil {
		return c.refuse(fmt.Errorf("kerberos: %w", err))
	}
	c.user = user
	answer := Answer{User: user}
	if len(reply) > 0 {
		answer.Challenges = []string{"Negotiate " + base64.StdEncoding.EncodeToString(reply)}
	}
	return answer
}

func (c *Conn) basic(token string) Answer {
	raw, err := base64.StdEncoding.DecodeString(token)
	user, given, found := strings.Cut(string(raw), ":")
	if err != nil || !found {
		return c.refuse(errors.New("basic: malformed credentials"))
	}
	if _, name, domain := strings.Cut(user, `\`); domain {
		user = name
	}
	if c.rules.NTLM.Password != nil {
		if password, ok := c.rules.NTLM.Password(user); ok && password == given {
			return Answer{User: user}
		}
	}
	return c.refuse(fmt.Errorf("basic, user %q: %w", user, ntlm.ErrLogon))
}

func (c *Conn) certificate() Answer {
	if c.tls == nil || len(c.tls.PeerCertificates) == 0 {
		return c.refuse(errors.New("certificate: the client showed none"))
	}
	user, ok := c.rules.CertificateUser(c.tls.PeerCertificates[0])
	if !ok {
		return c.refuse(errors.New("certificate: it belongs to nobody"))
	}
	return Answer{User: user}
}
