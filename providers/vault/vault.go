// Package vault reads values from HashiCorp Vault and OpenBao, and writes new ones there if nobody was faster. It knows their KV secrets
// engine, versions 1 and 2, and three ways to sign in: a token, AppRole, and that of Kubernetes, as a pod.
//
// It is HTTP alone: the six requests that are needed. The vendors' client libraries read VAULT_ADDR, VAULT_SKIP_VERIFY, VAULT_TOKEN and
// others of the environment before anything that they are told, and whoever may set a variable of a pipeline is not who says where
// credentials go. Here nothing counts but the Config. Redirects are refused, certificates are verified, and no proxy is asked.
//
// The protocol is https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2 and its neighbours.
package vault

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"meshrotate/reconciler/secret"
)

// Config is a server and how it is signed in to: with exactly one of Token, AppRole and Kubernetes.
type Config struct {
	// Name is the store's, for errors.
	Name      string
	URL       string // https, or http on loopback
	Namespace string
	Mount     string // of the KV engine
	KV        int    // its version, 1 or 2
	// CAPEM are the authorities that are trusted instead of the system's; nil: the system's.
	CAPEM []byte

	Token      secret.Value
	AppRole    *AppRole
	Kubernetes *Kubernetes
}

// AppRole signs in as an application.
type AppRole struct {
	Mount, RoleID string
	SecretID      secret.Value
}

// Kubernetes signs in as a pod.
type Kubernetes struct {
	Mount, Role string
	JWT         secret.Value
}

// Client is safe for concurrent use. It signs in once, when it is asked for something first.
type Client struct {
	c    Config
	http *http.Client
	// turn is had by who signs in, and whoever has it may use token.
	turn  chan struct{}
	token secret.Value
}

// The bounds of one request, and of an answer: a version is at most 1 MiB by Vault's default.
const (
	timeout = 20 * time.Second
	maxBody = 4 << 20
)

// New checks what is declared, and contacts nobody.
func New(c Config) (*Client, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, fmt.Errorf("store %s: its URL must be https, without a user", c.Name)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAPEM != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(c.CAPEM) {
			return nil, fmt.Errorf("store %s: no certificate in its caFile", c.Name)
		}
	}
	c.URL = strings.TrimRight(u.Scheme+"://"+u.Host+u.EscapedPath(), "/")
	return &Client{c: c, turn: make(chan struct{}, 1), http: &http.Client{Timeout: timeout, CheckRedirect: refuse,
		Transport: &http.Transport{TLSClientConfig: config, TLSHandshakeTimeout: 10 * time.Second, DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10}}}, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}

var errRedirect = errors.New("it answered with a redirect, which is not followed: credentials go to the declared URL alone")

func refuse(*http.Request, []*http.Request) error { return errRedirect }

// RefusedError is why something was not to be had. It holds no value.
type RefusedError struct {
	Store, What string
	// Status is Vault's, 0 where there was no answer.
	Status int
	Why    string
	Advice string
}

func (e *RefusedError) Error() string { return fmt.Sprintf("store %s: %s: %s", e.Store, e.What, e.Why) }

// Hint says what a person can do.
func (e *RefusedError) Hint() string { return e.Advice }

// answer is what Vault answers to anything.
type answer struct {
	status int
	Data   json.RawMessage `json:"data"`
	Errors []string        `json:"errors"`
	Auth   *struct {
		ClientToken string `json:"client_token"`
	} `json:"auth"`
}

// ask sends one request, signed in, and signs in anew where the token is none any more.
func (c *Client) ask(ctx context.Context, method, what string, query url.Values, body any, parts ...string) (answer, error) {
	token, fresh, err := c.signIn(ctx, secret.Value{})
	if err != nil {
		return answer{}, err
	}
	a, err := c.send(ctx, method, what, token, query, body, parts...)
	if err == nil && a.status == http.StatusForbidden && !fresh && c.c.Token.IsZero() {
		if token, _, err = c.signIn(ctx, token); err != nil {
			return answer{}, err
		}
		a, err = c.send(ctx, method, what, token, query, body, parts...)
	}
	return a, err
}

// attempts are how often a question is sent that nobody answers, or that is put off.
const attempts = 3

// send sends one request. What only asks is sent again where nothing came back.
func (c *Client) send(ctx context.Context, method, what string, token secret.Value, query url.Values, body any, parts ...string) (a answer, err error) {
	for try := range attempts {
		if try > 0 {
			select {
			case <-ctx.Done():
				return a, context.Cause(ctx)
			case <-time.After(time.Duration(try) * 300 * time.Millisecond):
			}
		}
		a, err = c.once(ctx, method, token, query, body, parts...)
		var untrusted *tls.CertificateVerificationError
		again := err != nil && !errors.Is(err, errRedirect) && !errors.As(err, &untrusted) || a.status == http.StatusTooManyRequests || a.status >= 500
		if method != http.MethodGet || !again || ctx.Err() != nil {
			break
		}
	}
	if err == nil {
		return a, nil
	}
	if ctx.Err() != nil {
		return a, context.Cause(ctx)
	}
	var sent *url.Error
	if errors.As(err, &sent) {
		err = sent.Err
	}
	e := &RefusedError{Store: c.c.Name, What: what, Why: "it cannot be asked: " + err.Error(), Advice: "see that this machine reaches " + c.c.URL + ", and trusts its certificate (caFile)"}
	if errors.Is(err, errRedirect) {
		e.Why, e.Advice = errRedirect.Error(), "declare the URL of the active node, or of what stands before all of them"
	}
	return a, e
}

func (c *Client) once(ctx context.Context, method string, token secret.Value, query url.Values, body any, parts ...string) (a answer, err error) {
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return a, errors.New("the request cannot be written")
		}
		content = bytes.NewReader(data)
	}
	target := c.c.URL + "/v1/" + escaped(parts)
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, target, content)
	if err != nil {
		return a, errors.New("the path cannot be asked for")
	}
	r.Header.Set("X-Vault-Request", "true")
	if c.c.Namespace != "" {
		r.Header.Set("X-Vault-Namespace", c.c.Namespace)
	}
	if !token.IsZero() {
		r.Header.Set("X-Vault-Token", string(token.Expose()))
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return a, err
	}
	a.status = resp.StatusCode
	if len(data) > maxBody || len(data) > 0 && json.Unmarshal(data, &a) != nil {
		return a, errors.New("its answer is not Vault's") // which is not quoted
	}
	return a, nil
}

// escaped is a path of Vault in a URL.
func escaped(parts []string) string {
	var all []string
	for _, p := range parts {
		for _, one := range strings.Split(p, "/") {
			all = append(all, url.PathEscape(one))
		}
	}
	return strings.Join(all, "/")
}

// signIn returns a token, another one than old. Fresh says that it was got just now.
func (c *Client) signIn(ctx context.Context, old secret.Value) (token secret.Value, fresh bool, err error) {
	if !c.c.Token.IsZero() {
		return c.c.Token, true, nil
	}
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return token, false, context.Cause(ctx)
	}
	defer func() { <-c.turn }()
	if !c.token.IsZero() && !c.token.Equal(old) {
		return c.token, false, nil
	}
	var what, mount string
	var body map[string]string
	switch a, k := c.c.AppRole, c.c.Kubernetes; {
	case a != nil:
		what, mount, body = "sign in with AppRole at "+a.Mount, a.Mount, map[string]string{"role_id": a.RoleID, "secret_id": string(a.SecretID.Expose())}
	case k != nil:
		what, mount, body = "sign in as a pod at "+k.Mount, k.Mount, map[string]string{"role": k.Role, "jwt": string(k.JWT.Expose())}
	default:
		return token, false, fmt.Errorf("store %s: nothing to sign in with", c.c.Name)
	}
	a, err := c.send(ctx, http.MethodPost, what, secret.Value{}, nil, body, "auth", mount, "login")
	if err != nil {
		return token, false, err
	}
	if a.status != http.StatusOK || a.Auth == nil || a.Auth.ClientToken == "" {
		return token, false, c.refused(what, a, "see that the role is there, and that its credential is valid still: a secret id may be used up or expired")
	}
	c.token = secret.NewString(a.Auth.ClientToken)
	return c.token, true, nil
}

// refused says that Vault answered otherwise than with what was asked for. Its words are not shown: who signs in wrote a part of them.
func (c *Client) refused(what string, a answer, advice string) error {
	e := &RefusedError{Store: c.c.Name, What: what, Status: a.status, Advice: advice, Why: "it answered " + strconv.Itoa(a.status)}
	switch {
	case a.status == http.StatusServiceUnavailable:
		e.Why, e.Advice = "it is sealed, or not ready (503)", "unseal it, or wait"
	case a.status == http.StatusTooManyRequests:
		e.Why, e.Advice = "it asks to wait (429)", "wait, or raise its rate limit for this path"
	case a.status >= 500:
		e.Advice = "see its own log"
	}
	return e
}
