// Package adminapi calls the product's Admin API: what the product offers there, from the machine that runs meshrotate.
//
// The client is careful in three ways. It retries reads only: a POST whose answer is lost may have been carried out,
// so the caller must look again. It never follows a redirect and never uses the environment's proxy, since both
// would carry credentials to somewhere else. And it takes nothing on trust: an absent field stays absent, a login
// page is an error, and every answer carries the server's own time, so that a heartbeat can be compared with a
// restart on one clock.
package adminapi

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// MaxBody is the largest answer that is read, in bytes. It holds ten thousand relays of 1.6 KB each; to read it takes some times as much.
const MaxBody = 16 << 20

// Config says where the Admin API is and how to sign in.
type Config struct {
	// URL is scheme, host, optional port and optional base path. http is allowed on loopback only.
	URL string
	// Auth is how to sign in. Zero: no credential is sent.
	Auth Auth
	// CAPEM holds the certificate authorities to trust, PEM. Zero: the system's.
	CAPEM []byte
	// Paths are the endpoints. Zero fields: the product's defaults.
	Paths Paths
	// Fields are the names of what a relay says of itself, where they are not the usual ones.
	Fields Fields
	// Paging is how the next page of the relay list is asked for. Zero: by a link in the answer alone.
	Paging Paging
	// Timeout bounds one attempt, connecting and reading included. Zero: 30 s. The context bounds the whole call.
	Timeout time.Duration
	// Retry says how reads are repeated.
	Retry Retry
	// Now is the local clock. Zero: time.Now.
	Now func() time.Time
	// DialContext opens connections, as http.Transport's. Zero: over the network.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
}

// Paths are the endpoints below the URL. Each starts with a slash.
type Paths struct {
	Ready     string // zero: /health/ready
	Relays    string // zero: /api/relays
	Dashboard string // zero: /api/dashboard
}

// Retry says how a read is repeated after 502, 503, 504, or a refused or reset connection.
type Retry struct {
	First time.Duration // first pause. Zero: 100 ms
	Most  time.Duration // longest pause. Zero: 2 s
	For   time.Duration // no new attempt after this. Zero: 5 s. Negative: never retry
}

// Client calls one Admin API. It is safe for concurrent use. Close it.
type Client struct {
	base    string // scheme, host and base path, without a slash at the end
	host    string // as shown in errors
	paths   Paths
	fields  Fields
	paging  Paging
	asked   *atomic.Bool // whether the server asked for a client's certificate
	timeout time.Duration
	maxBody int64
	retry   Retry
	now     func() time.Time
	auth    authenticator
	close   func()
	past    past

	mu     sync.Mutex
	places map[string]*places // by endpoint
}

// New checks the configuration. It contacts nothing.
func New(c Config) (*Client, error) {
	u, err := checkURL(c.URL)
	if err != nil {
		return nil, err
	}
	paths, err := c.Paths.withDefaults()
	if err != nil {
		return nil, err
	}
	tlsConfig, err := trust(c.CAPEM)
	if err != nil {
		return nil, err
	}
	asked := new(atomic.Bool)
	tlsConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		asked.Store(true)
		return &tls.Certificate{}, nil // none: meshrotate has no other way to say so
	}
	dial := c.DialContext
	if dial == nil {
		dial = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	}
	transport := &http.Transport{
		TLSClientConfig:        tlsConfig,
		TLSHandshakeTimeout:    10 * time.Second,
		DialContext:            dial,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
	}
	auth, err := c.Auth.open(transport, u.Hostname(), c.CAPEM)
	if err != nil {
		return nil, err
	}
	return &Client{
		base:    strings.TrimRight(u.Scheme+"://"+u.Host+u.EscapedPath(), "/"),
		host:    u.Host,
		paths:   paths,
		fields:  c.Fields,
		paging:  c.Paging,
		timeout: orElse(c.Timeout, 30*time.Second),
		maxBody: MaxBody,
		retry: Retry{
			First: orElse(c.Retry.First, 100*time.Millisecond),
			Most:  orElse(c.Retry.Most, 2*time.Second),
			For:   orElse(c.Retry.For, 5*time.Second),
		},
		now:   orClock(c.Now),
		auth:  auth,
		asked: asked,
		close: transport.CloseIdleConnections,
	}, nil
}

// Close ends the idle connections. Calls under way are ended by their contexts.
func (c *Client) Close() {
	c.auth.close()
	c.close()
}

// checkURL refuses what would send a credential in clear, or show one.
func checkURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Hostname() == "" {
		return nil, &Error{Kind: BadConfig, Detail: "the Admin API's URL is not a URL with a host"} // the text may hold a password
	}
	bad := func(detail string) error { return &Error{Kind: BadConfig, Host: u.Host, Detail: detail} }
	switch {
	case u.User != nil:
		return nil, bad("the Admin API's URL holds a user or password")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, bad("the Admin API's URL holds a query or fragment")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, &Error{Kind: Insecure, Host: u.Host, Detail: "plain http is refused outside loopback"}
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, bad("the Admin API's URL is neither https nor http")
	}
	return u, nil
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

func trust(pem []byte) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(pem) == 0 {
		return c, nil
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, &Error{Kind: BadConfig, Detail: "the CA file holds no PEM certificate"}
	}
	return c, nil
}

func (p Paths) withDefaults() (Paths, error) {
	var errs []error
	fill := func(field *string, name, fallback string) {
		if *field == "" {
			*field = fallback
		}
		u, err := url.Parse(*field)
		if err != nil || !strings.HasPrefix(*field, "/") || u.Host != "" || u.Fragment != "" {
			errs = append(errs, fmt.Errorf("the path of %s must start with one slash", name))
		}
	}
	fill(&p.Ready, "ready", "/health/ready")
	fill(&p.Relays, "relays", "/api/relays")
	fill(&p.Dashboard, "dashboard", "/api/dashboard")
	if err := errors.Join(errs...); err != nil {
		return Paths{}, &Error{Kind: BadConfig, Detail: err.Error()}
	}
	return p, nil
}

// key is how a document names a path, "" where it is none of these.
func (p Paths) key(path string) string {
	bare := func(path string) string { before, _, _ := strings.Cut(path, "?"); return before }
	switch path = bare(path); path {
	case bare(p.Ready):
		return "product.api.ready"
	case bare(p.Relays):
		return "product.api.relays"
	case bare(p.Dashboard):
		return "product.api.dashboard"
	}
	return ""
}

// named is where the document has the endpoint's path.
func (e *Error) named() string { return cmp.Or(e.key, "where its secret's section names it") }

func orElse(d, fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return d
}

func orClock(now func() time.Time) func() time.Time {
	if now == nil {
		return time.Now
	}
	return now
}
