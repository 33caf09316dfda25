package connector_test

import (
	"strings"
	"testing"

	"meshrotate/providers/rotations/connector"
	"meshrotate/reconciler/rotationtest"
)

const frame = `apiVersion: meshrotate/v1
kind: Deployment
name: contoso-prod
hosts: {admin: im-admin.contoso.example}
connect:
  winrm: {user: a, password: {env: A}}
  adminApi: {url: "https://im-admin.contoso.example"}
  sql: {server: sql01.contoso.example, user: rot, password: {env: B}}
secrets:
  connectors:
`

func load(section string) (*connector.Spec, error) {
	d, err := rotationtest.Document(connector.Kind(), frame, section)
	if err != nil {
		return nil, err
	}
	return d.Secrets["connectors"].(*connector.Spec), nil
}

func TestSection(t *testing.T) {
	one := func(fields string) string { return "secrets: [{version: 1, from: {env: A}, " + fields + "}]" }
	for _, c := range []struct{ section, says string }{
		{one(`ref: "secret://ad/svc/password"`), ""},
		{one(`ref: "ad:hq:bind", connector: HQ Active Directory, every: 180d, source: {changed: after}`), ""},
		{"argv: permitted\nsyncs: {path: /api/connectors}\ntables: {secrets: im.Vault}\n" + one(`ref: a`), ""},
		{"value: file\n" + one(`ref: a`), ""},
		{"value: pipe\n" + one(`ref: a`), "value"},
		{"secrets: []", "secrets"},
		{one(`ref: ""`), "ref"},
		{one(`ref: "a b"`), "white space"},
		{one(`ref: "a\nb"`), "white space"},
		{one(`ref: "a\u202eb"`), "control character"},
		{one(`ref: "a%PATH%"`), "command line"},
		{one(`ref: "a\"b"`), "command line"},
		{one(`ref: "--stdin"`), "option"},
		{one(`ref: "/all"`), "option"},
		{"secrets: [{ref: a, version: 1, from: {env: A}}, {ref: A, version: 1, from: {env: A}}]", "same reference"},
		{"secrets: [{ref: a, version: 1, from: {file: a.txt}}]", "plain file"},
		{"secrets: [{ref: a, version: 1, from: generated}]", "before it is generated"},
		{"secrets: [{ref: a, version: 1, from: generated, source: {changed: after}}]", ""},
		{"hook: {program: /opt/im/at-source, args: [-v]}\nsecrets: [{ref: a, version: 1, from: generated, source: {by: hook}}]", ""},
		{"hook: {program: at-source}\n" + one(`ref: a, source: {by: hook}`), "full path"},
		{one(`ref: a, source: {by: hook}`), "none is declared"},
		{one(`ref: a, source: {by: nobody}`), "by"},
		{"login: {program: /opt/im/try-source, args: [-v]}\n" + one(`ref: a, source: {proof: login}`), ""},
		{"login: {program: try-source}\n" + one(`ref: a, source: {proof: login}`), "full path"},
		{one(`ref: a, source: {proof: login}`), "none is declared"},
		{"tool: secretscli\n" + one(`ref: a`), "full path"},
		{"tool: 'C:\\im\\secretscli.cmd'\nargv: permitted\n" + one(`ref: a`), "shell"},
		{"syncs: {path: connectors}\n" + one(`ref: a`), "starts with /"},
	} {
		spec, err := load(c.section)
		switch {
		case c.says == "" && (err != nil || spec.Tables.Ref != "SecretRef" || spec.Tool == "" || spec.Timeout.Text != "30s" || spec.Secrets[0].Source.Changed == ""):
			t.Errorf("%s: %v, %+v", c.section, err, spec)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: not refused with %q: %v", c.section, c.says, err)
		}
	}
}

func TestWithoutAccess(t *testing.T) {
	text := strings.Replace(frame, "  adminApi: {url: \"https://im-admin.contoso.example\"}\n", "", 1)
	text = strings.Replace(text, "  sql: {server: sql01.contoso.example, user: rot, password: {env: B}}\n", "", 1)
	_, err := rotationtest.Document(connector.Kind(), text, "syncs: {path: /api/connectors}\nsecrets: [{ref: a, version: 1, from: {env: A}}]")
	for _, word := range []string{"connect.sql", "connect.adminApi.url"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("without %s: %v", word, err)
		}
	}
}

// What a standard input or a command line does not carry is found before anything is set.
func TestUnfitValues(t *testing.T) {
	for _, c := range []struct {
		argv, value string
		fit         bool
	}{
		{"refused", "password", true}, {"refused", ` "äß" %PATH% `, true}, {"refused", strings.Repeat("x", 9000), true}, {"permitted", strings.Repeat("x", 9000), false},
		{"refused", "two\nlines", false}, {"refused", "two\rlines", false}, {"refused", "a\x00b", false}, {"refused", "\xff\xfe", false},
	} {
		spec, err := load("argv: " + c.argv + "\nsecrets: [{ref: a, version: 1, from: {env: A}}]")
		if err != nil {
			t.Fatal(err)
		}
		n := connector.Kind().Values(spec)[0]
		if err := n.Check([]byte(c.value), nil); (err == nil) != c.fit || err != nil && strings.Contains(err.Error(), c.value) {
			t.Errorf("%s, %.20q: %v", c.argv, c.value, err)
		}
	}
}
