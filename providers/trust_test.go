package providers_test

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"meshrotate/providers"
	"meshrotate/reconciler"
	"meshrotate/reconciler/session"
	"meshrotate/specs"
	"meshrotate/specs/trust"
)

// TestEveryFieldIsWantedOrTrusted: whoever adds a field to the document says whether a request may decide it.
func TestEveryFieldIsWantedOrTrusted(t *testing.T) {
	fields := 0
	var walk func(typ reflect.Type, path string)
	walk = func(typ reflect.Type, path string) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[specs.Source]() || typ == reflect.TypeFor[specs.Duration]() {
			t.Errorf("%s is neither wanted nor of the trusted side: give it a tag `trust:\"…\"`", path)
			return
		}
		for i := range typ.NumField() {
			f := typ.Field(i)
			name, inline := specs.FieldName(f)
			class, _, _ := strings.Cut(f.Tag.Get("trust"), ",")
			switch {
			case !inline && (name == "-" || name == "") || path == "" && name == "secrets":
			case class != "" && !slices.Contains(trust.Classes(), trust.Class(class)):
				t.Errorf("%s.%s: there is no class %q", path, f.Name, class)
			case class != "":
				fields++
			default:
				walk(f.Type, strings.Trim(path+"."+name, "."))
			}
		}
	}
	walk(reflect.TypeFor[specs.Deployment](), "")
	for _, s := range providers.Sections() {
		walk(reflect.TypeOf(s.New()), "secrets."+s.Key)
	}
	if fields < 100 {
		t.Errorf("only %d fields were looked at", fields)
	}
}

const agreed = `apiVersion: meshrotate/v1
kind: Deployment
name: contoso
hosts: {admin: im-admin, engine: im-engine, build: im-build, relays: ["relay-[1..3]"]}
connect:
  winrm: {auth: ntlm, user: 'C\r', password: {env: IM_PASSWORD}, caFile: ca.pem, kerberos: {realm: C.EXAMPLE}}
  adminApi: {url: "https://im-admin"}
  sql: {server: sql01, user: r, password: {env: SQL_PASSWORD}, replicas: [sql02]}
  stores:
    corp: {vault: {url: "https://vault", appRole: {roleId: im, secretId: {env: VAULT_ID}}}}
    op: {exec: {program: /usr/bin/op, args: [read], env: [OP_TOKEN]}}
secrets:
  license: {version: 1, from: {file: licenses/1.key.age}, customer: Contoso, publicKey: vendor.pem}
  relayKey: {version: 7, from: generated, every: 90d}
  sqlLogin: {logins: [a, b], version: 3, from: generated}
  serviceAccounts:
    - {services: [IdentityMeshEngine], account: 'C\svc', version: 2, from: {env: SVC_PASSWORD}}
  connectors:
    hook: {program: /opt/im/at-source, args: [--quiet, "true"]}
    login: {program: /opt/im/try-source, args: [--once]}
    secrets:
      - {ref: one, version: 1, from: {env: ONE}, source: {changed: after, by: hook}}
      - {ref: two, version: 1, from: {env: TWO}}
      - {ref: four, version: 1, from: {store: corp, path: im/four, at: 3}}
  codeSigning:
    thumbprints: [{sha1: 41C09A12B3D4E5F60718293A4B5C6D7E8F901A2B, use: signing}]
    buildHost: {pfx: {file: signing/1.pfx}, password: {env: PFX}, script: 'C:\b\build.cmd', artifacts: {folder: 'C:\b\out'}}
policy: {unreachable: {tolerate: [relay-2], count: 1}, planTtl: 12h, window: [Mon-Fri 22:00-04:00 UTC], silence: [{finding: clock-skew, host: relay-2, why: known, until: "2030-01-01"}]}
state: {dir: /var/lib/im, seal: {recipients: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]}}
`

var limits = []string{"planTtl: 12h", "planTtl: 12h, maxOutage: 1m, suspend: {why: closing, until: '2027-01-03'}"}

var inWindow = []string{"version: 2, from: {env: SVC_PASSWORD}", "version: 2, from: {env: SVC_PASSWORD}, restart: window, restartIn: [Sun 03:00-04:00 UTC]"}

// TestBind: what is wanted is the request's, the rest is what was agreed to, and whatever is not in force is said.
func TestBind(t *testing.T) {
	files := map[string]string{"ca.pem": "agreed", "vendor.pem": "agreed"}
	loader := specs.Loader{Sections: providers.Sections()}
	load := func(t *testing.T, text string, files map[string]string) *specs.Deployment {
		d, err := loader.Load("contoso.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		d.Origin.ReadFile = func(name string) ([]byte, error) { return []byte(files[name]), nil }
		return d
	}
	for _, c := range []struct {
		reason   string
		from     []string // pairs by which another document was agreed to
		edit     []string // pairs
		changed  map[string]string
		blocks   []string // how doubts that block begin
		loosened []string
		wanted   string // the agreed document with these edits is what must be in force
	}{
		{reason: "nothing"},
		{reason: "versions, cadence, a file of the revision", edit: []string{"version: 1, from: {file: licenses/1", "version: 2, from: {file: licenses/2", "version: 7", "version: 8", "90d", "30d", "ref: two, version: 1", "ref: two, version: 2"}, wanted: "all"},
		{reason: "another order, another way to write hosts", edit: []string{`"relay-[1..3]"`, "relay-3, relay-1, relay-2"}, wanted: "all"},
		{reason: "policy that tightens", edit: []string{"count: 1", "count: 0", "planTtl: 12h", "planTtl: 1h", "tolerate: [relay-2], ", ""}, wanted: "all"},
		{reason: "policy that loosens", edit: []string{"count: 1", "count: 2", "planTtl: 12h", "planTtl: 24h", "[relay-2]", "[relay-2, relay-3]"},
			loosened: []string{"policy.unreachable.tolerate", "policy.unreachable.count", "policy.planTtl"}},
		{reason: "no window", edit: []string{", window: [Mon-Fri 22:00-04:00 UTC]", ""}, loosened: []string{"policy.window"}},
		{reason: "silence on every host", edit: []string{", host: relay-2", ""}, loosened: []string{"policy.silence"}},
		{reason: "silence no more", edit: []string{`, silence: [{finding: clock-skew, host: relay-2, why: known, until: "2030-01-01"}]`, ""}, wanted: "all"},
		{reason: "another window", edit: []string{"window: [", "window: [daily 00:00-24:00 UTC, "}, loosened: []string{"policy.window"}},
		{reason: "a suspension, and a longest outage", edit: []string{"planTtl: 12h", "planTtl: 12h, maxOutage: 30s, suspend: {why: closing, until: '2027-01-03'}"}, wanted: "all"},
		{reason: "a longest outage", edit: []string{"planTtl: 12h", "planTtl: 12h, maxOutage: 30s"}, wanted: "all"},
		{reason: "longer waits", edit: []string{"planTtl: 12h", "planTtl: 12h, hostTimeout: 10m, patience: 1h", "args: [--quiet", "timeout: 1h, args: [--quiet", "policy:", "product: {api: {readyTimeout: 10h, connectedTimeout: 10h}, relay: {stopTimeout: 10m, startTimeout: 10m, stable: 1h}}\npolicy:"},
			loosened: []string{"policy.hostTimeout is new or loosens, and is not in force: 10m (agreed: 5m)", "policy.patience", "secrets.connectors.hook.timeout", "product.api.readyTimeout", "product.api.connectedTimeout", "product.relay.stopTimeout", "product.relay.startTimeout", "product.relay.stable"}},
		{reason: "a shorter longest outage, and a longer suspension", from: limits, edit: []string{"maxOutage: 1m", "maxOutage: 30s", "2027-01-03", "2027-02-03"}, wanted: "all"},
		{reason: "a longer longest outage, and a shorter suspension", from: limits, edit: []string{"maxOutage: 1m", "maxOutage: 2m", "2027-01-03", "2027-01-02"}, loosened: []string{
			"policy.maxOutage is new or loosens, and is not in force: 2m (agreed: 1m)", "policy.suspend.until is new or loosens, and is not in force: 2027-01-02 (agreed: 2027-01-03)"}},
		{reason: "no limits", from: limits, edit: []string{limits[1], "planTtl: 12h"}, loosened: []string{"policy.maxOutage", "policy.suspend.until", "policy.suspend.why"}},
		{reason: "what stands for the live license's own", edit: []string{"customer: Contoso,", "customer: Contoso, tier: Community, layout: opaque,"}, loosened: []string{
			"secrets.license.tier is new or loosens, and is not in force: Community (agreed: as the live one has it)", "secrets.license.layout is new or loosens, and is not in force: opaque"}},
		{reason: "shorter waits", edit: []string{"planTtl: 12h", "planTtl: 12h, hostTimeout: 10s, patience: 1s", "args: [--quiet", "timeout: 1s, args: [--quiet", "args: [--once]", "args: [--once], timeout: 1s", "args: [read]", "args: [read], timeout: 1s",
			"logins: [a, b],", "logins: [a, b], soak: 1s,", `artifacts: {folder: 'C:\b\out'}`, `artifacts: {folder: 'C:\b\out'}, timeout: 1s`, "policy:", "product: {api: {readyTimeout: 10s, connectedTimeout: 10s}, relay: {stopTimeout: 10s, startTimeout: 10s, stable: 1s}}\npolicy:",
			"  connectors:\n", "  connectors:\n    timeout: 1s\n"},
			loosened: []string{"policy.hostTimeout is new or loosens, and is not in force: 10s (agreed: 5m)", "policy.patience", "secrets.connectors.hook.timeout", "secrets.connectors.login.timeout", "connect.stores.op.exec.timeout", "secrets.sqlLogin.soak",
				"secrets.codeSigning.buildHost.timeout", "product.api.readyTimeout", "product.api.connectedTimeout", "product.relay.stopTimeout", "product.relay.startTimeout", "product.relay.stable", "secrets.connectors.timeout"}},
		{reason: "a restart at once, and not in its window", from: inWindow, edit: []string{inWindow[1], inWindow[0]}, loosened: []string{`secrets.serviceAccounts["C\\svc"].restart `, `secrets.serviceAccounts["C\\svc"].restartIn`}},
		{reason: "a restart in another window", from: inWindow, edit: []string{"Sun 03:00-04:00 UTC", "daily 00:00-24:00 UTC"}, loosened: []string{`secrets.serviceAccounts["C\\svc"].restartIn`}},
		{reason: "a replaced login that stays", edit: []string{"logins: [a, b],", "logins: [a, b], soak: 9999d,"}, loosened: []string{"secrets.sqlLogin.soak is new or loosens, and is not in force: 9999d (agreed: 7d)"}},
		{reason: "a guard that is changed", edit: []string{"customer: Contoso", "customer: Fabrikam"}, loosened: []string{"secrets.license.customer"}},
		{reason: "a guard that is left out", edit: []string{"customer: Contoso, ", ""}, loosened: []string{"secrets.license.customer"}},
		{reason: "another order of tiers", edit: []string{"customer: Contoso,", "customer: Contoso, tiers: [Enterprise, Professional, Standard, Community],"}, loosened: []string{"secrets.license.tiers"}},
		{reason: "values on command lines", edit: []string{"  connectors:\n", "  connectors:\n    argv: permitted\n"}, loosened: []string{"secrets.connectors.argv"}},
		{reason: "a relay, and what is wanted beside it", edit: []string{"[1..3]", "[1..4]", "version: 7", "version: 8"}, blocks: []string{"hosts.relays is new, not contacted: relay-4"}, wanted: "7 to 8"},
		{reason: "a relay is left out", edit: []string{"[1..3]", "[1..2]"}, blocks: []string{"hosts.relays is left out, and still in force: relay-3"}},
		{reason: "a host of its own way", edit: []string{"connect:\n", "connect:\n  hosts: {relay-1: {address: '10.0.0.1', auth: basic, user: u, password: {env: AWS}}}\n"},
			blocks: []string{"connect.hosts[\"relay-1\"].address is new, not contacted: 10.0.0.1", "connect.hosts[\"relay-1\"].auth", "connect.hosts[\"relay-1\"].user", "connect.hosts[\"relay-1\"].password is new, not contacted: env AWS"}},
		{reason: "a value of the runner", edit: []string{"version: 7, from: generated", "version: 8, from: {env: AWS}"}, blocks: []string{"secrets.relayKey.from is new, not in force: env AWS (agreed: generated)"}},
		{reason: "a value that its author knows", edit: []string{"version: 7, from: generated", "version: 8, from: {file: secrets/mine.age}", "from: {env: ONE}", "from: {file: secrets/one.age}"}, blocks: []string{
			"secrets.relayKey.from is new, not in force: file secrets/mine.age (agreed: generated)", "secrets.connectors.secrets.one.from is new, not in force: file secrets/one.age (agreed: env ONE)"}},
		{reason: "a certificate where none was agreed to", edit: []string{"pfx: {file: signing/1.pfx}, password: {env: PFX}, ", "pfx: {file: signing/2.pfx}, password: {file: secrets/pw.age}, "}, blocks: []string{
			"secrets.codeSigning.buildHost.password is new, not in force: file secrets/pw.age (agreed: env PFX)"}},
		{reason: "a value of the disk", edit: []string{"version: 1, from: {file: licenses/1.key.age}", "version: 2, from: {file: /etc/shadow}"}, blocks: []string{"secrets.license.from is new, not in force: file /etc/shadow"}},
		{reason: "another account", edit: []string{`C\svc`, `C\admin`}, loosened: []string{`secrets.serviceAccounts["C\\svc"].changedBy`}, blocks: []string{
			`secrets.serviceAccounts["C\\admin"].services is new`, `secrets.serviceAccounts["C\\admin"].account is new, not in force: C\admin`, `secrets.serviceAccounts["C\\admin"].from is new`,
			`secrets.serviceAccounts["C\\svc"].services is left out`, `secrets.serviceAccounts["C\\svc"].account is left out`}},
		{reason: "another way to change an account's password", edit: []string{`version: 2, from`, `changedBy: kpasswd, version: 2, from`}, loosened: []string{`secrets.serviceAccounts["C\\svc"].changedBy`}},
		{reason: "a connector's secret more, another less", edit: []string{"ref: two, version: 1, from: {env: TWO}", "ref: three, version: 1, from: {env: THREE}"},
			loosened: []string{"secrets.connectors.secrets.two.source.changed", "secrets.connectors.secrets.two.source.by", "secrets.connectors.secrets.two.source.proof"}, blocks: []string{
				`secrets.connectors.secrets.three.from is new, not in force: env THREE`, `secrets.connectors.secrets.three.ref is new`, `secrets.connectors.secrets.two.ref is left out`}},
		{reason: "another program of the operator's machine", edit: []string{"/opt/im/at-source", "/bin/sh"}, blocks: []string{"secrets.connectors.hook.program is new, not contacted: /bin/sh (agreed: /opt/im/at-source)"}},
		{reason: "another version of what a store has", edit: []string{"ref: four, version: 1", "ref: four, version: 2", "at: 3", "at: 4"}, wanted: "all"},
		{reason: "the latest version of it", edit: []string{"ref: four, version: 1", "ref: four, version: 2", ", at: 3", ""}, wanted: "all"},
		{reason: "another place in a store", edit: []string{"im/four, at: 3", "finance/bank"}, blocks: []string{"secrets.connectors.secrets.four.from is new, not in force: store corp/finance/bank (agreed: store corp/im/four)"}},
		{reason: "another key at a place", edit: []string{"im/four, at: 3", "im/four, key: root"}, blocks: []string{"secrets.connectors.secrets.four.from is new, not in force: store corp/im/four#root"}},
		{reason: "a place to keep it", edit: []string{"from: generated, every: 90d", "from: generated, keep: {store: corp, path: public/relay}, every: 90d"}, blocks: []string{"secrets.relayKey.keep is new, not contacted: corp/public/relay"}},
		{reason: "another store, another way in", edit: []string{"https://vault", "https://stranger", "roleId: im", "roleId: admin", "VAULT_ID", "AWS"}, blocks: []string{"connect.stores.corp.vault.url is new, not contacted: https://stranger",
			"connect.stores.corp.vault.appRole.roleId is new", "connect.stores.corp.vault.appRole.secretId is new, not contacted: env AWS"}},
		{reason: "a store is left out", edit: []string{`    op: {exec: {program: /usr/bin/op, args: [read], env: [OP_TOKEN]}}` + "\n", ""}, blocks: []string{"connect.stores.op.exec.program is left out, and still in force", "connect.stores.op.exec.args is left out", "connect.stores.op.exec.env is left out"},
			loosened: nil},
		{reason: "a variable more for a program", edit: []string{"[OP_TOKEN]", "[OP_TOKEN, AWS]"}, blocks: []string{"connect.stores.op.exec.env is new, not contacted: AWS"}},
		{reason: "the same arguments in another order", edit: []string{`--quiet, "true"`, `"true", --quiet`}, blocks: []string{"secrets.connectors.hook.args is new, not contacted: true, --quiet (agreed: --quiet, true)"}},
		{reason: "a program for one that had none", edit: []string{"from: {env: TWO}", "from: {env: TWO}, source: {by: hook}"}, loosened: []string{"secrets.connectors.secrets.two.source.by"}},
		{reason: "another program that tries logins", edit: []string{"/opt/im/try-source", "/bin/sh", "[--once]", "[-c]"}, blocks: []string{"secrets.connectors.login.program is new, not contacted: /bin/sh (agreed: /opt/im/try-source)", "secrets.connectors.login.args is new, not contacted: -c"}},
		{reason: "a value for a program that had it not", edit: []string{"from: {env: TWO}", "from: {env: TWO}, source: {proof: login}"}, loosened: []string{"secrets.connectors.secrets.two.source.proof"}},
		{reason: "a program", edit: []string{"  connectors:\n", "  connectors:\n    tool: 'C:\\x.exe'\n"}, blocks: []string{`secrets.connectors.tool is new, not contacted: C:\x.exe (agreed: %ProgramFiles%`}},
		{reason: "another certificate to sign with, of the revision", edit: []string{"41C0", "9F8A", "signing/1.pfx", "signing/2.pfx"}, wanted: "all"},
		{reason: "a certificate of the disk", edit: []string{"signing/1.pfx", "/etc/ssl/private/x.pfx"}, blocks: []string{"secrets.codeSigning.buildHost.pfx is new, not in force: file /etc/ssl/private/x.pfx"}},
		{reason: "a password of the runner", edit: []string{"{env: PFX}", "{env: AWS}"}, blocks: []string{"secrets.codeSigning.buildHost.password is new, not in force: env AWS (agreed: env PFX)"}},
		{reason: "another script to build with", edit: []string{`C:\b\build.cmd`, `C:\x.cmd`}, blocks: []string{`secrets.codeSigning.buildHost.script is new, not contacted: C:\x.cmd (agreed: C:\b\build.cmd)`}},
		{reason: "another variable, store and place", edit: []string{`artifacts: {folder: 'C:\b\out'}`, `artifacts: {folder: 'C:\Windows'}, variable: Path, store: 'CurrentUser\My'`}, blocks: []string{
			`secrets.codeSigning.buildHost.artifacts.folder is new, not in force: C:\Windows`, "secrets.codeSigning.buildHost.variable is new, not in force: Path", "secrets.codeSigning.buildHost.store is new"}},
		{reason: "another build host", edit: []string{"im-build", "stranger"}, blocks: []string{"hosts.build is new, not contacted: stranger (agreed: im-build)"}},
		{reason: "a file on the hosts", edit: []string{"policy:", "product: {admin: {settings: 'C:\\x.json'}}\npolicy:"}, blocks: []string{`product.admin.settings is new, not in force: C:\x.json`}},
		{reason: "another state", edit: []string{"/var/lib/im", "/tmp/x"}, blocks: []string{"state.dir is new, not contacted: /tmp/x (agreed: /var/lib/im)"}},
		{reason: "another reader of kept values", edit: []string{"recipients: [", "recipients: [age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj, "}, blocks: []string{"state.seal.recipients is new, not contacted: age1zvk"}},
		{reason: "a replica", edit: []string{"[sql02]", "[sql02, stranger]"}, blocks: []string{"connect.sql.replicas is new, not contacted: stranger"}},
		{reason: "another way to sign in to SQL Server", edit: []string{"user: r, password: {env: SQL_PASSWORD}", "auth: entra, entra: {tenant: t, clientId: c, secret: {env: AWS}, authority: 'https://login.stranger.example'}"},
			blocks: []string{"connect.sql.auth is new, not contacted: entra", "connect.sql.entra.tenant is new", "connect.sql.entra.clientId is new", "connect.sql.entra.secret is new, not contacted: env AWS",
				"connect.sql.entra.authority is new, not contacted: https://login.stranger.example", "connect.sql.entra.scope is new", "connect.sql.user", "connect.sql.password"}},
		{reason: "another name", edit: []string{"name: contoso", "name: fabrikam"}, blocks: []string{"name is new, not contacted: fabrikam"}},
		{reason: "a key and an authority of the request", changed: map[string]string{"ca.pem": "hostile", "vendor.pem": "hostile"}, blocks: []string{"connect.winrm.caFile: ca.pem is changed, and not read", "secrets.license.publicKey: vendor.pem is changed, and not read"}},
		{reason: "a secret more", edit: []string{"  relayKey: {version: 7, from: generated, every: 90d}\n", ""}, blocks: []string{"secrets.relayKey.from is left out, and still in force", "secrets.relayKey.setting is left out"}},
		{reason: "a login less", edit: []string{"{logins: [a, b],", "{mode: single, login: a,"}, blocks: []string{"secrets.sqlLogin.mode", "secrets.sqlLogin.login is new", "secrets.sqlLogin.logins is left out"}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			agreed := strings.NewReplacer(c.from...).Replace(agreed)
			for i := 0; i < len(c.edit); i += 2 {
				if !strings.Contains(agreed, c.edit[i]) {
					t.Fatalf("%q is not in the document", c.edit[i])
				}
			}
			text, in := strings.NewReplacer(c.edit...).Replace(agreed), agreed
			switch c.wanted {
			case "all":
				in = text
			case "7 to 8":
				in = strings.Replace(in, "version: 7", "version: 8", 1)
			}
			own := c.changed
			if own == nil {
				own = files
			}
			d, err := trust.Bind(loader, load(t, text, own), trust.Side{Base: load(t, agreed, files), Name: "main at 1234567"})
			if err != nil {
				t.Fatal(err)
			}
			var blocks, loosened []string
			for _, q := range d.Origin.Doubts {
				if q.Hint == "" {
					t.Errorf("%s: without a hint", q.Text)
				}
				if q.Blocks {
					blocks = append(blocks, q.Text)
				} else {
					loosened = append(loosened, q.Text)
				}
			}
			for _, f := range session.Untrusted(d) {
				if want := map[reconciler.Severity]reconciler.FindingID{reconciler.Error: "trust-not-agreed", reconciler.Warning: "trust-loosened"}[f.Severity]; f.Code != want {
					t.Errorf("%+v", f)
				}
			}
			said(t, "blocks", blocks, c.blocks)
			said(t, "loosened", loosened, c.loosened)
			want := load(t, in, files)
			want.Origin, d.Origin = specs.Origin{}, specs.Origin{Trusted: d.Origin.Trusted}
			if data, err := d.Origin.ReadTrusted("ca.pem"); err != nil || string(data) != "agreed" {
				t.Errorf("the authority is %q, %v", data, err)
			}
			d.Origin = specs.Origin{}
			if diff := cmp.Diff(want, d); diff != "" && !strings.Contains(c.reason, "another way to write") {
				t.Errorf("in force (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNothingAllowed: with an operator's file alone, what it does not allow stops everything, of each kind.
func TestNothingAllowed(t *testing.T) {
	loader := specs.Loader{Sections: providers.Sections()}
	d, err := loader.Load("contoso.yaml", []byte(agreed))
	if err != nil {
		t.Fatal(err)
	}
	d, err = trust.Bind(loader, d, trust.Side{Operator: &trust.Operator{}})
	if err != nil || !d.Origin.Unagreed {
		t.Fatalf("%+v, %v", d.Origin, err)
	}
	var blocks []string
	for _, q := range d.Origin.Doubts {
		if q.Blocks {
			blocks = append(blocks, q.Path)
		}
	}
	for _, path := range []string{"name", "hosts.admin", "hosts.relays", "connect.winrm.user", "connect.winrm.password", "connect.winrm.caFile", "connect.adminApi.url", "connect.sql.server",
		"state.dir", "state.seal.recipients", "secrets.license.publicKey", "secrets.sqlLogin.logins", `secrets.connectors.secrets.one.from`, `secrets.serviceAccounts["C\\svc"].from`} {
		if !slices.Contains(blocks, path) {
			t.Errorf("%s is not in doubt: %q", path, blocks)
		}
	}
}

// said compares texts with how they must begin, in any order.
func said(t *testing.T, what string, got, want []string) {
	t.Helper()
	for _, w := range want {
		if !slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, w) }) {
			t.Errorf("%s: %q is not said", what, w)
		}
	}
	if len(want) == 0 && len(got) > 0 || len(got) > 2*len(want) {
		t.Errorf("%s: %q", what, got)
	}
}

// TestAProgramOfTheRequest: a program that lies among the request's files may be another one than was agreed to, and so may a file that
// a credential is read out of by a program.
func TestAProgramOfTheRequest(t *testing.T) {
	loader := specs.Loader{Sections: providers.Sections()}
	load := func() *specs.Deployment {
		d, err := loader.Load("contoso.yaml", []byte(agreed))
		if err != nil {
			t.Fatal(err)
		}
		d.Origin.ReadFile = func(string) ([]byte, error) { return []byte("agreed"), nil }
		return d
	}
	for _, given := range []string{"-e", "/srv/im/get.sh", "-c/srv/im/get.sh", "--script=/srv/im/get.sh", "FILE=/srv/im/get.sh", "@/srv/im/x", "a:/srv/im/x", ". /srv/im/get.sh", "/srv/im/../im/x;true", "/opt/srv/im/x", "get.sh",
		"../../srv/im/get.sh", "-c../../srv/im/get.sh", "--script=../../srv/im/get.sh", "x,../../srv/im/get.sh", "../im/get.sh", "srv/im/get.sh",
		"set -e\n/srv/im/get.sh\n", "set -e\r\n\t/srv/im/get.sh\r\n", "echo `/srv/im/get.sh`", "$(/srv/im/get.sh)", "!/srv/im/get.sh", "true&&/srv/im/get.sh", "cd /srv/im/\n./get.sh"} {
		one := func() *specs.Deployment {
			d := load()
			d.Connect.Stores["op"].Exec.Args = []string{"-e", given}
			return d
		}
		_, err := trust.Bind(loader, one(), trust.Side{Base: one(), Name: "main at 1234567", Root: "/srv/im"})
		if want := strings.Contains(given, "/srv/im") && !strings.Contains(given, "/opt"); (err != nil) != want || want && !strings.Contains(err.Error(), "connect.stores.op.exec.args: /srv/im/") {
			t.Errorf("%s: %v", given, err)
		}
	}
	word := func() *specs.Deployment { // beside the program lies a checkout of the same name
		d := load()
		d.Connect.Stores["op"].Exec.Args = []string{"--vault", "im"}
		return d
	}
	if _, err := trust.Bind(loader, word(), trust.Side{Base: word(), Name: "main at 1234567", Root: "/usr/bin/im"}); err == nil || !strings.Contains(reconciler.HintOf(err), `where "im" is none, keep the program in another folder`) {
		t.Errorf("a word: %v", err)
	}
	for root, refused := range map[string]string{t.TempDir(): "", "/opt/im": "secrets.connectors.hook.program: /opt/im/at-source", "/usr/bin": "connect.stores.op.exec.program: /usr/bin/op",
		"/srv/sealed": "connect.winrm.password: /srv/sealed/winrm.yaml"} {
		one := func() *specs.Deployment {
			d := load()
			if strings.HasPrefix(root, "/srv") {
				d.Connect.WinRM.Password = &specs.Source{Item: specs.Item{Place: specs.Place{Store: "op", Path: "/srv/sealed/winrm.yaml"}}}
			}
			return d
		}
		_, err := trust.Bind(loader, one(), trust.Side{Base: one(), Name: "main at 1234567", Root: root})
		if (err != nil) != (refused != "") || err != nil && !strings.Contains(err.Error(), refused+" lies among the files of the request") {
			t.Errorf("%s: %v", root, err)
		}
	}
}

// TestALinkOfTheRequest: where a link leads that lies among the files of the request is in the request's hands, wherever it leads now, and
// whoever names it.
func TestALinkOfTheRequest(t *testing.T) {
	loader, dir := specs.Loader{Sections: providers.Sections()}, t.TempDir()
	root, outside := filepath.Join(dir, "im"), filepath.Join(dir, "bin")
	for _, folder := range []string{root, outside} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	tool := filepath.Join(outside, "op")
	if err := os.WriteFile(tool, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	link := func(to, at string) string {
		if err := os.Symlink(to, at); err != nil {
			t.Fatal(err)
		}
		return at
	}
	within, around := link(tool, filepath.Join(root, "op")), link(root, filepath.Join(dir, "alias"))
	through := link(filepath.Join("..", "im", "op"), filepath.Join(outside, "through"))
	for path, refused := range map[string]bool{tool: false, within: true, through: true, filepath.Join(around, "op"): true, link(tool, filepath.Join(outside, "own")): false,
		link(filepath.Join(outside, "loop"), filepath.Join(outside, "loop")): true} {
		one := func() *specs.Deployment {
			d, err := loader.Load("contoso.yaml", []byte(agreed))
			if err != nil {
				t.Fatal(err)
			}
			d.Origin.ReadFile = func(string) ([]byte, error) { return []byte("agreed"), nil }
			d.Connect.Stores["op"].Exec.Program = path
			return d
		}
		_, err := trust.Bind(loader, one(), trust.Side{Base: one(), Name: "main at 1234567", Root: root})
		if (err != nil) != refused || refused && !strings.Contains(err.Error(), path+" lies among the files of the request") {
			t.Errorf("%s: %v", path, err)
		}
		if path == tool {
			continue
		}
		if _, err := trust.LoadOperator(path, root); refused && (err == nil || !strings.Contains(err.Error(), "a request can change it")) {
			t.Errorf("an operator's file: %s: %v", path, err)
		}
	}
}

// TestArgumentsInOtherPieces: the same letters are other arguments where they are cut otherwise.
func TestArgumentsInOtherPieces(t *testing.T) {
	loader := specs.Loader{Sections: providers.Sections()}
	load := func(args ...string) *specs.Deployment {
		d, err := loader.Load("contoso.yaml", []byte(agreed))
		if err != nil {
			t.Fatal(err)
		}
		d.Origin.ReadFile = func(string) ([]byte, error) { return []byte("agreed"), nil }
		d.Connect.Stores["op"].Exec.Args = args
		return d
	}
	whole := []string{"read", "--where=team, prod", `"x", y`, "--out, file=z"}
	for _, args := range [][]string{{"read", "--where=team", "prod", `"x", y`, "--out, file=z"}, {"read", "--where=team, prod", "x", "y", "--out, file=z"}, {"read", "--where=team, prod", `"x"`, "y", "--out, file=z"},
		{`read, "--where=team, prod"`, `"x", y`, "--out, file=z"}, {"read", "--where=team, prod", `"x", y`, "--out", "file=z"}} {
		d, err := trust.Bind(loader, load(args...), trust.Side{Base: load(whole...), Name: "main at 1234567", Root: t.TempDir()})
		if err != nil || len(d.Origin.Doubts) == 0 || !slices.Equal(d.Connect.Stores["op"].Exec.Args, whole) {
			t.Errorf("%q: %v, in force %q", args, err, d.Connect.Stores["op"].Exec.Args)
		}
	}
}

// TestBindNamesThatLookLikeAmounts: a host may be called 1001, 5m or 1e3, and another in its place is no less of it.
func TestBindNamesThatLookLikeAmounts(t *testing.T) {
	loader := specs.Loader{Sections: providers.Sections()}
	for _, name := range []string{"1001", "2m", "1e3"} {
		load := func(tolerated string) *specs.Deployment {
			text := strings.NewReplacer(`["relay-[1..3]"]`, `["1001", 2m, "1e3", "1003"]`, "tolerate: [relay-2]", `tolerate: ["`+tolerated+`"]`, "host: relay-2", `host: "`+tolerated+`"`).Replace(agreed)
			d, err := loader.Load("contoso.yaml", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			d.Origin.ReadFile = func(string) ([]byte, error) { return nil, nil }
			return d
		}
		d, err := trust.Bind(loader, load(name), trust.Side{Base: load("1003"), Name: "main at 1234567"})
		if err != nil {
			t.Fatal(err)
		}
		var loosened []string
		for _, q := range d.Origin.Doubts {
			loosened = append(loosened, q.Path)
		}
		if !slices.Contains(loosened, "policy.unreachable.tolerate") || len(loosened) < 2 || !slices.Equal(d.Policy.Unreachable.Tolerate, []string{"1003"}) {
			t.Errorf("%s in the place of 1003: %q, in force %q", name, loosened, d.Policy.Unreachable.Tolerate)
		}
	}
}

// TestKerberosFilesOfTheRequest: who signs in with a ticket, a keytab or a KDC of the request's making is whom the request wants. They are read
// from the disk, so that no base vouches for what lies among the request's files; nor does one for a path that is not full.
func TestKerberosFilesOfTheRequest(t *testing.T) {
	loader := specs.Loader{Sections: providers.Sections()}
	for name, set := range map[string]func(k *specs.Kerberos, path string){
		"config": func(k *specs.Kerberos, path string) { k.Config = path },
		"cache":  func(k *specs.Kerberos, path string) { k.Cache = path },
		"keytab": func(k *specs.Kerberos, path string) { k.Keytab = path },
	} {
		for path, refused := range map[string]bool{"/etc/im/file": false, "/srv/im/deployments/file": true, "/srv/im/../im/file": true, "file": true, "../file": true} {
			one := func() *specs.Deployment {
				d, err := loader.Load("contoso.yaml", []byte(agreed))
				if err != nil {
					t.Fatal(err)
				}
				d.Origin.ReadFile = func(string) ([]byte, error) { return []byte("agreed"), nil }
				set(d.Connect.WinRM.Kerberos, path)
				return d
			}
			_, err := trust.Bind(loader, one(), trust.Side{Base: one(), Name: "main at 1234567", Root: "/srv/im"})
			if (err != nil) != refused || refused && !strings.Contains(err.Error(), "connect.winrm.kerberos."+name+": "+path+" lies among the files of the request") {
				t.Errorf("%s: %s: %v", name, path, err)
			}
		}
	}
}

// TestAFileOfTheRequestForAProgram: what a store's program is given on its standard input may say whom it contacts, and with what: a sealed
// file of sops names who opens it. It is read from the trusted side, and a change of it is said.
func TestAFileOfTheRequestForAProgram(t *testing.T) {
	loader := specs.Loader{Sections: providers.Sections()}
	load := func(file string) *specs.Deployment {
		text := strings.NewReplacer("op: {exec: {program: /usr/bin/op,", "op: {exec: {program: /usr/bin/op, stdin: true,", "{ref: two, version: 1, from: {env: TWO}}", "{ref: two, version: 1, from: {store: op, path: two.yaml}}").Replace(agreed)
		d, err := loader.Load("contoso.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		d.Origin.ReadFile = func(path string) ([]byte, error) {
			if path == "two.yaml" && file == "" {
				return nil, os.ErrNotExist
			}
			return []byte(map[bool]string{true: file, false: "agreed"}[path == "two.yaml"]), nil
		}
		return d
	}
	for _, c := range []struct {
		reason, base, request string
		said                  bool
	}{
		{"as it was", "agreed", "agreed", false},
		{"another one", "agreed", "hostile", true},
		{"a new one", "", "hostile", true},
	} {
		bound, err := trust.Bind(loader, load(c.request), trust.Side{Base: load(c.base), Name: "main at 1234567", Root: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		said := slices.ContainsFunc(bound.Origin.Doubts, func(d specs.Doubt) bool {
			return d.Blocks && strings.Contains(d.Text, "secrets.connectors.secrets.two.from: two.yaml is changed, and not read")
		})
		if said != c.said {
			t.Errorf("%s: %+v", c.reason, bound.Origin.Doubts)
		}
		if data, _ := bound.Origin.ReadTrusted("two.yaml"); string(data) != c.base {
			t.Errorf("%s: the program is given %q", c.reason, data)
		}
	}
}
