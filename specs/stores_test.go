package specs_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"meshrotate/specs"
)

// one is a section with a value.
type one struct {
	specs.Secret `json:",inline"`
}

const someStores = `apiVersion: meshrotate/v1
kind: Deployment
name: contoso
hosts: {admin: im-admin}
connect:
  winrm: {auth: ntlm, user: 'C\r', password: {store: corp, path: im/winrm, key: password, at: 4}}
  stores:
    corp: {vault: {url: "https://vault.contoso.example:8200", token: {env: VAULT_TOKEN}}}
    old: {vault: {url: "https://vault.contoso.example:8200", kv: 1, appRole: {roleId: r, secretId: {file: /run/id}}}}
    pod: {vault: {url: "https://vault.contoso.example:8200", kubernetes: {role: im, jwt: {file: /run/jwt}}}}
    azure: {keyVault: {url: "https://contoso-im.vault.azure.net", entra: {managed: true}}}
    op: {exec: {program: /usr/bin/op, args: [read, --no-newline], env: [OP_SERVICE_ACCOUNT_TOKEN]}}
    sops: {exec: {program: /usr/bin/sops, args: [decrypt, /dev/stdin], stdin: true}}
secrets:
  one: {version: 8, from: generated, keep: {store: corp, path: im/relay}}
`

// TestStores: what a store may be, and what may come from which.
func TestStores(t *testing.T) {
	load := func(text string) (*specs.Deployment, error) {
		return specs.Loader{Sections: []specs.Section{{Key: "one", New: func() any { return &one{} }}}}.Load("a.yaml", []byte(text))
	}
	d, err := load(someStores)
	if err != nil {
		t.Fatal(err)
	}
	v, k := d.Connect.Stores["corp"].Vault, d.Connect.Stores["pod"].Vault.Kubernetes
	if v.Mount != "secret" || v.KV != 2 || d.Connect.Stores["old"].Vault.AppRole.Mount != "approle" || k.Mount != "kubernetes" ||
		d.Connect.Stores["op"].Exec.Timeout.String() != "1m" || d.Connect.Stores["azure"].KeyVault.Entra.Authority == "" {
		t.Errorf("defaults: %+v %+v", v, k)
	}
	from := *d.Connect.WinRM.Password
	if from.String() != "store corp/im/winrm#password at 4" || from.Where() != "store corp/im/winrm#password" {
		t.Errorf("%s, %s", from, from.Where())
	}
	var again specs.Source
	if data, err := json.Marshal(from); err != nil || json.Unmarshal(data, &again) != nil || cmp.Diff(from, again) != "" {
		t.Errorf("%s, %v", data, err)
	}
	const password, kept = "{store: corp, path: im/winrm, key: password, at: 4}", "from: generated, keep: {store: corp, path: im/relay}"
	for _, c := range []struct{ reason, was, is, refused string }{
		{"a store that is not declared", password, "{store: corpp, path: a}", "connect.winrm.password: there is no such store"},
		{"a secret's store that is not declared", kept, "from: {store: corpp, path: a}", "secrets.one.from: there is no such store"},
		{"a path without a store", password, "{path: a}", "must say where the value comes from"},
		{"a store without a path", password, "{store: corp}", "must say where the value comes from"},
		{"two sources", password, "{store: corp, path: a, env: hunter2}", "must say where the value comes from"},
		{"a store that is signed in to from a store", "{env: VAULT_TOKEN}", "{store: op, path: a}", "what a store is signed in to with is not asked of a store"},
		{"a token that is sealed", "{env: VAULT_TOKEN}", "{file: token.age}", "an .age file is never a credential's source"},
		{"what travels in clear", `corp: {vault: {url: "https://`, `corp: {vault: {url: "http://`, "http would send secrets in clear"},
		{"a user in the URL", `corp: {vault: {url: "https://`, `corp: {vault: {url: "https://u:hunter2@`, "a URL must not hold a user or a password"},
		{"a way out of the mount", "path: im/winrm", "path: ../auth/token", "without . and .."},
		{"a way out of the engine", "kv: 1,", "mount: a/../b,", "without . and .."},
		{"two kinds of store", "azure: {", "azure: {exec: {program: /bin/a}, ", "one of vault, keyVault and exec is needed"},
		{"no way to sign in", ", token: {env: VAULT_TOKEN}", "", "one of token, appRole and kubernetes is needed"},
		{"two ways to sign in", "kv: 1,", "kv: 1, token: {env: A},", "one of token, appRole and kubernetes is needed"},
		{"two applications at once", "{managed: true}", "{managed: true, secret: {env: A}}", "one of secret, certificate, assertion and managed is needed"},
		{"a version that is no number", "at: 4", "at: four", "Vault's versions are numbers"},
		{"a version where none is kept", password, "{store: old, path: a, at: 4}", "keeps no versions"},
		{"a key where there is one value", password, "{store: azure, path: a, key: b}", "key is for Vault alone"},
		{"no name of a secret", password, "{store: azure, path: a/b}", "1 to 127 letters"},
		{"an option", password, "{store: op, path: --config=/tmp/x}", "begins with no hyphen"},
		{"a version of a program", password, "{store: op, path: a, at: 1}", "a program knows no versions"},
		{"a program by its name alone", "/usr/bin/op", "op", "it is not a full path"},
		{"meshrotate's own variable", "OP_SERVICE_ACCOUNT_TOKEN", "MESHROTATE_AGE_IDENTITY", "given to no program"},
		{"a variable with its value", "OP_SERVICE_ACCOUNT_TOKEN", "OP=hunter2", "without their values"},
		{"a kept value as a credential", password, "{store: sops, path: .meshrotate/values/relaykey/7.age}", "never a credential's source"},
		{"kept where there is no check", "keep: {store: corp", "keep: {store: old", "only version 2 of Vault's KV engine"},
		{"kept in a program", "keep: {store: corp", "keep: {store: op", "only version 2 of Vault's KV engine"},
		{"what is not made here", "from: generated", "from: {env: A}", "only a value that meshrotate makes is kept elsewhere"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			if !strings.Contains(someStores, c.was) {
				t.Fatalf("%q is not in the document", c.was)
			}
			if _, err := load(strings.Replace(someStores, c.was, c.is, 1)); err == nil || !strings.Contains(err.Error(), c.refused) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v", err)
			}
		})
	}
}
