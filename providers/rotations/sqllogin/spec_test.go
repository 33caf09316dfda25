package sqllogin_test

import (
	"strings"
	"testing"

	"meshrotate/providers/rotations/sqllogin"
	"meshrotate/reconciler/rotationtest"
)

const frame = `apiVersion: meshrotate/v1
kind: Deployment
name: contoso-prod
hosts: {admin: im-admin.contoso.example}
connect:
  winrm: {user: a, password: {env: A}}
  adminApi: {url: "https://im-admin.contoso.example"}
  sql: {server: sql01.contoso.example, user: rot, password: {env: B}, replicas: [sql02.contoso.example]}
secrets:
  sqlLogin:
`

func load(section string) (*sqllogin.Spec, error) {
	d, err := rotationtest.Document(sqllogin.Kind(), frame, section)
	if err != nil {
		return nil, err
	}
	return d.Secrets["sqlLogin"].(*sqllogin.Spec), nil
}

func TestSection(t *testing.T) {
	for _, c := range []struct{ section, says string }{
		{"logins: [a, b]\nversion: 1\nfrom: generated", ""},
		{"mode: single\nlogin: a\nversion: 1\nfrom: generated\nsettings: {admin: 'ConnectionStrings:Mesh'}", ""},
		{"mode: external\nlogin: a\nversion: 1\nfrom: {env: SQL}\ntolerate: [sql02.contoso.example]", ""},
		{"mode: integrated", ""},
		{"login: a\nversion: 1\nfrom: generated", "say how it rotates"},
		{"logins: [a, " + strings.Repeat("b", 128) + "]\nversion: 1\nfrom: generated", ""},
		{"logins: [a, " + strings.Repeat("b", 129) + "]\nversion: 1\nfrom: generated", "more than 128 characters"},
		{"mode: single\nlogin: \"a\\nb\"\nversion: 1\nfrom: generated", "a line break"},
		{"mode: single\nlogin: \U0001F511\nversion: 1\nfrom: generated", "beyond U+FFFF"},
		{"logins: [a, A]\nversion: 1\nfrom: generated", "two names of one login"},
		{"logins: [a, 'A ']\nversion: 1\nfrom: generated", "two names of one login"},
		{"logins: [a, ' a']\nversion: 1\nfrom: generated", ""},
		{"mode: single\nlogins: [a, b]\nversion: 1\nfrom: generated", "one login is rotated"},
		{"mode: alternating\nlogin: a\nversion: 1\nfrom: generated", "two logins take turns"},
		{"logins: [a, b]\nfrom: generated", "version"},
		{"logins: [a, b]\nversion: 1", "from"},
		{"mode: external\nlogin: a\nversion: 1\nfrom: generated", "cannot be generated here"},
		{"logins: [a, b]\nversion: 1\nfrom: {file: password.txt}", "plain file"},
		{"mode: integrated\nlogin: a", "neither a login nor a password"},
		{"logins: [a, b]\nversion: 1\nfrom: generated\ntolerate: [sql09]", "not one of connect.sql.replicas"},
		{"logins: [a, b]\nversion: 1\nfrom: generated\nsettings: {engine: 'A::B'}", "every part between colons"},
	} {
		spec, err := load(c.section)
		switch {
		case c.says == "" && (err != nil || spec.Mode == "" || spec.Soak.Text != "7d" || spec.Settings.Engine == "" || spec.Retire != "disable"):
			t.Errorf("%s: %v, %+v", c.section, err, spec)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: not refused with %q: %v", c.section, c.says, err)
		}
	}
}

// Who signs in with a login that it rotates is locked out by that, and locks the product's login out with every further look.
func TestSignsInWithWhatItRotates(t *testing.T) {
	pair, single := "logins: [im_a, im_b]\nversion: 1\nfrom: generated", "mode: single\nlogin: im_a\nversion: 1\nfrom: generated"
	state := func(more string) string {
		return strings.Replace(frame, "secrets:", "state: {sql: {"+more+"}}\nsecrets:", 1)
	}
	own := "server: sql01.contoso.example, password: {env: C}, user: "
	for _, c := range []struct{ frame, section, says string }{
		{state(own + "IM_A"), single, "secrets.sqlLogin.login: state.sql"},
		{state(own + "im_a"), "mode: external\nlogin: im_a\nversion: 1\nfrom: {env: SQL}", "secrets.sqlLogin.login: state.sql"},
		{state(own + "im_a"), pair, "secrets.sqlLogin.logins[0]: state.sql"},
		{state(own + "im_b"), pair, "secrets.sqlLogin.logins[1]: state.sql"},
		{state("server: an-alias.contoso.example, password: {env: C}, user: im_b"), pair, "secrets.sqlLogin.logins[1]: state.sql"},
		{state(own + "'CONTOSO\\im_a', auth: ntlm"), single, ""}, // an account of Windows
		{state(own + "im_state"), pair, ""},
		{strings.Replace(frame, "user: rot", "user: im_b", 1), pair, "secrets.sqlLogin.logins[1]: connect.sql"},
		{strings.Replace(state("database: other"), "user: rot", "user: im_a", 1), single, "secrets.sqlLogin.login: connect.sql"},
		{state("database: other"), single, ""},
		{strings.Replace(frame, "user: rot", "user: 'im_a '", 1), single, "secrets.sqlLogin.login: connect.sql"},
		{state(own + "im_a"), "mode: integrated", ""},
	} {
		_, err := rotationtest.Document(sqllogin.Kind(), c.frame, c.section)
		if c.says == "" && err != nil || c.says != "" && (err == nil || strings.Count(err.Error(), c.says) != 1) {
			t.Errorf("%s%s: not refused with %q: %v", c.frame, c.section, c.says, err)
		}
	}
}

// A password that SQL Server cannot take is never rolled out.
func TestPasswordThatFits(t *testing.T) {
	spec, err := load("logins: [a, b]\nversion: 1\nfrom: generated")
	if err != nil {
		t.Fatal(err)
	}
	needed := sqllogin.Kind().Values(spec)[0]
	if err := needed.Check([]byte(strings.Repeat("x", 128)), nil); err != nil || !needed.Plain {
		t.Errorf("%v", err)
	}
	if err := needed.Check([]byte(strings.Repeat("x", 129)), nil); err == nil {
		t.Error("129 characters are taken")
	}
	if err := needed.Check([]byte(strings.Repeat("𝕏", 65)), nil); err == nil {
		t.Error("characters of two units count as one")
	}
}
