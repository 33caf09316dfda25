package live

import (
	"cmp"
	"context"
	"fmt"

	"meshrotate/providers/mssql"
	"meshrotate/providers/mssql/connstring"
	"meshrotate/providers/site"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// logins is the family of sign-ins to SQL Server from the hosts themselves.
func logins(f *family) {
	f.op(doing(func(ctx context.Context, h *host, o site.ProveLoginFrom) ([]winhost.Op, error) {
		value, err := h.site.stringFor(ctx, h.name, o.Path, o.Setting, o.Secret, o.Form)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.Setting, err)
		}
		return one(winhost.SQLSignIn{Text: value})
	}, proveLoginFrom))
}

// defaultPort is SQL Server's where a string names neither a port nor an instance.
const defaultPort = 1433

// reaches asks how far a sign-in from the host would come, nil for a string that no sign-in understands: that is said of it.
func (h *host) reaches(ctx context.Context, value secret.Value) (*site.ReachSeen, error) {
	s, err := connstring.Parse(value)
	if err != nil {
		return nil, nil
	}
	c, err := mssql.FromString(s, h.name, mssql.Trust{})
	if err != nil {
		return nil, nil
	}
	seen := &site.ReachSeen{Server: c.Host + `\` + c.Instance, Unknown: "SQL Server Browser names the port of an instance at the sign-in"}
	if c.Port != 0 || c.Instance == "" {
		c.Port = cmp.Or(c.Port, defaultPort)
		seen.Server, seen.Unknown = fmt.Sprintf("%s, port %d", c.Host, c.Port), ""
	}
	ops := []winhost.Op{winhost.SQLReach{Server: c.Host, Port: c.Port}}
	results, err := h.ask(ctx, ops, true)
	if err != nil {
		return nil, err
	}
	r := results[0].Reached
	if err := results[0].Err(ops[0]); err != nil || r == nil {
		return nil, known(err, "nothing about the way to SQL Server")
	}
	seen.Client, seen.Error = r.Client, r.Error
	return seen, nil
}

// proveLoginFrom judges what the host was answered. That it reached nobody says nothing of the password.
func proveLoginFrom(_ context.Context, h *host, o site.ProveLoginFrom, d deed) reconciler.Report {
	a := d.results[0].SQL
	if a == nil {
		return h.unproven("the sign-in from there has no answer")
	}
	if !a.Accepted {
		answer := mssql.Answered(a.Numbers)
		err := fmt.Errorf("from %s: %w", h.name, answer)
		if hint := answer.Hint(); hint != "" {
			err = reconciler.Hinted(err, hint)
		} else {
			err = reconciler.Hinted(err, "this is the network of "+h.name+": look at its names, its route and the firewalls to SQL Server, and whether it trusts the server's certificate")
		}
		outcome := state.Unknown
		if answer.Verdict() == mssql.Rejected {
			outcome = state.Failed
		}
		return reconciler.Report{Outcome: outcome, Err: err}
	}
	at := site.SignInSeen{Instance: a.Instance, Login: a.Login, User: a.User, Database: a.Database}
	if err := leads(h.name, at, o.Form.User, o.Database, o.Contained); err != nil {
		return failed(err)[0]
	}
	return done(fmt.Sprintf("a fresh sign-in from %s itself: %s at %s in %s", h.name, a.Login, a.Instance, a.Database))
}
