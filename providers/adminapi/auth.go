package adminapi

import (
	"context"
	"errors"
	"net/http"

	"meshrotate/providers/negotiate"
	"meshrotate/reconciler/secret"
)

// Auth is how to sign in: Bearer, OAuth2, or Windows credentials (Kerberos, NTLM, or both: Kerberos first). The zero
// Auth sends no credential.
type Auth struct {
	// Bearer is a token that is sent as it is (RFC 6750).
	Bearer secret.Value
	// OAuth2 fetches tokens with client credentials (RFC 6749, section 4.4).
	OAuth2 *OAuth2
	// Kerberos gives tickets. It stays the caller's to close.
	Kerberos negotiate.TokenSource
	// SPN names the service for Kerberos: see negotiate.Service.
	SPN string
	// NTLM is a user and password for servers that Kerberos has no ticket for.
	NTLM *negotiate.Credential
}

// authenticator sends one request with a credential.
type authenticator interface {
	do(req *http.Request) (*http.Response, error)
	close()
}

func (a Auth) open(transport *http.Transport, host string, caPEM []byte) (authenticator, error) {
	windows := a.Kerberos != nil || a.NTLM != nil
	set := 0
	for _, is := range []bool{!a.Bearer.IsZero(), a.OAuth2 != nil, windows} {
		if is {
			set++
		}
	}
	switch {
	case set > 1:
		return nil, &Error{Kind: BadConfig, Detail: "more than one way to sign in was given"}
	case !a.Bearer.IsZero():
		if err := checkToken(a.Bearer); err != nil {
			return nil, err
		}
		return bearer{transport, a.Bearer}, nil
	case a.OAuth2 != nil:
		return a.OAuth2.open(transport, caPEM)
	case windows:
		return windowsLogin{negotiate.NewTransport(negotiate.Config{
			Kerberos: a.Kerberos, SPN: negotiate.Service(a.SPN, host), NTLM: a.NTLM, HTTP: transport,
		})}, nil
	}
	return anonymous{transport}, nil
}

type anonymous struct{ transport http.RoundTripper }

func (a anonymous) do(req *http.Request) (*http.Response, error) { return a.transport.RoundTrip(req) }
func (a anonymous) close()                                       {}

type bearer struct {
	transport http.RoundTripper
	token     secret.Value
}

func (b bearer) do(req *http.Request) (*http.Response, error) {
	req.Header.Set("Authorization", "Bearer "+string(b.token.Expose()))
	return b.transport.RoundTrip(req)
}
func (b bearer) close() {}

// checkToken refuses what cannot stand in a header, such as a token with the line end of its file: net/http's own
// error would quote nothing either, but would come late.
func checkToken(v secret.Value) error {
	token := v.Expose()
	if len(token) == 0 {
		return &Error{Kind: BadConfig, Detail: "the bearer token is empty"}
	}
	for _, b := range token {
		if b <= ' ' || b > '~' {
			return &Error{Kind: BadConfig, Detail: "the bearer token holds a space, a line end or another character that no token has"}
		}
	}
	return nil
}

type windowsLogin struct{ transport *negotiate.Transport }

func (w windowsLogin) do(req *http.Request) (*http.Response, error) {
	resp, err := w.transport.RoundTrip(req)
	return resp, signInError(err)
}
func (w windowsLogin) close() { w.transport.Close() }

// signInError gives a failed sign-in its Kind. Others pass.
func signInError(err error) error {
	var rejected *negotiate.CredentialError
	var offer *negotiate.OfferError
	var service *negotiate.ServiceError
	switch {
	case errors.As(err, &rejected):
		return &Error{Kind: Credential, Detail: rejected.Error(), Err: rejected}
	case errors.As(err, &offer):
		return &Error{Kind: Credential, Status: http.StatusUnauthorized, Detail: offer.Error(), Err: offer}
	case errors.As(err, &service) && service.Unreachable:
		return &Error{Kind: Unreachable, Detail: service.Error(), Err: service}
	case errors.As(err, &service):
		return &Error{Kind: NoTicket, Detail: service.Error(), Err: service}
	case errors.Is(err, negotiate.ErrConnectionLost):
		return &Error{Kind: Unreachable, Detail: err.Error(), Err: err}
	}
	return err
}

// semaphore is a lock that a context can give up waiting for.
type semaphore chan struct{}

func (s semaphore) acquire(ctx context.Context) error {
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
func (s semaphore) release() { <-s }
