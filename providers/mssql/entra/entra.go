// Package entra gets the tokens with which an application of Microsoft Entra signs in to SQL Server or a key vault: as a service principal, with
// a secret, a certificate or the token of another issuer (workload identity), or as the managed identity of this machine. The
// protocols are github.com/Azure/azure-sdk-for-go/sdk/azidentity's.
//
// A service principal's token comes from the declared authority and from nowhere else: what azidentity would ask about it
// elsewhere is not asked. Tokens are kept until they expire, in memory alone.
package entra

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"meshrotate/reconciler/secret"
)

// Config says who signs in. Exactly one of Secret, Certificate, Assertion and Managed is given.
type Config struct {
	Authority string // https
	Tenant    string // of a service principal
	ClientID  string // of a managed identity "" is the machine's own
	Scope     string

	Secret      secret.Value
	Certificate secret.Value // PEM, with its key
	Assertion   func(context.Context) (secret.Value, error)
	Managed     bool

	// Where is where it is declared, for hints: connect.sql.entra.
	Where string

	// Client sends the requests in place of one that follows no redirect; it may be nil.
	Client *http.Client
}

// Tokens are an application's. It is safe for concurrent use.
type Tokens struct {
	credential azcore.TokenCredential
	scope      string
	from       string
	where      string
}

// New checks what is declared and contacts nobody.
func New(c Config) (*Tokens, error) {
	client := c.Client
	if client == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		client = &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("redirects are refused") }}
	}
	options := azcore.ClientOptions{Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: c.Authority}, Transport: client,
		Retry: policy.RetryOptions{MaxRetries: -1}} // who asks tries again
	t := &Tokens{scope: c.Scope, from: c.Authority, where: c.Where}
	var err error
	switch {
	case c.Managed:
		o := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: options}
		if t.from = "the identity endpoint of this machine"; c.ClientID != "" {
			o.ID = azidentity.ClientID(c.ClientID)
		}
		t.credential, err = azidentity.NewManagedIdentityCredential(o)
	case c.Assertion != nil:
		assertion := func(ctx context.Context) (string, error) {
			v, err := c.Assertion(ctx)
			return string(v.Expose()), err
		}
		t.credential, err = azidentity.NewClientAssertionCredential(c.Tenant, c.ClientID, assertion,
			&azidentity.ClientAssertionCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	case !c.Certificate.IsZero():
		chain, key, parsed := azidentity.ParseCertificates(c.Certificate.Expose(), nil)
		if parsed != nil {
			return nil, errors.New("the certificate is no PEM with its key")
		}
		t.credential, err = azidentity.NewClientCertificateCredential(c.Tenant, c.ClientID, chain, key,
			&azidentity.ClientCertificateCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true, SendCertificateChain: true})
	default:
		t.credential, err = azidentity.NewClientSecretCredential(c.Tenant, c.ClientID, string(c.Secret.Expose()),
			&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	}
	if err != nil {
		return nil, errors.New("signing in at Entra: the tenant, the client id or the credential has no right form")
	}
	return t, nil
}

// Token returns one that is valid. The error is a *RefusedError or the context's.
func (t *Tokens) Token(ctx context.Context) (secret.Value, error) {
	token, err := t.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{t.scope}})
	switch {
	case err == nil:
		return secret.NewString(token.Token), nil
	case ctx.Err() != nil:
		return secret.Value{}, context.Cause(ctx)
	}
	return secret.Value{}, t.explain(err)
}

// RefusedError says that there is no token. What was answered, and asked, is not quoted.
type RefusedError struct{ From, Why, Advice string }

func (e *RefusedError) Error() string { return "no token from " + e.From + ": " + e.Why }

// Hint says what a person can do.
func (e *RefusedError) Hint() string { return e.Advice }

// code is how Entra numbers its errors.
var code = regexp.MustCompile(`\bAADSTS\d{4,8}\b`)

func (t *Tokens) explain(err error) error {
	refused := &RefusedError{From: t.from, Why: "it cannot be asked", Advice: "see that this machine reaches it; of a managed identity, that the machine has one"}
	var failed *azidentity.AuthenticationFailedError
	var sent *url.Error
	switch {
	case errors.As(err, &failed) && failed.RawResponse != nil:
		refused.Why = fmt.Sprintf("it answered %d", failed.RawResponse.StatusCode)
		if number := code.FindString(failed.Error()); number != "" {
			refused.Why += " (" + number + ")"
		}
		refused.Advice = "look at " + t.where + ": the tenant, the client id, and that the credential is valid still"
	case errors.As(err, &sent):
		refused.Why = "it cannot be reached: " + sent.Err.Error()
	}
	return refused
}
