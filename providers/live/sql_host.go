package live

import (
	"context"
	"fmt"

	"meshrotate/providers/mssql"
	"meshrotate/providers/site"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
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
