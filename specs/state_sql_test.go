package specs_test

import (
	"strings"
	"testing"

	"meshrotate/specs"
)

func TestStateServer(t *testing.T) {
	const connect = "connect: {sql: {server: sql01, user: a, password: {env: A}, caFile: a.pem, addresses: {sql01: '10.0.0.1'}}}\n"
	for _, c := range []struct {
		reason, text  string
		server, user  string
		database, dir string
		refused       string
	}{
		{"a folder", "", "", "", "", ".meshrotate", ""},
		{"a server of its own", connect + "state: {sql: {server: sql02, user: b, password: {env: B}, database: rotation}}", "sql02", "b", "rotation", "", ""},
		{"the product's server", connect + "state: {sql: {schema: contoso}}", "sql01", "a", "meshrotate", "", ""},
		{"no server at all", "state: {sql: {database: rotation}}", "", "", "", "", "state.sql.server: is missing, and there is no connect.sql"},
		{"a login without its server", connect + "state: {sql: {user: b, password: {env: B}}}", "", "", "", "", "state.sql.server: is missing"},
		{"a schema that would have to be quoted", connect + "state: {sql: {schema: 'a]b'}}", "", "", "", "", "state.sql.schema: does not have the right form"},
		{"no password", "state: {sql: {server: sql02, user: b}}", "", "", "", "", "user and password are needed"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			d, err := specs.Loader{}.Load("a.yaml", []byte("apiVersion: meshrotate/v1\nkind: Deployment\nname: contoso\nhosts: {admin: im-admin}\nsecrets: {}\n"+c.text))
			if c.refused != "" {
				if err == nil || !strings.Contains(err.Error(), c.refused) {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			q, ok := d.StateServer()
			if ok != (c.server != "") || q.Server != c.server || q.User != c.user || q.Database != c.database {
				t.Errorf("%+v, %v", q, ok)
			}
			if ok && (q.Server == "sql01") != (q.CAFile == "a.pem" && q.Addresses["sql01"] == "10.0.0.1") {
				t.Errorf("another trust: %+v", q)
			}
			if c.dir != "" && d.State.Dir != c.dir {
				t.Errorf("the folder: %s", d.State.Dir)
			}
		})
	}
}
