package providers_test

import (
	"strings"
	"testing"
	"time"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
)

// The idle login is in a string that Admin's file, or its command line, has under another key: it works until its password changes, and
// then locks out the login that the product has by then. Nothing is begun before that string is gone.
func TestIdleLoginNamedBeside(t *testing.T) {
	vendor()
	for _, c := range []struct {
		where string
		name  func(w *world, text string)
		gone  func(w *world)
	}{
		{"appsettings.json", func(w *world, text string) {
			write(t, w.lab.Admin, w.lab.Admin.Settings(), func(b []byte) []byte {
				return []byte(strings.Replace(string(b), "{", `{"ConnectionStrings": {"Reporting": "`+text+`"},`, 1))
			})
		}, func(w *world) {
			write(t, w.lab.Admin, w.lab.Admin.Settings(), func(b []byte) []byte {
				text := string(b)
				i := strings.Index(text, `"ConnectionStrings": {"Reporting"`)
				return []byte(text[:i] + text[i+strings.Index(text[i:], "},")+2:])
			})
		}},
		{"the command line of service IdentityMeshAdmin", func(w *world, text string) {
			_ = w.lab.Admin.Machine.Change(lab.AdminService, func(s *machine.Service) { s.ImagePath += ` --ConnectionStrings:Reporting "` + text + `"` })
		}, func(w *world) {
			_ = w.lab.Admin.Machine.Change(lab.AdminService, func(s *machine.Service) { s.ImagePath, _, _ = strings.Cut(s.ImagePath, " --Conn") })
		}},
	} {
		t.Run(c.where, func(t *testing.T) {
			t.Parallel()
			virtual(t, func(t *testing.T) {
				w := newWorldAt(t, lab.Config{Memory: true, Drivers: true, Login: "alternating"}, "sqllogin")
				b, _, _ := w.lab.Admin.Machine.FS.Read(w.lab.Admin.Settings())
				s, err := appsettings.Get(b, stringKey)
				if err != nil {
					t.Fatal(err)
				}
				passwords := w.lab.SQLPasswords()
				text := strings.NewReplacer(lab.SQLLogin, lab.SQLSpare, passwords[lab.SQLLogin], passwords[lab.SQLSpare]).Replace(string(s.Value.Expose()))
				c.name(w, text)
				w.restarted(w.lab.Admin)
				time.Sleep(time.Minute)
				w.refused("string-beside", "im-admin", "ConnectionStrings:Reporting", c.where, lab.SQLSpare+" is the idle login")
				if l, _, _ := w.lab.SQLInstance().LookLogin(lab.SQLSpare); l.Password != passwords[lab.SQLSpare] {
					t.Error("its password was changed")
				}
				c.gone(w)
				w.restarted(w.lab.Admin)
				time.Sleep(time.Minute)
				w.loggedIn(lab.NewLogin)
			})
		})
	}
}
