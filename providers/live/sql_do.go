package live

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"meshrotate/providers/mssql"
	"meshrotate/providers/mssql/tsql"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

func (d *database) do(ctx context.Context, t reconciler.Target, steps []reconciler.Step, tell func(reconciler.Event)) []reconciler.Report {
	c, err := d.server(t)
	if err != nil {
		return failed(err)
	}
	var reports []reconciler.Report
	reader := d.storeReader(ctx, c)
	for _, s := range steps {
		r := d.one(ctx, c, s, reader, func(text string) {
			tell(reconciler.Event{Kind: reconciler.Progressed, Phase: s.Phase.String(), Target: t.String(), Text: text, Time: d.site.config.Now()})
		})
		if r.Err != nil {
			r.Err = d.hinted(r.Err)
		}
		reports = append(reports, r)
		if r.Outcome != state.Done {
			break
		}
	}
	return reports
}

func (d *database) one(ctx context.Context, c mssql.Config, s reconciler.Step, read storeReader, say func(string)) reconciler.Report {
	limit := max(d.site.config.HostTimeout, s.Limit.Of())
	switch op := s.Op.(type) {
	case site.ProveSessions:
		limit = op.Timeout.Of()
	case site.AlterLogin:
		limit += lostPatience
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	switch op := s.Op.(type) {
	case site.AlterLogin:
		r := d.tellWhere(op, d.alter(ctx, c, op, func() {
			say("no answer came, and nobody knows which password " + op.Login + " has: SQL Server is asked for up to 5 minutes")
		}))
		if r.Err != nil && op.Enable && op.Database == "" {
			r.Facts = append(r.Facts, site.EnablingOn(op.Server, op.Login, true))
		}
		return r
	case site.RetireLogin:
		return d.retire(ctx, c, op)
	case site.ProveLogin:
		return d.proveLogin(ctx, op)
	case site.ProveAccount:
		return d.proveAccount(ctx, c, op)
	case site.ProveSessions:
		return d.proveSessions(ctx, c, op, say)
	case site.ProveStored:
		return d.proveStored(op, s.Undoes(), read)
	}
	return failed(fmt.Errorf("SQL Server cannot do this (%s)", s.Op.Kind()))[0]
}

// alter sends ALTER LOGIN. What is not clear after that, a sign-in with the new value answers: a reply that was lost, and
// a history of passwords that refuses the value, which may be because the login has it already. Where that tells that the login does
// not have it, it is sent once more: to be set twice does no harm.
func (d *database) alter(ctx context.Context, c mssql.Config, op site.AlterLogin, lost func()) reconciler.Report {
	v, err := d.site.values.value(ctx, op.Secret)
	if err != nil {
		return refused(err)
	}
	set := tsql.SetPassword
	switch {
	case op.Database != "":
		set, c.Database = tsql.SetUserPassword, op.Database
	case op.Unlock:
		set = tsql.ResetPassword
	}
	statement, err := set(op.Login, v)
	if err != nil {
		return refused(err)
	}
	var r reconciler.Report
	for again := range 2 {
		sent, err := d.send(ctx, c, op, statement)
		var server *mssql.ServerError
		answered := errors.As(err, &server)
		switch {
		case err == nil:
			return altered(op, "")
		case again > 0 && (!sent || answered):
			return r // the first one may have been carried out since
		case !sent, answered && !errors.Is(err, mssql.TakenBefore):
			return refused(err)
		}
		patience := d.site.config.Patience
		if !answered && op.Awaited {
			patience = max(patience, lostPatience)
			lost()
		}
		a := d.probe(ctx, c.As(op.Login, v), patience)
		switch {
		case a.Verdict == mssql.Accepted:
			return altered(op, " already")
		case answered && a.Verdict == mssql.Rejected && op.Begun != "":
			return refused(reconciler.Hinted(err, fmt.Sprintf("declare version %s again, and apply: an earlier run began to set it, so the server may have it, and it is kept; or commit another version, with a value that this login never had", op.Begun)))
		case answered && a.Verdict == mssql.Rejected:
			return refused(err)
		}
		// It may still be on its way, or be the login's own already: that it is not taken now says nothing for certain.
		r = reconciler.Report{Outcome: state.Unknown, Err: fmt.Errorf("%w; a sign-in with the new value: %v", err, a)}
		if answered && a.Why == mssql.LockedOut {
			r.Err = reconciler.Hinted(r.Err, "run again when the lockout has ended; or commit another version, which ends it")
		}
		if answered || a.Verdict != mssql.Rejected {
			return r
		}
		if err := reconciler.StillOurs(ctx); err != nil {
			return reconciler.Report{Outcome: state.Unknown, Err: err}
		}
	}
	return r
}

// send signs in as ourselves and gives the login its password. It says whether the server may have got that.
func (d *database) send(ctx context.Context, c mssql.Config, op site.AlterLogin, password tsql.Statement) (sent bool, err error) {
	var s *mssql.Session
	if err := d.insist(ctx, func(ctx context.Context) (err error) {
		s, err = d.open(ctx, c)
		return err
	}); err != nil {
		return false, err
	}
	defer s.Close()
	if op.Idle {
		if err := d.idle(ctx, s, op.Login); err != nil {
			return false, err
		}
	}
	d.wrong.forget()
	return true, d.sendPassword(ctx, s, op, password)
}

// idle demands that nobody is signed in with the login, now.
func (d *database) idle(ctx context.Context, s *mssql.Session, login string) error {
	ctx, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	q := &catalogue{now: d.site.config.Now}
	if err := q.read(ctx, s); err != nil {
		return err
	}
	if busy := q.instance.Of(login); len(busy) > 0 {
		return reconciler.Hinted(&inUseError{login, busy[0]}, "it was idle when it was looked at: end what signs in with it, and plan again")
	}
	return nil
}

// tellWhere says which server has failed, and which have the password.
func (d *database) tellWhere(op site.AlterLogin, r reconciler.Report) reconciler.Report {
	what := site.AlterLogin{Login: op.Login, Secret: op.Secret}
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.Err == nil {
		if d.set == nil {
			d.set = map[site.AlterLogin][]string{}
		}
		d.set[what] = append(d.set[what], op.Server)
		return r
	}
	r.Err = fmt.Errorf("%s: %w", op.Server, r.Err)
	if others := d.set[what]; len(others) > 0 {
		r.Err = fmt.Errorf("%w; %s took version %s", r.Err, strings.Join(others, ", "), op.Secret.Version)
	}
	return r
}

// altered is the report of a login that has the version: it is retired no more there, whoever has enabled it.
func altered(op site.AlterLogin, since string) reconciler.Report {
	r := done(op.Login + " has version " + op.Secret.Version + since)
	if r.Facts = []state.Fact{site.RetiredFact(op.Login, false), site.RetiredOn(op.Server, op.Login, false), site.EnablingOn(op.Server, op.Login, false)}; op.Database != "" {
		r.Facts = []state.Fact{site.RetiredUser(op.Login, false)}
	}
	return r
}

func (d *database) sendPassword(ctx context.Context, s *mssql.Session, op site.AlterLogin, password tsql.Statement) error {
	ctx, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	if op.Enable && op.Database == "" {
		enable, err := tsql.Enable(op.Login)
		if err == nil {
			err = s.Exec(ctx, enable)
		}
		if err != nil {
			return err
		}
	}
	return s.Exec(ctx, password)
}

// tryLimit is how long one sign-in and what is asked there may take.
const tryLimit = 30 * time.Second

// insist tries, each time for so long, until it works, does not pass, or the patience is over.
func (d *database) insist(ctx context.Context, try func(context.Context) error) error {
	return insist(ctx, d.site.config.Patience, d.site.config.Now, func() error {
		ctx, cancel := context.WithTimeout(ctx, tryLimit)
		defer cancel()
		return try(ctx)
	})
}

// lostPatience is how long a server is asked what became of a statement whose answer was lost. Whoever was stopped for it waits, and
// could not work without that server.
const lostPatience = 5 * time.Minute

// probe tries until there is an answer.
func (d *database) probe(ctx context.Context, c mssql.Config, patience time.Duration) (a mssql.Answer) {
	_ = insist(ctx, patience, d.site.config.Now, func() error {
		ctx, cancel := context.WithTimeout(ctx, tryLimit)
		defer cancel()
		a = d.guard.Probe(ctx, c)
		return a.Err
	})
	return a
}

// inUseError says that a login is not idle.
type inUseError struct {
	login string
	by    site.SessionSeen
}

func (e *inUseError) Error() string {
	return fmt.Sprintf("%s is in use by %s on %s", e.login, e.by.Program, e.by.Host)
}

// passesSQL says whether an error of SQL Server passes, and whether it is one. A login that is refused does not.
func passesSQL(err error) (passing, sql bool) {
	var signIn *mssql.SignInError
	var server *mssql.ServerError
	var busy *inUseError
	switch {
	case errors.As(err, &busy):
		return false, true
	case errors.As(err, &signIn):
		return signIn.Why == mssql.Unreachable || signIn.Why == mssql.Local || signIn.Why == mssql.TimedOut || signIn.Why == mssql.Unavailable, true
	case errors.As(err, &server):
		return errors.Is(err, mssql.LockWait) || errors.Is(err, mssql.Moved) || errors.Is(err, mssql.Busy), true
	}
	return false, false
}
