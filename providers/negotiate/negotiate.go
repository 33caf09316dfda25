// Package negotiate signs in to HTTP servers with Windows credentials: Kerberos tokens, and a RoundTripper that
// answers a server's Negotiate or NTLM challenge.
//
// A wrong password that is tried again and again locks an account out, so nothing here loops: a credential that was
// rejected is not sent again by the same Transport or Kerberos, and the error says CredentialError. Only a server that
// has taken it before is asked again, a few times. A request's body is never sent before the request that carries it is
// authenticated.
package negotiate

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"meshrotate/reconciler/secret"
)

// Service is the name of a service on a host, for Kerberos: HTTP on it, where nothing else is said; a class such as WSMAN on it;
// or a whole name, which may be that of another account than the host's.
func Service(spn, host string) string {
	switch {
	case spn == "":
		return "HTTP/" + host
	case strings.Contains(spn, "/"):
		return spn
	}
	return spn + "/" + host
}

// TokenSource gives the first token of a SPNEGO exchange (RFC 4178) for a service such as HTTP/host.example.
type TokenSource interface {
	Token(ctx context.Context, spn string) ([]byte, error)
}

// Credential is a user and a password. User is DOMAIN\user, user@realm, or a local user's name.
type Credential struct {
	User     string
	Password secret.Value
}

// split gives the name and domain as NTLM wants them. A user@realm stays whole, with an empty domain (MS-NLMP 2.2.1.3
// leaves a user principal name to the server).
func (c Credential) split() (user, domain string) {
	if d, u, ok := strings.Cut(c.User, `\`); ok {
		return u, d
	}
	return c.User, ""
}

// CredentialError says that a credential was rejected. It will not be tried again by whatever returned it, unless it
// was taken there before.
type CredentialError struct {
	Mechanism string // "NTLM" or "Kerberos"
	User      string
	Detail    string // why, as far as it was said
}

func (e *CredentialError) Error() string {
	s := fmt.Sprintf("%s: the credential of %s was rejected", e.Mechanism, orNobody(e.User))
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// Hint is what a person can do about it.
func (e *CredentialError) Hint() string {
	return "check the user and its password, keytab or ticket cache; it was tried once only, so that the account is not locked out"
}

func orNobody(user string) string {
	if user == "" {
		return "the ticket cache"
	}
	return user
}

// OfferError says that a server asks for a sign-in that was not configured. No credential was sent.
type OfferError struct {
	Offered []string // schemes of WWW-Authenticate, lower case
}

func (e *OfferError) Error() string {
	if len(e.Offered) == 0 {
		return "the server asks for a sign-in and names no scheme"
	}
	return "the server accepts " + strings.Join(e.Offered, ", ") + ", and none of these was configured"
}

// ErrConnectionLost says that the connection ended during a handshake, before the request itself was sent: the server
// has carried out nothing, and the same request may be sent again.
var ErrConnectionLost = errors.New("the server closed the connection during the sign-in")

// signInLost is an ErrConnectionLost with its cause.
type signInLost struct{ err error }

func (e signInLost) Error() string {
	if errors.Is(e.err, context.DeadlineExceeded) {
		return "no answer in time during the sign-in"
	}
	return ErrConnectionLost.Error()
}

func (e signInLost) Is(target error) bool { return target == ErrConnectionLost }
func (e signInLost) Unwrap() error        { return e.err }

// ErrClosed is returned after Close.
var ErrClosed = errors.New("negotiate: closed")
