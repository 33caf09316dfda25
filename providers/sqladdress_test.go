package providers_test

import (
	"strings"
	"testing"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler/secret"
)

// A port that connect.sql.addresses gives is dialed from here, and from nowhere else: the hosts dial what their string says. A string
// with another port than the document names is refused, though a sign-in over the given one would succeed.
func TestPortBehindAnAddress(t *testing.T) {
	vendor()
	for _, c := range []struct {
		reason, address, declared, text, says string // says: "" for a plan that goes on
	}{
		{"the string names no port, and the document none", "127.0.0.1:5000", "", "", ""},
		{"the usual port is no other one", "127.0.0.1:5000", "", ",1433", ""},
		{"a port that the document does not name", "127.0.0.1:5000", "", ",1444", "port 1444 of " + lab.SQLServer},
		{"the very port that is dialed", "127.0.0.1:1444", "", ",1444", ""},
		{"an instance that the document does not name", "127.0.0.1:5000", "", `\MESH`, "instance MESH"},
		{"the document names the port", "127.0.0.1:5000", ",1444", ",1444", ""},
		{"the document names a port, and the string the usual one", "127.0.0.1:5000", ",1444", "", "port 1433"},
		{"an address without a port hides none", "127.0.0.1", "", ",1444", ""},
	} {
		for _, mode := range []string{"single", "alternating"} {
			t.Run(mode+": "+c.reason, func(t *testing.T) {
				virtual(t, func(t *testing.T) {
					w := newWorld(t, 1, "sqllogin/"+mode)
					w.doc.Connect.SQL.Addresses = map[string]string{lab.SQLServer: c.address}
					for _, h := range []*lab.Host{w.lab.Admin, w.lab.EngineHost} {
						old := string(stringOf(t, h).Expose())
						w.sqlString(h, strings.Replace(old, "Server="+lab.SQLServer, "Server="+lab.SQLServer+c.text, 1))
					}
					w.doc.Connect.SQL.Server = lab.SQLServer + c.declared
					if c.says != "" {
						w.refused("sign-in-unknown", c.says, "connect.sql.addresses")
						return
					}
					if f, ok := finding(w.planned(), "sign-in-unknown"); ok {
						t.Errorf("%+v", f)
					}
				})
			})
		}
	}
}

func stringOf(t testing.TB, h *lab.Host) secret.Value {
	t.Helper()
	s, err := appsettings.Get([]byte(content(t, h, h.Settings())), sqlString)
	if err != nil || !s.Found {
		t.Fatal(err)
	}
	return s.Value
}

// sqlString gives a host another connection string.
func (w *world) sqlString(h *lab.Host, text string) {
	w.t.Helper()
	after, err := appsettings.Set([]byte(content(w.t, h, h.Settings())), sqlString, secret.NewString(text))
	if err != nil {
		w.t.Fatal(err)
	}
	h.Machine.FS.(*machine.Memory).Write(h.Settings(), after)
}
