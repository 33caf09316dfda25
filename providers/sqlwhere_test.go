package providers_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/rotations/sqllogin"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
)

// The connection string is rotated where it is in force: under another key, under ConnectionStrings, under a key of its own on each of
// the two, in another file. What no service reads stays as it is, to the byte.
func TestTheStringIsRotatedWhereItIs(t *testing.T) {
	vendor()
	production := strings.ReplaceAll(lab.EngineSettings, "appsettings", "appsettings.Production")
	for _, mode := range []string{"alternating", "single", "external"} {
		for _, c := range []struct{ name, admin, engine, file string }{
			{"ConnectionStrings in both", "ConnectionStrings:Mesh", "ConnectionStrings:Mesh", ""},
			{"ConnectionStrings in Admin's alone", "ConnectionStrings:Mesh", "", ""},
			{"a key of its own in each", "Data:Primary:Text", "ConnectionStrings:Engine", ""},
			{"another file, the product's key", "", "", production},
			{"another file, another key", "ConnectionStrings:Mesh", "Engine:Sql", production},
		} {
			t.Run(mode+", "+c.name, func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Drivers: true, Login: mode}, "sqllogin/"+mode)
					spec := w.loginSpec()
					spec.Settings.Admin, spec.Settings.Engine = cmp.Or(c.admin, stringKey), cmp.Or(c.engine, stringKey)
					var unread []func() bool
					if c.admin != "" {
						unread = append(unread, w.moveString(w.lab.Admin, c.admin, lab.AdminSettings))
					}
					if c.engine != "" || c.file != "" {
						w.doc.Product.Engine.Settings = cmp.Or(c.file, lab.EngineSettings)
						unread = append(unread, w.moveString(w.lab.EngineHost, spec.Settings.Engine, w.doc.Product.Engine.Settings))
					}
					w.await("both are signed in", func() bool { return w.signsIn(lab.OldLogin) == nil })
					w.loggedIn(lab.NewLogin)
					for _, same := range unread {
						if !same() {
							t.Error("what nobody reads was changed")
						}
					}
				})
			})
		}
	}
}

// moveString gives a service its connection string under another key, or in another file. Another one stays where it was, and the
// answer says whether it is as it was.
func (w *world) moveString(h *lab.Host, key, to string) (same func() bool) {
	w.t.Helper()
	fs, from := h.Machine.FS.(*machine.Memory), h.Settings()
	b, _, err := fs.Read(from)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := appsettings.Get(b, stringKey)
	if err != nil {
		w.t.Fatal(err)
	}
	parts := strings.Split(key, ":")
	quoted, err := json.Marshal(string(s.Value.Expose()))
	if err != nil {
		w.t.Fatal(err)
	}
	text := fmt.Sprintf("%q: %s", parts[len(parts)-1], quoted)
	for _, part := range slices.Backward(parts[:len(parts)-1]) {
		text = fmt.Sprintf("%q: {%s}", part, text)
	}
	if to != from {
		fs.Write(to, []byte("{ // of the environment\r\n  "+text+"\r\n}\r\n"))
	} else {
		fs.Write(to, []byte(strings.Replace(string(b), "{", "{\r\n  "+text+",", 1)))
	}
	h.ReadsString(key)
	w.restarted(h)
	return func() bool {
		now, _, err := fs.Read(from)
		old, e := appsettings.Get(now, stringKey)
		return err == nil && e == nil && (to == from || string(now) == string(b)) && old.Value.Equal(s.Value)
	}
}

// Where Windows signs in there is nothing to rotate, and a string with a password is neither rewritten nor left unsaid.
func TestWindowsSignsIn(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Drivers: true, Login: "single"}, "sqllogin/single")
		*w.loginSpec() = sqllogin.Spec{Mode: "integrated", Settings: w.loginSpec().Settings}
		w.refused("sql-login-found")
		for _, h := range []*lab.Host{w.lab.Admin, w.lab.EngineHost} {
			b, _, err := h.Machine.FS.Read(h.Settings())
			if err == nil {
				b, err = appsettings.Set(b, stringKey, secret.NewString("Server="+lab.SQLServer+";Database="+lab.Database+";Integrated Security=true"))
			}
			if err != nil {
				t.Fatal(err)
			}
			h.Machine.FS.(*machine.Memory).Write(h.Settings(), b)
		}
		p, o := w.run()
		if c := p.Changes[0]; c.Status != reconciler.AsDeclared || !p.Empty() || o.Err != nil || c.Reason != "Windows signs in: there is no password here" {
			t.Errorf("%+v, %v", c, o)
		}
		w.loginSpec().Mode, w.loginSpec().Login, w.loginSpec().Version, w.loginSpec().From = "single", lab.SQLLogin, "12", specs.Source{Generated: true}
		w.refused("integrated-security")
	})
}
