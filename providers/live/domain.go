package live

import (
	"context"
	"errors"
	"fmt"

	"meshrotate/providers/negotiate"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// domain lets accounts change their passwords.
type domain struct {
	site *Site
	// change is nil where the deployment has no way to it.
	change func(ctx context.Context, account string, old, next secret.Value) (was bool, err error)
}

func (d *domain) look(_ context.Context, _ reconciler.Target, reads []reconciler.Read, _ secret.Value) reconciler.Look {
	return reconciler.Look{Reach: reconciler.Broken, Err: fmt.Errorf("the domain cannot answer %T", reads[0])}
}

func (d *domain) do(ctx context.Context, _ reconciler.Target, steps []reconciler.Step, _ func(reconciler.Event)) []reconciler.Report {
	var reports []reconciler.Report
	for _, s := range steps {
		op, ok := s.Op.(site.ChangePassword)
		if !ok || d.change == nil {
			return append(reports, failed(fmt.Errorf("the domain cannot do %T", s.Op))...)
		}
		r := d.changePassword(ctx, op)
		if reports = append(reports, r); r.Err != nil {
			break
		}
	}
	return reports
}

func (d *domain) changePassword(ctx context.Context, op site.ChangePassword) reconciler.Report {
	old, err := d.site.config.Values.Keep.Get(ctx, op.Old)
	if err != nil {
		return refused(fmt.Errorf("%s: the password that it has: %w", op.Account, err))
	}
	next, err := d.site.values.value(ctx, op.Secret)
	if err != nil {
		return refused(err)
	}
	if err := reconciler.StillOurs(ctx); err != nil {
		return refused(err)
	}
	ctx, cancel := context.WithTimeout(ctx, d.site.config.HostTimeout)
	defer cancel()
	was, err := d.change(ctx, op.Account, old, next)
	switch {
	case err == nil && was:
		return done(op.Account + " has the new password in the domain already")
	case err == nil:
		return done(op.Account + " has changed its password in the domain")
	case errors.As(err, new(*negotiate.UnchangedError)):
		return refused(fmt.Errorf("%s: %w", op.Account, err))
	}
	return reconciler.Report{Outcome: state.Unknown, Err: fmt.Errorf("%s: whether its password was changed in the domain is not known: %w", op.Account, err)}
}
