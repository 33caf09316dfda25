package entra_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/lab/tds"
	"meshrotate/providers/mssql"
	"meshrotate/providers/mssql/entra"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/reconciler/secret"
)

const (
	tenant, client  = "8b1f7c9e-0000-4000-8000-000000000001", "0f6a1c3d-0000-4000-8000-000000000002"
	password, token = "s3cret-canary-of-an-application", "canary.token.of-entra"
	scope           = "https://database.windows.net/.default"
)

// authority is a local fake of Entra's token endpoint: it takes what takes says, and answers as the real one does.
func authority(t *testing.T, takes func(form url.Values) bool) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	answer := func(w http.ResponseWriter, status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("GET /"+tenant+"/v2.0/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		at := server.URL + "/" + tenant
		answer(w, http.StatusOK, map[string]string{"issuer": at + "/v2.0", "authorization_endpoint": at + "/oauth2/v2.0/authorize", "token_endpoint": at + "/oauth2/v2.0/token"})
	})
	mux.HandleFunc("POST /"+tenant+"/oauth2/v2.0/token", func(w http.ResponseWriter, r *http.Request) {
		if r.ParseForm() != nil || r.PostForm.Get("client_id") != client || !strings.Contains(r.PostForm.Get("scope"), scope) || !takes(r.PostForm) {
			answer(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client",
				"error_description": "AADSTS7000215: Invalid client secret provided: " + r.PostForm.Get("client_secret")})
			return
		}
		answer(w, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": 3600, "access_token": token})
	})
	return server
}

func config(server *httptest.Server) entra.Config {
	return entra.Config{Authority: server.URL, Tenant: tenant, ClientID: client, Scope: scope, Client: server.Client()}
}

// certificate is an application's, with its key, as PEM.
func certificate(t *testing.T) (pemText []byte, public *rsa.PublicKey) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "rotator"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err == nil {
		err = errors.Join(pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), &key.PublicKey
}

// signed says that an assertion (RFC 7523) was signed with a key.
func signed(assertion string, key *rsa.PublicKey) bool {
	i := strings.LastIndexByte(assertion, '.')
	if i < 0 {
		return false
	}
	signature, err := base64.RawURLEncoding.DecodeString(assertion[i+1:])
	sum := sha256.Sum256([]byte(assertion[:i]))
	return err == nil && (rsa.VerifyPSS(key, crypto.SHA256, sum[:], signature, nil) == nil || rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil)
}

// Every kind of application signs in to the lab's SQL Server with its token; and one that is refused learns why, without its secret.
func TestSignIn(t *testing.T) {
	text, public := certificate(t)
	assertions := 0
	fixed := secret.NewString("token of another issuer")
	for _, c := range []struct {
		name  string
		set   func(c *entra.Config)
		takes func(form url.Values) bool
	}{
		{"a secret", func(c *entra.Config) { c.Secret = secret.NewString(password) },
			func(f url.Values) bool { return f.Get("client_secret") == password }},
		{"a certificate", func(c *entra.Config) { c.Certificate = secret.New(text) },
			func(f url.Values) bool { return signed(f.Get("client_assertion"), public) }},
		{"workload identity", func(c *entra.Config) {
			c.Assertion = func(context.Context) (secret.Value, error) { assertions++; return fixed, nil }
		}, func(f url.Values) bool { return f.Get("client_assertion") == string(fixed.Expose()) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := authority(t, c.takes)
			config := config(server)
			c.set(&config)
			tokens, err := entra.New(config)
			if err != nil {
				t.Fatal(err)
			}
			if who, err := signIn(t, tokens); err != nil || who != "rotator-app" {
				t.Errorf("%q, %v", who, err)
			}
			refusing := authority(t, func(url.Values) bool { return false })
			config.Authority, config.Client = refusing.URL, refusing.Client()
			if tokens, err = entra.New(config); err != nil {
				t.Fatal(err)
			}
			_, err = signIn(t, tokens)
			var refused *mssql.SignInError
			if !errors.As(err, &refused) || refused.Why != mssql.NoTicket || !strings.Contains(err.Error(), "it answered 401 (AADSTS7000215)") || refused.Hint() == "" {
				t.Errorf("%v", err)
			}
			rotationtest.Search(t, map[string][]byte{"secret": []byte(password), "token": []byte(token), "assertion": fixed.Expose(), "certificate": text},
				map[string][]byte{"error": fmt.Appendf(nil, "%v %+v", err, err)})
		})
	}
	if assertions != 2 {
		t.Errorf("the other issuer's token was read %d times", assertions)
	}
}

// A managed identity asks the endpoint that its machine names.
func TestManagedIdentity(t *testing.T) {
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-IDENTITY-HEADER") != "header" || !strings.HasPrefix(scope, r.FormValue("resource")) || r.FormValue("client_id") != client {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"access_token": token, "expires_on": fmt.Sprint(time.Now().Add(time.Hour).Unix()), "resource": r.FormValue("resource"), "token_type": "Bearer"})
	}))
	t.Cleanup(endpoint.Close)
	t.Setenv("IDENTITY_ENDPOINT", endpoint.URL)
	t.Setenv("IDENTITY_HEADER", "header")
	tokens, err := entra.New(entra.Config{Managed: true, ClientID: client, Scope: scope})
	if err != nil {
		t.Fatal(err)
	}
	if who, err := signIn(t, tokens); err != nil || who != "rotator-app" {
		t.Errorf("%q, %v", who, err)
	}
}

// What is not right is said before anybody is asked, and who cannot be reached is named.
func TestWithoutAToken(t *testing.T) {
	away := config(authority(t, func(url.Values) bool { return true }))
	broken := away
	broken.Certificate = secret.NewString("no certificate")
	if _, err := entra.New(broken); err == nil {
		t.Error("it is no certificate")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	away.Authority, away.Secret = "https://"+l.Addr().String(), secret.NewString(password)
	_ = l.Close()
	tokens, err := entra.New(away)
	if err != nil {
		t.Fatal(err)
	}
	_, err = tokens.Token(t.Context())
	var refused *entra.RefusedError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "no token from "+away.Authority) || refused.Hint() == "" {
		t.Errorf("%v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tokens.Token(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// signIn signs in to the lab's model of SQL Server, which knows one token, and says as whom.
func signIn(t *testing.T, tokens *entra.Tokens) (who string, err error) {
	t.Helper()
	cert, roots, err := tds.Issue("localhost")
	if err != nil {
		t.Fatal(err)
	}
	instance := sqlserver.New(sqlserver.Config{})
	instance.SetLogin("rotator-app", func(l *sqlserver.Login) { l.Windows, l.Roles = true, []string{"sysadmin"} })
	server := &tds.Server{Instance: instance, Encryption: tds.Required, Certificate: cert, Tokens: func(got string) (string, error) {
		if got != token {
			return "", errors.New("nobody's")
		}
		return "rotator-app", nil
	}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close(); instance.Close(); instance.Data().Close() })
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(roots)
	s, err := mssql.Open(t.Context(), mssql.Config{Host: "localhost", Port: uint16(l.Addr().(*net.TCPAddr).Port), User: client + "@" + tenant, Tokens: tokens,
		Trust: mssql.Trust{Roots: pool}})
	if err != nil {
		return "", err
	}
	defer s.Close()
	err = s.Conn.QueryRowContext(t.Context(), "SELECT SUSER_SNAME()").Scan(&who)
	return who, err
}
