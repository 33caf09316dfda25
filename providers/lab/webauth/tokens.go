package webauth

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Tokens is an OAuth 2.0 authorization server with one endpoint and one grant: client credentials (RFC 6749 4.4).
// It serves the endpoint, and its Check goes into Rules.Bearer.
type Tokens struct {
	// Secret returns a client's secret; nil knows no client.
	Secret func(client string) (string, bool)
	// Scopes are what a client may ask for; nil allows every scope.
	Scopes []string
	// Life is how long a token is good; 0 means an hour.
	Life time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	mu     sync.Mutex
	issued map[string]grant
}

type grant struct {
	client string
	until  time.Time
}

func (t *Tokens) now() time.Time {
	if t.Now != nil {
		return t.Now()
	}
	return time.Now()
}

func (t *Tokens) life() time.Duration {
	if t.Life > 0 {
		return t.Life
	}
	return time.Hour
}

// Check names the client that a token was issued to; false when it is unknown, revoked or expired.
func (t *Tokens) Check(token string) (client string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g, ok := t.issued[token]
	if !ok || !t.now().Before(g.until) {
		return "", false
	}
	return g.client, true
}

// Revoke ends every token issued so far.
func (t *Tokens) Revoke() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.issued = nil
}

// ServeHTTP answers as RFC 6749 5.1 and 5.2 say.
func (t *Tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	fail := func(status int, code string) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": code})
	}
	if r.Method != http.MethodPost {
		fail(http.StatusMethodNotAllowed, "invalid_request")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") || r.ParseForm() != nil {
		fail(http.StatusBadRequest, "invalid_request")
		return
	}
	client, ok := t.client(r)
	switch {
	case !ok:
		w.Header().Set("WWW-Authenticate", "Basic")
		fail(http.StatusUnauthorized, "invalid_client")
	case r.PostForm.Get("grant_type") != "client_credentials":
		fail(http.StatusBadRequest, "unsupported_grant_type")
	case !t.allows(r.PostForm.Get("scope")):
		fail(http.StatusBadRequest, "invalid_scope")
	default:
		_ = json.NewEncoder(w).Encode(map[string]any{
			"access_token": t.issue(client), "token_type": "Bearer", "expires_in": int(t.life().Seconds()),
		})
	}
}

// client authenticates by the Basic scheme, whose parts are form-encoded (RFC 6749 2.3.1), or by the body, never both.
func (t *Tokens) client(r *http.Request) (string, bool) {
	id, given := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if user, password, basic := r.BasicAuth(); basic {
		var err1, err2 error
		if given != "" {
			return "", false
		}
		id, err1 = url.QueryUnescape(user)
		given, err2 = url.QueryUnescape(password)
		if err1 != nil || err2 != nil {
			return "", false
		}
	}
	if t.Secret == nil {
		return "", false
	}
	secret, known := t.Secret(id)
	return id, known && secret != "" && secret == given
}

func (t *Tokens) allows(scope string) bool {
	for _, s := range strings.Fields(scope) {
		if t.Scopes != nil && !slices.Contains(t.Scopes, s) {
			return false
		}
	}
	return true
}

func (t *Tokens) issue(client string) string {
	token := base64.RawURLEncoding.EncodeToString(random(32))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.issued == nil {
		t.issued = map[string]grant{}
	}
	t.issued[token] = grant{client: client, until: t.now().Add(t.life())}
	return token
}

// random never fails: crypto/rand ends the process instead (Go 1.24).
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}
