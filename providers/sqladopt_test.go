package providers_test

import (
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/sqlserver"
)

// A string that SQL Server refuses, and one of two that differ, is nobody's version. After the live one was adopted, the other one of the
// pair, which never served, stays as it is.
func TestAdoptALogin(t *testing.T) {
	for _, c := range []struct {
		name, why string // "" is adopted
		world     func(t *testing.T, w *world)
	}{
		{"live", "", func(*testing.T, *world) {}},
		{"its password was changed", "has a string that SQL Server refuses", func(_ *testing.T, w *world) {
			w.login(lab.SQLLogin, func(l *sqlserver.Login) { l.Password = "Somebody-Elses-1" })
		}},
		{"it is disabled", "has a string that SQL Server refuses", func(_ *testing.T, w *world) {
			w.login(lab.SQLLogin, func(l *sqlserver.Login) { l.Disabled = true })
		}},
		{"two logins", "neither password is the live one", func(t *testing.T, w *world) {
			write(t, w.lab.EngineHost, w.lab.EngineHost.Settings(), func(b []byte) []byte {
				return []byte(strings.Replace(string(b), "User ID="+lab.SQLLogin+";", "User ID="+lab.SQLSpare+";", 1))
			})
		}},
		{"SQL Server is away", "not known", func(_ *testing.T, w *world) { w.lab.SQLInstance().Down(true) }},
	} {
		for _, mode := range []string{"alternating", "single"} {
			t.Run(c.name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				virtual(t, func(t *testing.T) {
					w := newWorld(t, 0, "sqllogin/"+mode)
					w.moved(t)
					w.forget()
					c.world(t, w)
					_, err := w.adopt()
					if c.why != "" {
						says(t, err, c.why)
						hinted(t, err)
						if w.kept("sqllogin", lab.NewLogin) != "" {
							t.Error("it is kept")
						}
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					time.Sleep(8 * 24 * time.Hour)
					if _, o := w.run(); o.Err != nil {
						t.Error(o.Err)
					}
					if off := w.off(lab.SQLLogin, lab.SQLSpare); len(off) > 0 {
						t.Errorf("%v are disabled", off)
					}
				})
			})
		}
	}
}
