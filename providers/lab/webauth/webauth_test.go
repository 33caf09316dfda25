package webauth_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"meshrotate/providers/lab/ntlm"
	"meshrotate/providers/lab/webauth"
)

// gokrb5's replay cache starts a goroutine that never ends.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/jcmturner/gokrb5/v8/service.GetReplayCache.func1.1"),
		goleak.IgnoreAnyFunction("github.com/jcmturner/gokrb5/v8/service.VerifyAPREQ.GetReplayCache.func1.1"))
}

// whoami answers with the caller and the request's body.
func whoami(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s: %s", webauth.User(r.Context()), body)
}

func serve(t *testing.T, rules *webauth.Rules, secure bool) string {
	t.Helper()
	s := httptest.NewUnstartedServer(rules.Wrap(http.HandlerFunc(whoami)))
	s.Config.ConnContext = webauth.ConnContext
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s.URL
}

// serveTLS serves with httptest's certificate and returns it as PEM.
func serveTLS(t *testing.T, rules *webauth.Rules) (url, certificate string) {
	t.Helper()
	copied := *rules
	s := httptest.NewUnstartedServer(copied.Wrap(http.HandlerFunc(whoami)))
	s.Config.ConnContext = webauth.ConnContext
	s.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	s.StartTLS()
	t.Cleanup(s.Close)
	copied.Certificate, copied.RequireBindings = s.Certificate(), true
	return s.URL, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}

func get(t *testing.T, client *http.Client, url, authorization string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(body)
}

func ownClient(t *testing.T) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestOffers(t *testing.T) {
	knows := func(user string) (string, bool) { return "secret", user == "svc" }
	cases := []struct {
		reason string
		rules  webauth.Rules
		offers []string
	}{
		{"the zero rules let nobody in and offer nothing", webauth.Rules{}, nil},
		{"every scheme that is on is offered, strongest first",
			webauth.Rules{Negotiate: true, RawNTLM: true, Basic: true, Bearer: func(string) (string, bool) { return "", false }},
			[]string{"Negotiate", "NTLM", `Basic realm="WSMAN"`, "Bearer"}},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			tc.rules.NTLM = ntlm.Server{Password: knows}
			status, header, _ := get(t, ownClient(t), serve(t, &tc.rules, false), "")
			if got := header.Values("WWW-Authenticate"); status != http.StatusUnauthorized || strings.Join(got, "|") != strings.Join(tc.offers, "|") {
				t.Errorf("status %d, offers %q", status, got)
			}
		})
	}
}

func TestMalformedAuthorization(t *testing.T) {
	rules := &webauth.Rules{NTLM: ntlm.Server{Password: func(string) (string, bool) { return "", true }}, Negotiate: true, Basic: true}
	url := serve(t, rules, false)
	for _, header := range []string{"Negotiate", "Negotiate !!", "Negotiate TlRMTVNTUAADAAAA", "Negotiate YIIBBA==", "NTLM TlRMTVNTUAABAAAA",
		"Basic", "Basic !!", "Basic c3Zj", "Bearer x", webauth.MutualTLS, "nonsense"} {
		if status, _, _ := get(t, ownClient(t), url, header); status != http.StatusUnauthorized {
			t.Errorf("%q: status %d", header, status)
		}
	}
}

func TestTokens(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	tokens := &webauth.Tokens{
		Secret: func(client string) (string, bool) { return "s p+ä", client == "meshrotate" },
		Scopes: []string{"admin"}, Life: time.Minute, Now: func() time.Time { return now },
	}
	endpoint := httptest.NewServer(tokens)
	defer endpoint.Close()
	api := serve(t, &webauth.Rules{Bearer: tokens.Check}, false)
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, ownClient(t))
	for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams} {
		config := clientcredentials.Config{ClientID: "meshrotate", ClientSecret: "s p+ä", TokenURL: endpoint.URL, Scopes: []string{"admin"}, AuthStyle: style}
		token, err := config.Token(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if status, _, body := get(t, ownClient(t), api, "Bearer "+token.AccessToken); status != http.StatusOK || body != "meshrotate: " {
			t.Errorf("status %d, %q", status, body)
		}
	}
	for reason, config := range map[string]clientcredentials.Config{
		"wrong secret":   {ClientID: "meshrotate", ClientSecret: "x"},
		"unknown client": {ClientID: "other", ClientSecret: "s p+ä"},
		"empty secret":   {ClientID: "other"},
		"unknown scope":  {ClientID: "meshrotate", ClientSecret: "s p+ä", Scopes: []string{"root"}},
		"other grant":    {ClientID: "meshrotate", ClientSecret: "s p+ä", EndpointParams: url.Values{"grant_type": {"password"}}},
	} {
		config.TokenURL, config.AuthStyle = endpoint.URL, oauth2.AuthStyleInHeader
		if _, err := config.Token(ctx); err == nil {
			t.Errorf("%s: accepted", reason)
		}
	}
	config := clientcredentials.Config{ClientID: "meshrotate", ClientSecret: "s p+ä", TokenURL: endpoint.URL, AuthStyle: oauth2.AuthStyleInHeader}
	token, err := config.Token(ctx)
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	if status, _, _ := get(t, ownClient(t), api, "Bearer "+token.AccessToken); status != http.StatusUnauthorized {
		t.Errorf("an expired token: status %d", status)
	}
}
