package vault_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"meshrotate/providers/vault"
	"meshrotate/providers/vault/vaulttest"
	"meshrotate/reconciler/secret"
)

const canary = "CANARY-5f20-value"

func open(t *testing.T, c vault.Config) *vault.Client {
	t.Helper()
	if c.Mount == "" {
		c.Mount = "secret"
	}
	if c.KV == 0 {
		c.KV = 2
	}
	c.Name = "corp"
	client, err := vault.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// refused says that an error names the store, says why and what to do, and holds no value.
func refused(t *testing.T, err error, why, advice string) {
	t.Helper()
	var hinted interface{ Hint() string }
	if err == nil || !strings.Contains(err.Error(), "store corp: ") || !strings.Contains(err.Error(), why) || !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), advice) {
		t.Errorf("%v, want %q with the hint %q", err, why, advice)
		return
	}
	if strings.Contains(err.Error()+hinted.Hint(), "CANARY") {
		t.Errorf("it holds a value: %v, %s", err, hinted.Hint())
	}
}

// A real Vault: versions, what is deleted, what is not allowed, both engines.
func TestRead(t *testing.T) {
	s := vaulttest.Start(t)
	s.Put(t, "im/relay", map[string]string{"value": canary + "-1", "user": "im"})
	s.Put(t, "im/relay", map[string]string{"value": canary + "-2"})
	s.Put(t, "im/relay", map[string]string{"value": canary + "-3"})
	s.Do(t, "POST", "secret/delete/im/relay", map[string]any{"versions": []int{1}})
	s.Do(t, "POST", "secret/destroy/im/relay", map[string]any{"versions": []int{2}})
	s.Do(t, "POST", "secret/data/im/odd name", map[string]any{"data": map[string]any{"value": canary, "number": 7, "list": []string{canary}}})
	s.Put(t, "im/hidden", map[string]string{"value": canary})
	s.Do(t, "POST", "old/im/relay", map[string]any{"value": canary + "-old"})
	c := open(t, vault.Config{URL: s.URL, Token: secret.NewString(s.Token(t, map[string]string{"secret/data/im/relay": "read", "secret/data/im/odd*": "read", "secret/data/im/none": "read"}))})

	e, err := c.Get(t.Context(), "im/relay", 0)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := e.Value("value"); err != nil || string(v.Expose()) != canary+"-3" {
		t.Errorf("%q, %v", v.Expose(), err)
	}
	if about := e.About(); !strings.HasPrefix(about, "version 3 of "+time.Now().UTC().Format("2006-01-02")) {
		t.Errorf("it is told as %q", about)
	}
	_, err = e.Value("password")
	refused(t, err, `secret/im/relay: it has no "password"`, "it is one of 1 there")
	_, err = c.Get(t.Context(), "im/relay", 1)
	refused(t, err, "secret/im/relay, version 1: it was deleted on 2", "undelete it")
	_, err = c.Get(t.Context(), "im/relay", 2)
	refused(t, err, "secret/im/relay, version 2: it was destroyed", "another version")
	_, err = c.Get(t.Context(), "im/relay", 9)
	refused(t, err, "secret/im/relay, version 9: nothing is there", "look at the path")
	_, err = c.Get(t.Context(), "im/none", 0)
	refused(t, err, "secret/im/none: nothing is there", "look at the path")
	_, err = c.Get(t.Context(), "im/hidden", 0)
	refused(t, err, "secret/im/hidden: it is not allowed (403)", `path "secret/data/im/hidden" { capabilities = ["read"] }`)
	if e, err = c.Get(t.Context(), "im/odd name", 0); err != nil {
		t.Fatal(err)
	}
	_, err = e.Value("number")
	refused(t, err, `"number" is not a text`, "as a text")
	_, err = e.Value("list")
	refused(t, err, `"list" is not a text`, "as a text")

	root := secret.NewString(s.Root)
	if e, err = open(t, vault.Config{URL: s.URL, Mount: "old", KV: 1, Token: root}).Get(t.Context(), "im/relay", 0); err != nil {
		t.Fatal(err)
	}
	if v, err := e.Value("value"); err != nil || string(v.Expose()) != canary+"-old" || e.About() != "" {
		t.Errorf("%q, %v, %q", v.Expose(), err, e.About())
	}
	_, err = open(t, vault.Config{URL: s.URL, Mount: "old", Token: root}).Get(t.Context(), "im/relay", 0)
	refused(t, err, "nothing is there", "kv: 1 or 2")
	_, err = open(t, vault.Config{URL: s.URL, KV: 1, Token: root}).Get(t.Context(), "im/relay", 0)
	refused(t, err, "nothing is there", "kv: 1 or 2")
	_, err = open(t, vault.Config{URL: s.URL, Token: secret.NewString("hvs.CANARY")}).Get(t.Context(), "im/relay", 0)
	refused(t, err, "it is not allowed (403)", "valid still")
}

// A real Vault: what is written stands on what was read, and what else is there stays.
func TestPut(t *testing.T) {
	s := vaulttest.Start(t)
	c := open(t, vault.Config{URL: s.URL, Token: secret.NewString(s.Root)})
	put := func(on *vault.Entry, latest int, key, value string) error {
		_, err := c.Put(t.Context(), "im/relay", on, latest, map[string]secret.Value{key: secret.NewString(value)})
		return err
	}
	if err := put(nil, 0, "a", canary+`<&"é`); err != nil {
		t.Fatal(err)
	}
	if err := put(nil, 0, "a", "another"); !errors.Is(err, vault.ErrFaster) {
		t.Errorf("where something is already: %v", err)
	}
	first, err := c.Get(t.Context(), "im/relay", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := put(first, first.Version, "b", "two"); err != nil {
		t.Fatal(err)
	}
	if err := put(first, first.Version, "a", "three"); !errors.Is(err, vault.ErrFaster) {
		t.Errorf("on what was read before: %v", err)
	}
	e, err := c.Get(t.Context(), "im/relay", 0)
	if err != nil {
		t.Fatal(err)
	}
	a, _, _ := e.Field("a")
	if b, _, _ := e.Field("b"); string(a.Expose()) != canary+`<&"é` || string(b.Expose()) != "two" || e.Version != 2 {
		t.Errorf("%q, %q, version %d", a.Expose(), b.Expose(), e.Version)
	}
	s.Do(t, "DELETE", "secret/data/im/relay", nil)
	var missing *vault.Missing
	if _, err := c.Get(t.Context(), "im/relay", 0); !errors.As(err, &missing) || missing.Latest != 2 {
		t.Fatalf("%v", err)
	}
	if err := put(nil, missing.Latest, "a", "four"); err != nil {
		t.Errorf("over what was deleted: %v", err)
	}
	reader := open(t, vault.Config{URL: s.URL, Token: secret.NewString(s.Token(t, map[string]string{"secret/data/im/relay": "read"}))})
	_, err = reader.Put(t.Context(), "im/relay", nil, 3, map[string]secret.Value{"a": secret.NewString(canary)})
	refused(t, err, "write secret/im/relay: it is not allowed (403)", `["create", "read", "update"]`)
}

// A real Vault: AppRole and Kubernetes, and tokens that end before their time.
func TestSignIn(t *testing.T) {
	s := vaulttest.Start(t)
	s.Put(t, "im/relay", map[string]string{"value": canary})
	s.Policy(t, "im", map[string]string{"secret/data/im/relay": "read"})
	s.Do(t, "POST", "sys/auth/approle", map[string]any{"type": "approle"})
	s.Do(t, "POST", "auth/approle/role/im", map[string]any{"token_policies": "im", "secret_id_num_uses": 2})
	role := s.Do(t, "GET", "auth/approle/role/im/role-id", nil)["role_id"].(string)
	id := s.Do(t, "POST", "auth/approle/role/im/secret-id", nil)["secret_id"].(string)

	approle := open(t, vault.Config{URL: s.URL, AppRole: &vault.AppRole{Mount: "approle", RoleID: role, SecretID: secret.NewString(id)}})
	get := func(c *vault.Client) error {
		e, err := c.Get(t.Context(), "im/relay", 0)
		if err == nil {
			_, err = e.Value("value")
		}
		return err
	}
	for range 3 { // one sign-in is enough for all
		if err := get(approle); err != nil {
			t.Fatal(err)
		}
	}
	s.Do(t, "POST", "sys/leases/revoke-prefix/auth/approle", map[string]any{"sync": true})
	if err := get(approle); err != nil {
		t.Errorf("after its token was revoked: %v", err)
	}
	s.Do(t, "POST", "sys/leases/revoke-prefix/auth/approle", map[string]any{"sync": true})
	refused(t, get(approle), "sign in with AppRole at approle: it answered 400", "a secret id may be used up")
	refused(t, get(open(t, vault.Config{URL: s.URL, AppRole: &vault.AppRole{Mount: "approle", RoleID: role, SecretID: secret.NewString("CANARY")}})), "it answered 400", "used up or expired")

	jwt := podToken(t)
	cluster := reviewer(t, jwt)
	s.Do(t, "POST", "sys/auth/kubernetes", map[string]any{"type": "kubernetes"})
	s.Do(t, "POST", "auth/kubernetes/config", map[string]any{"kubernetes_host": cluster.URL, "token_reviewer_jwt": jwt, "disable_local_ca_jwt": true,
		"kubernetes_ca_cert": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cluster.Certificate().Raw}))})
	s.Do(t, "POST", "auth/kubernetes/role/im", map[string]any{"bound_service_account_names": "im", "bound_service_account_namespaces": "prod", "token_policies": "im"})
	pod := func(role, jwt string) vault.Config {
		return vault.Config{URL: s.URL, Kubernetes: &vault.Kubernetes{Mount: "kubernetes", Role: role, JWT: secret.NewString(jwt)}}
	}
	if err := get(open(t, pod("im", jwt))); err != nil {
		t.Error(err)
	}
	refused(t, get(open(t, pod("other", jwt))), "sign in as a pod at kubernetes: it answered 400", "see that the role is there")
	refused(t, get(open(t, pod("im", podToken(t)))), "sign in as a pod at kubernetes: it answered 403", "see that the role is there")
}

// podToken is a service account's token, as Kubernetes makes them.
func podToken(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	part := func(v any) string {
		data, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(data)
	}
	signed := part(map[string]string{"alg": "RS256", "typ": "JWT"}) + "." + part(map[string]any{"iss": "https://kubernetes.default.svc", "sub": "system:serviceaccount:prod:im",
		"exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(), "kubernetes.io": map[string]any{"namespace": "prod", "serviceaccount": map[string]string{"name": "im", "uid": "u-1"}}})
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// reviewer is a local fake of the one endpoint of a Kubernetes cluster that Vault asks: it knows one token.
func reviewer(t *testing.T, jwt string) *httptest.Server {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct{ Spec struct{ Token string } }
		_ = json.NewDecoder(r.Body).Decode(&asked)
		status := map[string]any{"authenticated": false, "error": "unknown token"}
		if r.URL.Path == "/apis/authentication.k8s.io/v1/tokenreviews" && asked.Spec.Token == jwt {
			status = map[string]any{"authenticated": true, "user": map[string]any{"username": "system:serviceaccount:prod:im", "uid": "u-1", "groups": []string{"system:serviceaccounts"}}}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status})
	}))
	t.Cleanup(s.Close)
	return s
}

// A token goes to the declared server and to nobody else, whatever is answered, and nothing of an answer is quoted.
func TestHostile(t *testing.T) {
	var heard atomic.Int32
	stranger := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { heard.Add(1) }))
	defer stranger.Close()
	var asked atomic.Int32
	for name, c := range map[string]struct {
		answer      func(w http.ResponseWriter, r *http.Request)
		why, advice string
		times       int32
	}{
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, stranger.URL+"/v1/secret/data/a", http.StatusTemporaryRedirect)
		}, "a redirect, which is not followed", "the active node", 1},
		"another page":   {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>"+canary) }, "its answer is not Vault's", "reaches", 3},
		"another engine": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"data": {"value": %q}}`, canary) }, "not that of version 2", "kv: 1 or kv: 2", 1},
		"no end":         {func(w http.ResponseWriter, _ *http.Request) { w.Write(bytes.Repeat([]byte(" "), 5<<20)) }, "its answer is not Vault's", "reaches", 3},
		"an error": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			fmt.Fprintf(w, `{"errors": [%q]}`, canary)
		}, "it answered 400", "look at the path", 1},
		"sealed": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(503)
			fmt.Fprint(w, `{"errors": ["Vault is sealed"]}`)
		}, "it is sealed, or not ready", "unseal", 3},
		"too many at once": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, "it asks to wait (429)", "wait", 3},
	} {
		t.Run(name, func(t *testing.T) {
			asked.Store(0)
			s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked.Add(1); c.answer(w, r) }))
			defer s.Close()
			ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
			_, err := open(t, vault.Config{URL: s.URL, CAPEM: ca, Token: secret.NewString("hvs.CANARY")}).Get(t.Context(), "a", 0)
			refused(t, err, c.why, c.advice)
			if n := asked.Load(); n != c.times {
				t.Errorf("it was asked %d times, want %d", n, c.times)
			}
			_, err = open(t, vault.Config{URL: s.URL, Token: secret.NewString("hvs.CANARY")}).Get(t.Context(), "a", 0)
			refused(t, err, "it cannot be asked: tls: failed to verify certificate", "caFile")
		})
	}
	if heard.Load() != 0 {
		t.Error("the stranger was asked")
	}
	for _, url := range []string{"http://vault.contoso.example", "https://u:p@vault.contoso.example", "vault.contoso.example", "ftp://localhost"} {
		if _, err := vault.New(vault.Config{URL: url}); err == nil {
			t.Errorf("%s was accepted", url)
		}
	}
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	_, err = open(t, vault.Config{URL: "http://" + gone.Addr().String(), Token: secret.NewString("hvs.CANARY")}).Get(t.Context(), "a", 0)
	refused(t, err, "connection refused", "reaches")
}

// What the environment says does not count.
func TestEnvironmentDoesNotCount(t *testing.T) {
	for name, value := range map[string]string{"VAULT_ADDR": "https://stranger.example", "VAULT_TOKEN": "hvs.other", "VAULT_SKIP_VERIFY": "true", "VAULT_NAMESPACE": "other", "HTTPS_PROXY": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1"} {
		t.Setenv(name, value)
	}
	var token, namespace string
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, namespace = r.Header.Get("X-Vault-Token"), r.Header.Get("X-Vault-Namespace")
		fmt.Fprint(w, `{"data": {"data": {"value": "v"}, "metadata": {"version": 1}}}`)
	}))
	defer s.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if _, err := open(t, vault.Config{URL: s.URL, CAPEM: ca, Namespace: "team", Token: secret.NewString("hvs.ours")}).Get(t.Context(), "a", 0); err != nil || token != "hvs.ours" || namespace != "team" {
		t.Errorf("%v, %q, %q", err, token, namespace)
	}
	_, err := open(t, vault.Config{URL: s.URL, Token: secret.NewString("hvs.ours")}).Get(t.Context(), "a", 0)
	refused(t, err, "failed to verify certificate", "caFile")
}

// TestAnotherVersion: what was asked for by its number is not taken from another one, as a cache between may have it.
func TestAnotherVersion(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"data": {"data": {"value": %q}, "metadata": {"version": 7}}}`, canary)
	}))
	defer s.Close()
	c := open(t, vault.Config{URL: s.URL, CAPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), Token: secret.NewString("hvs.CANARY")})
	_, err := c.Get(t.Context(), "a", 4)
	refused(t, err, "its answer is version 7", "cache")
	if e, err := c.Get(t.Context(), "a", 7); err != nil || e.Version != 7 {
		t.Error(e, err)
	}
}
