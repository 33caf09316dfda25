package specs_test

import (
	"strings"
	"testing"

	"meshrotate/specs"
)

func TestEntra(t *testing.T) {
	for _, c := range []struct{ reason, sql, says string }{
		{"a secret", "auth: entra, entra: {tenant: contoso.example, clientId: app, secret: {env: S}}", ""},
		{"a managed identity", "auth: entra, entra: {managed: true}", ""},
		{"workload identity, in a national cloud", "auth: entra, entra: {tenant: t, clientId: app, assertion: {file: /var/run/token}, authority: 'https://login.microsoftonline.us', scope: 'https://database.usgovcloudapi.net/.default'}", ""},
		{"nothing", "auth: entra", "auth: entra needs entra"},
		{"two credentials", "auth: entra, entra: {tenant: t, clientId: app, secret: {env: S}, managed: true}", "one of secret, certificate, assertion and managed"},
		{"no credential", "auth: entra, entra: {tenant: t, clientId: app}", "one of secret, certificate, assertion and managed"},
		{"no tenant", "auth: entra, entra: {clientId: app, secret: {env: S}}", "tenant and clientId are needed"},
		{"a tenant of its own", "auth: entra, entra: {tenant: t, managed: true}", "has its tenant itself"},
		{"a password beside it", "auth: entra, user: a, password: {env: A}, entra: {managed: true}", "without user and password"},
		{"in clear", "auth: entra, entra: {tenant: t, clientId: app, secret: {env: S}, authority: 'http://login.example'}", "in clear"},
		{"another auth", "user: a, password: {env: A}, entra: {managed: true}", "is for auth: entra"},
	} {
		for _, where := range []string{"connect", "state"} {
			d, err := specs.Loader{}.Load("a.yaml", []byte("apiVersion: meshrotate/v1\nkind: Deployment\nname: contoso\nhosts: {admin: im-admin}\nsecrets: {}\n"+where+": {sql: {server: sql01, "+c.sql+"}}"))
			switch {
			case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("%s, in %s: %v", c.reason, where, err)
			case c.says == "" && err != nil:
				t.Errorf("%s, in %s: %v", c.reason, where, err)
			case c.says == "" && where == "state":
				if q, _ := d.StateServer(); q.Entra == nil || q.Entra.Authority == "" || q.Entra.Scope == "" || q.Entra.Who() == "" {
					t.Errorf("%s: %+v", c.reason, q.Entra)
				}
			}
		}
	}
}
