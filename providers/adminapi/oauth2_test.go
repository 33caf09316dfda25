package adminapi_test

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"meshrotate/providers/adminapi"
	"meshrotate/providers/lab/webauth"
	"meshrotate/reconciler/secret"
)

// identity is a token endpoint and an Admin API that believes it.
func identity(t *testing.T) (tokens *webauth.Tokens, a *admin, endpoint string, asked *atomic.Int32) {
	tokens = &webauth.Tokens{Secret: func(client string) (string, bool) { return canary, client == "meshrotate" }, Scopes: []string{"im.read"}}
	asked = new(atomic.Int32)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		tokens.ServeHTTP(w, r)
	})
	return tokens, newAdmin(t, &webauth.Rules{Bearer: tokens.Check}, false), s.URL, asked
}

func TestOAuth2(t *testing.T) {
	tokens, a, endpoint, asked := identity(t)
	c := open(t, adminapi.Config{URL: a.URL, Auth: adminapi.Auth{OAuth2: &adminapi.OAuth2{
		TokenURL: endpoint, ClientID: "meshrotate", ClientSecret: secret.NewString(canary), Scopes: []string{"im.read"},
	}}})
	for range 3 {
		if _, err := c.Relays(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if asked.Load() != 1 {
		t.Errorf("%d tokens for three calls", asked.Load())
	}
	tokens.Revoke()
	if err := c.Post(t.Context(), "/api/license/reload"); err != nil {
		t.Errorf("a token that was revoked is replaced: %v", err)
	}
	if asked.Load() != 2 {
		t.Errorf("%d tokens", asked.Load())
	}
}

func TestOAuth2OverTLS(t *testing.T) {
	tokens := &webauth.Tokens{Secret: func(string) (string, bool) { return canary, true }}
	endpoint := httptest.NewTLSServer(tokens)
	t.Cleanup(endpoint.Close)
	a := newAdmin(t, &webauth.Rules{Bearer: tokens.Check}, true)
	ca := append(a.ca(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: endpoint.Certificate().Raw})...)
	c := open(t, adminapi.Config{URL: a.URL, CAPEM: ca, Auth: adminapi.Auth{OAuth2: &adminapi.OAuth2{
		TokenURL: endpoint.URL, ClientID: "meshrotate", ClientSecret: secret.NewString(canary),
	}}})
	if _, err := c.Relays(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOAuth2Refusals(t *testing.T) {
	_, a, endpoint, asked := identity(t)
	html := serve(t, answers(200, "text/html", "<html>"+canary))
	broken := serve(t, answers(500, "application/json", `{"error":"`+canary+`"}`))
	redirect := serve(t, answers(302, "", ""))
	for _, test := range []struct {
		reason, url, id, scope string
		kind                   adminapi.Kind
		says                   string
	}{
		{"an unknown client", endpoint, "nobody", "im.read", adminapi.Credential, "invalid_client"},
		{"a scope that is not allowed", endpoint, "meshrotate", "im.write", adminapi.Credential, "invalid_scope"},
		{"a login page", html.URL, "meshrotate", "", adminapi.WrongContent, "token endpoint"},
		{"a server error", broken.URL, "meshrotate", "", adminapi.Server, "500"},
		{"a redirect", redirect.URL, "meshrotate", "", adminapi.Redirected, "token endpoint"},
		{"nobody listens", "http://" + closedPort(t), "meshrotate", "", adminapi.Unreachable, "token endpoint"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			asked.Store(0)
			config := adminapi.Config{URL: a.URL, Retry: adminapi.Retry{For: -1}, Auth: adminapi.Auth{OAuth2: &adminapi.OAuth2{
				TokenURL: test.url, ClientID: test.id, ClientSecret: secret.NewString(canary), Scopes: []string{test.scope},
			}}}
			c := open(t, config)
			for range 2 {
				_, err := c.Relays(t.Context())
				if adminapi.KindOf(err) != test.kind || !strings.Contains(err.Error(), test.says) {
					t.Fatalf("kind %q: %v", adminapi.KindOf(err), err)
				}
				if strings.Contains(fmt.Sprintf("%v %+v", err, err), canary) {
					t.Fatalf("shown: %v", err)
				}
			}
			var wg sync.WaitGroup
			for range 4 { // callers share no error
				wg.Go(func() { _, _ = c.Get(t.Context(), "/api/license") })
			}
			wg.Wait()
			if test.kind == adminapi.Credential && asked.Load() != 1 {
				t.Errorf("a refused client asked %d times", asked.Load())
			}
		})
	}
}
