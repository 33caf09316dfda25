package adminapi

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"meshrotate/reconciler/secret"
)

// OAuth2 is the client credentials grant (RFC 6749, section 4.4). The token endpoint may be a public one: it is
// trusted by the system's authorities and by Config.CAPEM.
type OAuth2 struct {
	// TokenURL is https, or http on loopback.
	TokenURL     string
	ClientID     string
	ClientSecret secret.Value
	Scopes       []string
}

// grant keeps one token until it expires. A token that the server refuses before that is replaced once.
type grant struct {
	transport *http.Transport // for the Admin API
	endpoint  *http.Transport // for the token endpoint
	client    *http.Client    // on endpoint
	config    OAuth2
	turn      semaphore
	token     *oauth2.Token // belongs to whoever has the turn
	rejected  *Error        // likewise: the token endpoint refused the client for good
}

func (o *OAuth2) open(transport *http.Transport, caPEM []byte) (authenticator, error) {
	u, err := url.Parse(o.TokenURL)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil:
		return nil, &Error{Kind: BadConfig, Detail: "the token URL is not a URL with a host and without a user"}
	case u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())):
		return nil, &Error{Kind: Insecure, Host: u.Host, Detail: "the token URL must be https outside loopback"}
	case o.ClientID == "" || o.ClientSecret.IsZero():
		return nil, &Error{Kind: BadConfig, Detail: "OAuth2 needs a client id and a client secret"}
	}
	endpoint := transport.Clone()
	if len(caPEM) > 0 {
		endpoint.TLSClientConfig.RootCAs = systemAnd(caPEM)
	}
	refuse := func(*http.Request, []*http.Request) error { return errRedirect }
	return &grant{
		transport: transport,
		endpoint:  endpoint,
		client:    &http.Client{Transport: limited{endpoint}, CheckRedirect: refuse},
		config:    *o,
		turn:      make(semaphore, 1),
	}, nil
}

func (g *grant) do(req *http.Request) (*http.Response, error) {
	token, fresh, err := g.get(req.Context(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := g.send(req, token)
	if err != nil || fresh || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	_ = resp.Body.Close() // revoked before its time; a 401 means that the request was not carried out
	if token, _, err = g.get(req.Context(), token); err != nil {
		return nil, err
	}
	return g.send(req, token)
}

func (g *grant) send(req *http.Request, token *oauth2.Token) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+token.AccessToken)
	return g.transport.RoundTrip(req)
}

// get returns the kept token, or a fresh one when it has expired or is the one that was refused.
func (g *grant) get(ctx context.Context, refused *oauth2.Token) (token *oauth2.Token, fresh bool, err error) {
	if err := g.turn.acquire(ctx); err != nil {
		return nil, false, err
	}
	defer g.turn.release()
	if g.rejected != nil {
		again := *g.rejected // callers complete their errors
		return nil, false, &again
	}
	if g.token.Valid() && g.token != refused {
		return g.token, false, nil
	}
	c := clientcredentials.Config{
		TokenURL: g.config.TokenURL, Scopes: g.config.Scopes,
		ClientID: g.config.ClientID, ClientSecret: string(g.config.ClientSecret.Expose()),
		AuthStyle: oauth2.AuthStyleInHeader, // every server supports it (RFC 6749, section 2.3.1); probing would be a second attempt
	}
	g.token, err = c.Token(context.WithValue(ctx, oauth2.HTTPClient, g.client))
	if err != nil {
		return nil, false, g.explain(ctx, err)
	}
	if checkToken(secret.NewString(g.token.AccessToken)) != nil || g.token.AccessToken == "" {
		g.token = nil
		return nil, false, &Error{Kind: WrongContent, Detail: "the token endpoint gave no usable token"}
	}
	return g.token, true, nil
}

// explain drops the token endpoint's answer, which the library's error quotes whole.
func (g *grant) explain(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused):
	case errors.Is(err, errRedirect):
		return &Error{Kind: Redirected, Detail: "by the token endpoint"}
	case errors.As(err, new(*url.Error)):
		e := broken(err)
		e.Detail = "token endpoint: " + e.Detail
		return e
	default:
		return &Error{Kind: WrongContent, Detail: "the token endpoint gave no token"}
	}
	status := 0
	if refused.Response != nil {
		status = refused.Response.StatusCode
	}
	e := &Error{Kind: Server, Detail: fmt.Sprintf("the token endpoint answered %d", status)}
	if slices.Contains(grantErrors[:], refused.ErrorCode) {
		e.Detail += ": " + refused.ErrorCode
	}
	if status == http.StatusBadRequest || status == http.StatusUnauthorized || status == http.StatusForbidden {
		e.Kind = Credential
		kept := *e
		g.rejected = &kept
	}
	return e
}

var errRedirect = errors.New("redirects are refused")

// grantErrors are the codes of RFC 6749, section 5.2. Others are not shown.
var grantErrors = [...]string{"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}

func (g *grant) close() { g.endpoint.CloseIdleConnections() }

func systemAnd(caPEM []byte) *x509.CertPool {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	pool.AppendCertsFromPEM(caPEM)
	return pool
}

// limited keeps a token endpoint's answer small.
type limited struct{ transport http.RoundTripper }

func (l limited) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := l.transport.RoundTrip(req)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, 1<<20), resp.Body}
	}
	return resp, err
}
