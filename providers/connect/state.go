package connect

import (
	"context"
	"fmt"
	"sync"

	"meshrotate/providers/mssql"
	"meshrotate/providers/values"
	"meshrotate/specs"
	"meshrotate/state"
	database "meshrotate/state/mssql"
)

// inSQL is a state in a database. Its credential is got when it is needed first.
func inSQL(d *specs.Deployment, q specs.SQL, o Options) state.State {
	where := "state.sql"
	if d.State.SQL.Server == "" {
		where = "connect.sql"
	}
	c := &connector{d: d, credentials: values.Config{ReadFile: d.Origin.ReadTrusted, LookupEnv: o.LookupEnv}}
	config := sync.OnceValues(func() (mssql.Config, error) {
		config, err := c.signIn(context.Background(), q, where, o.DialSQL)
		if err == nil {
			err = at(&config, q.Server)
		}
		return config, err
	})
	return database.Open(database.Config{
		Schema: d.State.SQL.Schema, Place: fmt.Sprintf("SQL Server %s, database %s", q.Server, q.Database), Passes: mssql.Passes,
		SignIn: func(ctx context.Context) (database.Session, error) {
			config, err := config()
			if err != nil {
				return nil, err
			}
			session, err := mssql.Open(ctx, config)
			if err != nil {
				return nil, err
			}
			return session, nil
		},
	}).State()
}
