package live

import (
	"context"
	"fmt"

	"meshrotate/providers/mssql"
	"meshrotate/providers/mssql/tsql"
	"meshrotate/providers/site"
	"meshrotate/providers/values"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// retire disables a login, unless somebody is signed in with it.
func (d *database) retire(ctx context.Context, c mssql.Config, op site.RetireLogin) reconciler.Report {
	statement, err := retirement(ctx, op)
	if err != nil {
		return refused(err)
	}
	how := "is disabled on "
	if op.Database != "" {
		c.Database, how = op.Database, "has a password that nobody knows on "
	}
	q := &catalogue{logins: []string{op.Login}, now: d.site.config.Now}
	sessions, gone := 0, false
	err = d.insist(ctx, func(ctx context.Context) error {
		s, err := d.open(ctx, c)
		if err != nil {
			return err
		}
		defer s.Close()
		if err := q.read(ctx, s); err != nil {
			return err
		}
		if gone = !q.login(op.Login).Exists && op.Database == ""; gone {
			return nil
		}
		busy := q.instance.Of(op.Login)
		if sessions = len(busy); sessions > 0 && !op.InUse {
			return &inUseError{op.Login, busy[0]}
		}
		return s.Exec(ctx, statement) // to retire it again does no harm
	})
	if err != nil {
		return failed(err)[0]
	}
	if gone { // what it is now, nobody has looked for
		return failed(reconciler.Hinted(fmt.Errorf("there is no login %s on %s any more", op.Login, q.instance.Name), "it was dropped or renamed since it was looked at: plan again"))[0]
	}
	evidence := op.Login + " " + how + q.instance.Name
	if sessions > 0 {
		evidence += fmt.Sprintf("; sessions that were signed in with it, and stay until they end: %d", sessions)
	}
	r := done(evidence)
	if r.Facts = []state.Fact{site.RetiredFact(op.Login, true), site.RetiredOn(op.Server, op.Login, true), site.EnablingOn(op.Server, op.Login, false)}; op.Database != "" {
		r.Facts = []state.Fact{site.RetiredUser(op.Login, true)}
	}
	return r
}

func retirement(ctx context.Context, op site.RetireLogin) (tsql.Statement, error) {
	if op.Database == "" {
		return tsql.Disable(op.Login)
	}
	unknown, err := values.Generated{Plain: true}.Get(ctx, secret.Ref{})
	if err != nil {
		return tsql.Statement{}, err
	}
	return tsql.SetUserPassword(op.Login, unknown)
}
