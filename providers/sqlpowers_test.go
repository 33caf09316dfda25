package providers_test

import (
	"slices"
	"strings"
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// A spare login that may sign in, and may not do what the one in force may, is found by its proof, before anything is stopped.
func TestTheSpareLoginMayDoLess(t *testing.T) {
	vendor()
	for name, c := range map[string]struct {
		do   func(d *sqlserver.Data, spare string)
		says string
	}{
		"no role":          {func(d *sqlserver.Data, spare string) { roles(d, spare) }, "the role db_datareader, the role db_datawriter, SELECT in the database, INSERT in the database and 2 more"},
		"one role less":    {func(d *sqlserver.Data, spare string) { roles(d, spare, "db_datareader") }, "the role db_datawriter, INSERT in the database, UPDATE in the database, DELETE in the database"},
		"denied one table": {func(d *sqlserver.Data, spare string) { d.Deny(lab.Database, spare, "IM_Secrets", "SELECT") }, "SELECT on dbo.IM_Secrets"},
		"more than one who is denied": {func(d *sqlserver.Data, spare string) {
			roles(d, lab.SQLLogin, "db_datareader", "db_denydatawriter")
			roles(d, spare, "db_datareader")
		}, ""},
		"more":                   {func(d *sqlserver.Data, spare string) { d.Grant(lab.Database, spare, "", "CREATE TABLE") }, ""},
		"the same in other ways": {func(d *sqlserver.Data, spare string) { d.Grant(lab.Database, spare, "IM_Secrets", "SELECT") }, ""},
	} {
		for _, contained := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				virtual(t, func(t *testing.T) {
					w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Login: "alternating", Contained: contained}, "sqllogin")
					stops := 0
					w.stopped(func() { stops++ })
					c.do(w.lab.SQLInstance().Data(), lab.SQLSpare)
					_, o := w.run()
					if c.says == "" {
						if len(o.With(state.Proven)) != 1 || o.Err != nil {
							t.Errorf("%v", o)
						}
						return
					}
					if len(o.With(state.Back)) != 1 || !strings.Contains(o.Err.Error(), lab.SQLSpare+" lacks what "+lab.SQLLogin+" has in "+lab.Database+": "+c.says) || reconciler.HintOf(o.Err) == "" {
						t.Errorf("%v", o)
					}
					if stops > 0 {
						t.Errorf("%d services were stopped", stops)
					}
				})
			})
		}
	}
}

// roles are all that a user is in.
func roles(d *sqlserver.Data, user string, names ...string) {
	d.SetDatabase(lab.Database, func(db *sqlserver.Database) {
		i := slices.IndexFunc(db.Users, func(u *sqlserver.User) bool { return u.Name == user })
		db.Users[i].Roles = names
	})
}
