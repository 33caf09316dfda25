package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/mssql"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// proveLogin signs in with the string that a host has, or gets from the same edit.
func (d *database) proveLogin(ctx context.Context, op site.ProveLogin) reconciler.Report {
	value, err := d.site.stringFor(ctx, op.On, op.Path, op.Setting, op.Secret, op.Form)
	var c mssql.Config
	if err == nil {
		c, err = d.fromString(value, op.On)
	}
	if err != nil {
		return refused(fmt.Errorf("%s: %s: %w", op.On, op.Setting, err))
	}
	var at site.SignInSeen
	if r := d.entered(ctx, c, &at, true); r.Outcome != state.Done {
		return r
	}
	if err := leads(op.On, at, op.Form.User, op.Database, op.Contained); err != nil {
		return failed(err)[0]
	}
	alike, err := d.alike(op.On, op.Setting, &at)
	if err != nil {
		return failed(err)[0]
	}
	return done(fmt.Sprintf("a fresh sign-in with the string of %s: %s at %s in %s", op.On, at.Login, at.Instance, at.Database) + alike)
}

// stringFor is the string that a host has, or gets from the same edit.
func (s *Site) stringFor(ctx context.Context, host, path, setting string, ref secret.Ref, f site.Form) (secret.Value, error) {
	value, ok := s.valueOf(host, path, setting)
	if !ok {
		return value, errors.New("it was not read in this run")
	}
	v, err := s.values.value(ctx, ref)
	if err != nil {
		return value, err
	}
	form, err := formOf(f)
	if err != nil {
		return value, err
	}
	return form.write(value, v, f)
}

// leads demands that a sign-in leads where it should. Of a user of a contained database the instance has no login.
func leads(host string, at site.SignInSeen, login, database string, contained bool) error {
	if contained {
		at.Login = at.User
	}
	if login != "" && !strings.EqualFold(at.Login, login) || database != "" && !strings.EqualFold(at.Database, database) {
		return fmt.Errorf("the string of %s leads to %s as %s, in %s", host, at.Instance, at.Login, at.Database)
	}
	return nil
}

// entered signs in as somebody, with patience, and asks where that leads, and what one may there.
func (d *database) entered(ctx context.Context, c mssql.Config, at *site.SignInSeen, may bool) reconciler.Report {
	err := d.insist(ctx, func(ctx context.Context) error {
		s, err := d.guard.Open(ctx, c)
		if err != nil {
			return err
		}
		defer s.Close()
		if err := whereAmI(ctx, s, at); err != nil || !may {
			return err
		}
		at.May, err = powersOf(ctx, s)
		return err
	})
	switch {
	case err == nil:
		return done("")
	case verdict(err) == site.Rejected:
		return failed(err)[0]
	}
	return reconciler.Report{Outcome: state.Unknown, Err: err, Unreachable: reachSQL(err) == reconciler.Unreachable}
}

func (d *database) proveAccount(ctx context.Context, c mssql.Config, op site.ProveAccount) reconciler.Report {
	v, err := d.site.values.value(ctx, op.Secret)
	if err != nil {
		return refused(err)
	}
	c = c.As(op.Login, v)
	var at site.SignInSeen
	if r := d.entered(ctx, c, &at, false); r.Outcome != state.Done {
		return r
	}
	r := done(fmt.Sprintf("a fresh sign-in as %s at %s", at.Login, at.Instance))
	r.Facts = []state.Fact{site.VersionOn(op.Server, op.Login, op.Secret.Version)}
	if at.PasswordSet != "" {
		r.Facts = append(r.Facts, site.PasswordSet(at.Instance, op.Login, at.PasswordSet))
	}
	return r
}

// proveSessions asks for a service's own sessions until there is one. What asks is never one of them. A server that was not heard at
// the end says of no session that there is none. Sessions of the login that was replaced have a moment to end.
func (d *database) proveSessions(ctx context.Context, c mssql.Config, op site.ProveSessions, say func(string)) reconciler.Report {
	say("waiting for a session as " + op.Login + " from " + op.Name)
	names := d.site.computerNames([]string{op.On, op.Beside})
	if names[op.On] == "" {
		return refused(fmt.Errorf("%s has not said what it is called", op.On))
	}
	since, restarted := d.site.startedFrom(op.On)
	ctx, end := whileRunning(ctx, func(ctx context.Context) error { return d.site.endedOn(ctx, op.On, "its session") })
	defer end()
	var heard, first time.Time
	var shown reconciler.Report
	var kept error // that the service beside has not come along
	came := false
	for {
		q := &catalogue{now: d.site.config.Now}
		err := d.askOnce(ctx, c, q)
		if err == nil {
			heard = d.site.config.Now()
			own := site.Where(q.instance.Of(op.Login), func(s site.SessionSeen) bool {
				return strings.EqualFold(s.Host, names[op.On]) && !d.site.others(op.On, op.Service, s.Process) && (!restarted || !s.Newest.Before(since.Add(-clockGrain)))
			})
			if len(own) > 0 {
				if first.IsZero() {
					first = heard
				}
				shown = done(fmt.Sprintf("%s is signed in as %s from %s", own[0].Program, own[0].Login, own[0].Host))
				shown.Facts = op.Facts(heard)
				shown.Note = stays(q.instance.Of(op.Replaced), names)
				beside := d.site.besides(op, own[0], names[op.Beside])
				came = came || slices.ContainsFunc(q.instance.Of(op.Login), beside)
				kept = hasKept(op, site.Where(q.instance.Of(op.Replaced), beside), came)
			}
			if !first.IsZero() && kept == nil && (shown.Note == "" || heard.Sub(first) >= lingering) {
				return shown
			}
		}
		passing, sql := passesSQL(err)
		over := sql && !passing
		if !over && pause(ctx, max(d.site.config.Poll, 500*time.Millisecond)) == nil {
			continue
		}
		switch why := stoppedSince(ctx); {
		case why != nil:
			return failed(why)[0]
		case !first.IsZero() && kept != nil:
			return failed(kept)[0]
		case !first.IsZero():
			return shown
		case over:
			return reconciler.Report{Outcome: state.Unknown, Err: err}
		}
		if err != nil && d.site.config.Now().Sub(heard) > patience {
			return reconciler.Report{Outcome: state.Unknown, Err: fmt.Errorf("whether %s has a session as %s is not known: %w", op.Name, op.Login, err)}
		}
		return failed(reconciler.Hinted(fmt.Errorf("%s has no session as %s after %s", op.Name, op.Login, op.Timeout),
			"look at its log on "+op.On+": it runs and has not signed in to SQL Server"))[0]
	}
}

// besides tells the sessions of the service beside. Where the one that was proven has told its own process, that counts: people's
// programs sign in there too. Else, as behind a wrapper, it is what has begun since that service's start, and goes by its name or by
// that of the same client.
func (m *memory) besides(op site.ProveSessions, own site.SessionSeen, computer string) func(site.SessionSeen) bool {
	with, tells := m.processOf(op.Beside, op.With), own.Process != 0 && own.Process == m.processOf(op.On, op.Service)
	since, restarted := m.startedFrom(op.Beside)
	return func(s site.SessionSeen) bool {
		switch {
		case op.With == "" || !strings.EqualFold(s.Host, computer):
			return false
		case tells:
			return with != 0 && s.Process == with
		}
		return restarted && !s.Newest.Before(since.Add(-clockGrain)) && (s.Program == own.Program || strings.EqualFold(s.Program, op.With))
	}
}

// hasKept says of the service beside that it runs on with the login that was replaced. Its pool may be empty between two questions, so
// that it has no session as the new one says nothing by itself.
func hasKept(op site.ProveSessions, old []site.SessionSeen, came bool) error {
	if len(old) == 0 || came {
		return nil
	}
	return reconciler.Hinted(fmt.Errorf("%s on %s is signed in as %s, which was replaced, and not as %s: it has another connection string than the one that is rotated", op.With, old[0].Host, old[0].Login, op.Login),
		"find the key that it reads, in its settings or its environment: the `settings` of its section name it; take the other string away")
}

// lingering is how long sessions of a process that has ended may be seen on.
const lingering = 10 * time.Second

// stays says who on these computers is signed in with a login that was replaced.
func stays(all []site.SessionSeen, computers map[string]string) string {
	for _, s := range all {
		for _, computer := range computers {
			if computer != "" && strings.EqualFold(s.Host, computer) {
				return fmt.Sprintf("%s on %s is signed in as %s, which was replaced: it is a program beside the services, or one of them has more than its file", s.Program, s.Host, s.Login)
			}
		}
	}
	return ""
}

// clockGrain is how coarse the age of a session is told: in seconds, by the borders that were crossed.
const clockGrain = 2 * time.Second
