package keyvault_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"meshrotate/providers/keyvault"
	"meshrotate/reconciler/secret"
)

const (
	canary = "CANARY-77aa-value"
	token  = "CANARY.token"
	at     = "https://contoso-im.vault.azure.net"
	first  = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
	latest = "1b2c3d4e5f60718293a4b5c6d7e8f90a"
)

type tokens struct{ err error }

func (t tokens) Token(context.Context) (secret.Value, error) {
	return secret.NewString(token), t.err
}

// fake is a local fake of Key Vault's REST API, as far as azsecrets asks it: the challenge, and Get Secret
// (https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret).
func fake(t *testing.T, resource string, answer http.HandlerFunc) (client *http.Client, asked *atomic.Int32) {
	t.Helper()
	asked = &atomic.Int32{}
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		switch r.Header.Get("Authorization") {
		case "":
			w.Header().Set("WWW-Authenticate", `Bearer authorization="https://login.microsoftonline.com/8b1f7c9e-0000-4000-8000-000000000001", resource="`+resource+`"`)
			w.WriteHeader(http.StatusUnauthorized)
		case "Bearer " + token:
			answer(w, r)
		default:
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String())
		}}}, asked
}

func secrets(w http.ResponseWriter, r *http.Request) {
	say := func(status int, v any) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	refuse := func(status int, code string) {
		say(status, map[string]any{"error": map[string]string{"code": code, "message": "about " + canary}})
	}
	one := func(version, value string, more map[string]any) {
		attributes := map[string]any{"enabled": true, "created": 1763643720, "updated": 1763643720}
		for k, v := range more {
			attributes[k] = v
		}
		say(http.StatusOK, map[string]any{"value": value, "id": at + "/secrets/im-relay-key/" + version, "attributes": attributes})
	}
	switch strings.Trim(r.URL.Path, "/") {
	case "secrets/im-relay-key":
		one(latest, canary+"-2", map[string]any{"exp": 1795179720})
	case "secrets/im-relay-key/" + first:
		one(first, canary+"-1", nil)
	case "secrets/stale/" + first: // as a cache has it
		one(latest, canary+"-2", nil)
	case "secrets/disabled":
		refuse(http.StatusForbidden, "Forbidden")
	case "secrets/empty":
		say(http.StatusOK, map[string]any{"id": at + "/secrets/empty/" + first})
	default:
		refuse(http.StatusNotFound, "SecretNotFound")
	}
}

func open(t *testing.T, client *http.Client, from keyvault.Tokens) *keyvault.Client {
	t.Helper()
	c, err := keyvault.New(keyvault.Config{Name: "azure", URL: at, Tokens: from, Client: client})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestGet: the real SDK against a fake of the REST API.
func TestGet(t *testing.T) {
	client, _ := fake(t, "https://vault.azure.net", secrets)
	c := open(t, client, tokens{})
	for _, x := range []struct{ version, value, about string }{
		{"", canary + "-2", "version " + latest + " of 2025-11-20 13:02 UTC, which expires on 2026-11-20 13:02 UTC"},
		{first, canary + "-1", "version " + first + " of 2025-11-20 13:02 UTC"},
	} {
		if v, about, err := c.Get(t.Context(), "im-relay-key", x.version); err != nil || string(v.Expose()) != x.value || about != x.about {
			t.Errorf("%q %q, %v", v.Expose(), about, err)
		}
	}
	for _, x := range []struct{ name, version, why, advice string }{
		{"none", "", "store azure: none: there is no such secret", "look at its name"},
		{"im-relay-key", latest + "0", "store azure: im-relay-key, version " + latest + "0: there is no such secret", "look at its name"},
		{"disabled", "", "store azure: disabled: it answered 403 Forbidden", "Key Vault Secrets User"},
		{"empty", "", "it has no value", "set it"},
		{"stale", first, "its answer is version " + latest, "cache"},
	} {
		_, _, err := c.Get(t.Context(), x.name, x.version)
		refused(t, err, x.why, x.advice)
	}
}

func refused(t *testing.T, err error, why, advice string) {
	t.Helper()
	var hinted interface{ Hint() string }
	if err == nil || !errors.As(err, &hinted) || !strings.Contains(err.Error(), why) || !strings.Contains(hinted.Hint(), advice) {
		t.Errorf("%v, want %q with the hint %q", err, why, advice)
	} else if strings.Contains(err.Error()+hinted.Hint(), "CANARY") {
		t.Errorf("it holds a value: %v", err)
	}
}

// hinting is an error of whoever gives tokens.
type hinting struct{ error }

func (hinting) Hint() string { return "look at entra" }

// TestTokensStay: no token goes to who asks for another domain's, nor along with a redirect.
func TestTokensStay(t *testing.T) {
	client, asked := fake(t, "https://vault.stranger.example", func(http.ResponseWriter, *http.Request) { t.Error("it was given a token") })
	if _, _, err := open(t, client, tokens{}).Get(t.Context(), "im-relay-key", ""); err == nil || asked.Load() != 1 {
		t.Errorf("%v, asked %d times", err, asked.Load())
	}
	client, _ = fake(t, "https://vault.azure.net", secrets)
	_, _, err := open(t, client, tokens{hinting{errors.New("no token from https://login.microsoftonline.com: it answered 401")}}).Get(t.Context(), "im-relay-key", "")
	refused(t, err, "no token from https://login.microsoftonline.com", "look at entra")
	if s := keyvault.Scope(at); s != "https://vault.azure.net/.default" {
		t.Errorf("the scope is %s", s)
	}
	plain, err := keyvault.New(keyvault.Config{Name: "azure", URL: "https://127.0.0.1:1", Tokens: tokens{}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := plain.Get(ctx, "a", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
