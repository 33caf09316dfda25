// Package keyvault reads secrets of Azure Key Vault. The protocol is github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets's.
//
// Tokens come from where the caller says. What the vault asks for in its challenge must be of its own domain, which azsecrets checks;
// redirects are refused.
package keyvault

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"meshrotate/reconciler/secret"
)

// Tokens are those of the application that signs in.
type Tokens interface {
	Token(ctx context.Context) (secret.Value, error)
}

// Config is a vault.
type Config struct {
	// Name is the store's, for errors.
	Name   string
	URL    string // https
	Tokens Tokens
	// Client sends the requests in place of one that follows no redirect; it may be nil.
	Client *http.Client
}

// Client is safe for concurrent use.
type Client struct {
	name    string
	secrets *azsecrets.Client
}

// Scope is what tokens for a vault are for: its domain, without its own name.
func Scope(vault string) string {
	u, err := url.Parse(vault)
	if err != nil {
		return ""
	}
	_, domain, _ := strings.Cut(u.Hostname(), ".")
	return "https://" + domain + "/.default"
}

// New checks what is declared, and contacts nobody.
func New(c Config) (*Client, error) {
	client := c.Client
	if client == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.TLSClientConfig, t.Proxy = &tls.Config{MinVersion: tls.VersionTLS12}, nil
		client = &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("redirects are refused") }}
	}
	options := &azsecrets.ClientOptions{ClientOptions: azcore.ClientOptions{Transport: client,
		Retry: policy.RetryOptions{MaxRetries: 2, RetryDelay: 300 * time.Millisecond, MaxRetryDelay: 3 * time.Second, TryTimeout: 20 * time.Second}}}
	secrets, err := azsecrets.NewClient(c.URL, credential{c.Tokens}, options)
	if err != nil {
		return nil, fmt.Errorf("store %s: its URL is not that of a key vault", c.Name)
	}
	return &Client{name: c.Name, secrets: secrets}, nil
}

// credential is what azcore wants of Tokens.
type credential struct{ tokens Tokens }

func (c credential) GetToken(ctx context.Context, _ policy.TokenRequestOptions) (azcore.AccessToken, error) {
	v, err := c.tokens.Token(ctx)
	if err != nil {
		return azcore.AccessToken{}, err
	}
	return azcore.AccessToken{Token: string(v.Expose()), ExpiresOn: time.Now().Add(time.Minute)}, nil // whoever gave it knows when it ends
}

// Get reads a secret: in that version, or the latest for "". About is what the vault says of it, for people.
func (c *Client) Get(ctx context.Context, name, version string) (v secret.Value, about string, err error) {
	s, err := c.secrets.GetSecret(ctx, name, version, nil)
	if err != nil {
		return v, "", c.explain(ctx, err, name, version)
	}
	if s.Value == nil {
		return v, "", &RefusedError{Store: c.name, What: what(name, version), Why: "it has no value", Advice: "set it"}
	}
	if s.ID != nil {
		if about = "version " + s.ID.Version(); version != "" && !strings.EqualFold(s.ID.Version(), version) {
			return v, "", &RefusedError{Store: c.name, What: what(name, version), Why: "its answer is " + about, Advice: "see what stands between, a proxy or a cache"}
		}
	}
	if a := s.Attributes; a != nil && a.Created != nil {
		about += " of " + a.Created.UTC().Format("2006-01-02 15:04 MST")
		if a.Expires != nil {
			about += ", which expires on " + a.Expires.UTC().Format("2006-01-02 15:04 MST")
		}
	}
	return secret.NewString(*s.Value), about, nil
}

// RefusedError is why a secret was not to be had. It holds no value.
type RefusedError struct{ Store, What, Why, Advice string }

func (e *RefusedError) Error() string { return fmt.Sprintf("store %s: %s: %s", e.Store, e.What, e.Why) }

// Hint says what a person can do.
func (e *RefusedError) Hint() string { return e.Advice }

func what(name, version string) string {
	if version == "" {
		return name
	}
	return name + ", version " + version
}

// explain quotes nothing of an answer but the vault's own code.
func (c *Client) explain(ctx context.Context, err error, name, version string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e := &RefusedError{Store: c.name, What: what(name, version), Why: "it cannot be asked", Advice: "see that this machine reaches the vault, and that its firewall lets it"}
	var answered *azcore.ResponseError
	var hinted interface{ Hint() string }
	var sent *url.Error
	switch {
	case errors.As(err, &answered):
		e.Why = fmt.Sprintf("it answered %d %s", answered.StatusCode, answered.ErrorCode)
		switch answered.StatusCode {
		case http.StatusNotFound:
			e.Why, e.Advice = "there is no such secret, or not in that version (404)", "look at its name and version; a deleted one can be recovered for a while"
		case http.StatusForbidden:
			e.Advice = "the application needs Get on secrets: the role Key Vault Secrets User, or an access policy; a disabled or expired secret is refused, too"
		case http.StatusUnauthorized:
			e.Advice = "look at the application under entra, and that it is of the vault's tenant"
		}
	case errors.As(err, &hinted):
		e.Why, e.Advice = hinted.(error).Error(), hinted.Hint()
	case errors.As(err, &sent):
		e.Why = "it cannot be reached: " + sent.Err.Error()
	}
	return e
}
