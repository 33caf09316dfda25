package labcli_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/vault/vaulttest"
)

// TestStores rotates with a real Vault and a program: the license comes from one pinned version there, the relay key is made and kept
// there, and what signs in to the hosts comes from the program. A request moves the pin; a store that is away stops nothing that runs.
func TestStores(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the program is a shell script")
	}
	s := vaulttest.Start(t)
	w, _ := startHere(t, lab.Config{Relays: 2})
	license, err := os.ReadFile(filepath.Join(w.dir, "licenses", lab.NewLicense+".key"))
	must(t, err)
	s.Put(t, "im/license", map[string]string{"value": "an older one"})
	s.Put(t, "im/license", map[string]string{"value": string(license)})
	s.Put(t, "im/relay", map[string]string{"owner": "ada"})
	tool, asked := filepath.Join(t.TempDir(), "op"), filepath.Join(t.TempDir(), "asked")
	must(t, os.WriteFile(tool, []byte("#!/bin/sh\necho \"$*\" >>"+asked+"\nprintenv IM_LAB_PASSWORD\n"), 0o700))
	s.Policy(t, "im", map[string]string{"secret/data/im/license": "read", "secret/data/im/relay": "read,create,update"})
	s.Do(t, "POST", "sys/auth/approle", map[string]any{"type": "approle"})
	s.Do(t, "POST", "auth/approle/role/im", map[string]any{"token_policies": "im"})
	role := s.Do(t, "GET", "auth/approle/role/im/role-id", nil)["role_id"].(string)
	w.env = append(w.env, "IM_VAULT="+s.Do(t, "POST", "auth/approle/role/im/secret-id", nil)["secret_id"].(string))
	w.rewrite("connect:\n", "connect:\n  stores:\n    corp: {vault: {url: '"+s.URL+"', appRole: {roleId: "+role+", secretId: {env: IM_VAULT}}}}\n    op: {exec: {program: "+tool+", args: [read], env: [IM_LAB_PASSWORD]}}\n")
	w.rewrite("password: {env: IM_LAB_PASSWORD}", "password: {store: op, path: 'op://im/rotator'}")
	w.rewrite("from: {file: licenses/"+lab.NewLicense+".key}", "from: {store: corp, path: im/license}")
	w.rewrite("from: generated\n", "from: generated\n    keep: {store: corp, path: im/relay, key: apiKey}\n")

	w.run(0, "validate")
	w.run(2, "plan", "--out", "plan.json").says(t, "fetch the license from store corp/im/license, version 2 of 20")
	s.Put(t, "im/license", map[string]string{"value": string(license)}) // the same, and yet not what was planned
	w.run(1, "apply", "plan.json").says(t, "the plan is no longer true", "version 2 of 20", "now available, version 3 of 20")
	s.Put(t, "im/license", map[string]string{"value": "one that is not declared yet"})
	w.rewrite("path: im/license}", "path: im/license, at: 2}")
	w.run(2, "plan").says(t, "fetch the license from store corp/im/license at 2, version 2 of 20", "mint 32 bytes, kept for others in store corp/im/relay#apiKey, kept sealed")
	if there := s.Do(t, "GET", "secret/data/im/relay", nil)["data"].(map[string]any); there["apiKey"] != nil {
		t.Error("a plan has put something there")
	}
	w.run(2, "plan", "--out", "plan.json")
	w.run(0, "apply", "plan.json")
	w.converged()
	there := s.Do(t, "GET", "secret/data/im/relay", nil)["data"].(map[string]any)
	key, _ := there["apiKey"].(string)
	if len(key) != 44 || there["owner"] != "ada" {
		t.Errorf("in the store there is a key of %d characters beside %v", len(key), there["owner"])
	}
	must(t, os.Remove(asked))
	w.run(0, "plan")
	if data, err := os.ReadFile(asked); err != nil || string(data) != "read op://im/rotator\n" {
		t.Errorf("in one run the program was run as %q, %v", data, err)
	}

	// Somebody changes the value there: the kept one counts, and it is said.
	s.Put(t, "im/relay", map[string]string{"apiKey": "changed by hand"})
	w.run(0, "plan").says(t, "the store in which it is kept for others has another value now than when version 7 was kept; the kept one counts", "[source-changed]")
	w.rewrite("version: 7", "version: 8")
	w.run(1, "plan").says(t, "there is a value that meshrotate did not put there, and it is not overwritten")
	w.run(1, "apply", "--yes").says(t, "nothing was changed")

	// A store that is not there is named before anything stops.
	w.rewrite(s.URL, "http://127.0.0.1:1")
	w.run(1, "plan").says(t, "store corp: ", "it cannot be asked", "see that this machine reaches http://127.0.0.1:1")
	w.rewrite("version: 8", "version: 7")
	w.run(0, "plan")
}
