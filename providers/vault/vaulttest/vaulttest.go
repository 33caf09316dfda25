// Package vaulttest starts a real Vault core for tests: vault-core, which .ci/vault builds.
package vaulttest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Server is a Vault on loopback, with KV version 2 at secret and version 1 at old.
type Server struct {
	URL, Root string
}

// Start starts one. A test without vault-core on PATH is skipped, and with CI=true it fails.
func Start(t *testing.T) *Server {
	t.Helper()
	program, err := exec.LookPath("vault-core")
	if err != nil {
		if os.Getenv("CI") == "true" && os.Getenv("VAULT_CORE") != "none" { // .ci/run says that it could not be built
			t.Fatal("vault-core is not on PATH, and CI must not go without")
		}
		t.Skip("vault-core is not on PATH: `cd .ci/vault && go build -o FOLDER/vault-core .` makes it")
	}
	cmd := exec.Command(program)
	in, errIn := cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	if errIn != nil || errOut != nil {
		t.Fatal(errIn, errOut)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	lines := bufio.NewScanner(out)
	s := &Server{}
	for _, field := range []*string{&s.URL, &s.Root} {
		if !lines.Scan() {
			t.Fatal("vault-core did not start")
		}
		*field = lines.Text()
	}
	s.Do(t, "POST", "sys/mounts/secret", map[string]any{"type": "kv", "options": map[string]string{"version": "2"}})
	s.Do(t, "POST", "sys/mounts/old", map[string]any{"type": "kv", "options": map[string]string{"version": "1"}})
	for tries := 0; ; tries++ { // version 2 of the engine makes itself ready in the background, and answers 400 until then
		if status, _ := s.send(t, "GET", "secret/data/nothing", nil); status == http.StatusNotFound {
			return s
		} else if tries > 1000 {
			t.Fatalf("the KV engine answers %d", status)
		}
	}
}

// Do asks with the root token, and returns what it answers under "data" and "auth". Anything but a success fails the test.
func (s *Server) Do(t *testing.T, method, path string, body any) map[string]any {
	t.Helper()
	status, answer := s.send(t, method, path, body)
	if status >= 300 {
		t.Fatalf("%s %s: %d %v", method, path, status, answer)
	}
	all := map[string]any{}
	for _, part := range []string{"data", "auth"} {
		if m, ok := answer[part].(map[string]any); ok {
			for k, v := range m {
				all[k] = v
			}
		}
	}
	return all
}

func (s *Server) send(t *testing.T, method, path string, body any) (status int, answer map[string]any) {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/v1/"+path, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Vault-Token", s.Root)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_ = json.NewDecoder(resp.Body).Decode(&answer)
	return resp.StatusCode, answer
}

// Put writes a new version of a value in version 2 of the engine.
func (s *Server) Put(t *testing.T, path string, fields map[string]string) {
	t.Helper()
	s.Do(t, "POST", "secret/data/"+path, map[string]any{"data": fields})
}

// Token makes a token that may do what is given to each path.
func (s *Server) Token(t *testing.T, rights map[string]string) string {
	t.Helper()
	s.Policy(t, "rights", rights)
	token, _ := s.Do(t, "POST", "auth/token/create", map[string]any{"policies": []string{"rights"}})["client_token"].(string)
	return token
}

// Policy makes a policy: what may be done with each path, as "create,update".
func (s *Server) Policy(t *testing.T, name string, rights map[string]string) {
	t.Helper()
	var text strings.Builder
	for path, may := range rights {
		text.WriteString(`path "` + path + `" { capabilities = ["` + strings.ReplaceAll(may, ",", `", "`) + "\"] }\n")
	}
	s.Do(t, "PUT", "sys/policies/acl/"+name, map[string]any{"policy": text.String()})
}
