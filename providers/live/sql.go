package live

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"meshrotate/providers/mssql"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// SQL is how instances of SQL Server are signed in to.
type SQL struct {
	// Servers are by the target's name: where it is, and who signs in there to look and to change logins.
	Servers map[string]mssql.Config
	// Trust is for sign-ins with a string of the product, and Dial another way to its server.
	Trust mssql.Trust
	// Moved is the port that is dialed on a host whatever port is asked for, 0 for the one that is. Nil is 0 for all.
	Moved func(host string) uint16
	Dial  func(ctx context.Context, network, address string) (net.Conn, error)
}

// database is the worker for instances of SQL Server.
type database struct {
	config SQL
	site   *Site
	guard  mssql.Guard // of all logins, our own too
	wrong  wrongs

	mu sync.Mutex
	// inForce are those who were signed in at the last look with the strings in force, by host and setting.
	inForce map[string]*site.SignInSeen
	out     map[string]error             // servers that have refused our own login: it is not tried again
	set     map[site.AlterLogin][]string // the servers on which this was done
}

const ownHint = "correct connect.sql.user and password before the next look: each one tries them, and a few wrong ones lock the login out; "

// open signs in as ourselves. Who was refused is not tried again in this run.
func (d *database) open(ctx context.Context, c mssql.Config) (*mssql.Session, error) {
	key := fmt.Sprint(c.Host, c.Instance, c.Port)
	d.mu.Lock()
	err := d.out[key]
	d.mu.Unlock()
	if err != nil {
		return nil, err
	}
	s, err := d.guard.Open(ctx, c)
	if verdict(err) == site.Rejected {
		if e := new(mssql.SignInError); errors.As(err, &e) && e.Why == mssql.WrongPassword {
			err = reconciler.Hinted(err, ownHint+e.Hint())
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.out == nil {
			d.out = map[string]error{}
		}
		d.out[key] = err
	}
	return s, err
}

func (d *database) server(t reconciler.Target) (mssql.Config, error) {
	c, ok := d.config.Servers[t.Name]
	if !ok {
		return c, fmt.Errorf("%s: the document does not say how to sign in to this SQL Server", t.Name)
	}
	return c, nil
}

func (d *database) look(ctx context.Context, t reconciler.Target, reads []reconciler.Read, _ secret.Value) reconciler.Look {
	ctx, cancel := context.WithTimeout(ctx, d.site.config.HostTimeout)
	defer cancel()
	var look reconciler.Look
	err := insist(ctx, lookPatience, d.site.config.Now, func() (err error) {
		ctx, cancel := context.WithTimeout(ctx, tryLimit)
		defer cancel()
		look, err = d.lookOnce(ctx, t, reads)
		return err
	})
	if err != nil {
		return reconciler.Look{Reach: reachSQL(err), Err: d.hinted(err)}
	}
	return look
}

// lookOnce asks the instance for everything in one batch, and then tries the strings: each once, whoever has it.
func (d *database) lookOnce(ctx context.Context, t reconciler.Target, reads []reconciler.Read) (reconciler.Look, error) {
	look := reconciler.Look{Reach: reconciler.Reached, Results: map[string]reconciler.Result{}}
	c, err := d.server(t)
	if err != nil {
		return look, err
	}
	q := &catalogue{now: d.site.config.Now}
	var tries []site.SignIn
	var accounts []site.Account
	catalogued := false
	for _, r := range reads {
		switch r := r.(type) {
		case site.StoredSecrets:
			if look.Results[r.Key()], err = d.lookAtStore(ctx, c, r); err != nil {
				return look, err
			}
			continue
		case site.Instance:
			q.database = r.Database
		case site.Login:
			q.logins = append(q.logins, r.Name)
		case site.SignIn:
			tries = append(tries, r)
		case site.Account:
			accounts = append(accounts, r)
		default:
			return look, fmt.Errorf("SQL Server cannot answer %T", r)
		}
		catalogued = true
	}
	if !catalogued {
		return look, nil
	}
	if err := d.ask(ctx, c, q); err != nil {
		return look, err
	}
	if q.instance.Database.Contained {
		if err := d.askUsers(ctx, c, q); err != nil {
			q.instance.Database.UsersWhy = err.Error()
		}
	}
	tried := map[attempt]*site.SignInSeen{}
	for _, r := range tries {
		seen := *d.signIn(ctx, r, q, tried)
		seen.On = r.Setting.Host + " " + r.Setting.Setting
		look.Results[r.Key()] = &seen
		d.mu.Lock()
		d.inForce[seen.On] = &seen
		d.mu.Unlock()
	}
	for _, r := range accounts {
		seen := &site.SignInSeen{On: r.Login}
		if q.login(r.Login).Exists {
			d.tryDeclared(ctx, site.SignIn{Setting: site.Setting{Secret: r.Secret}, Login: r.Login}, c.As(r.Login, secret.Value{}), q, seen)
		}
		look.Results[r.Key()] = seen
	}
	for _, r := range reads {
		switch r := r.(type) {
		case site.Instance:
			look.Results[r.Key()] = &q.instance
		case site.Login:
			look.Results[r.Key()] = q.login(r.Name)
		}
	}
	return look, nil
}

// ask signs in as ourselves and reads the catalogue.
func (d *database) ask(ctx context.Context, c mssql.Config, q *catalogue) error {
	s, err := d.open(ctx, c)
	if err != nil {
		return err
	}
	defer s.Close()
	return q.read(ctx, s)
}

// askOnce is ask for whoever asks again: a server that takes the question and never answers is not waited for all the time.
func (d *database) askOnce(ctx context.Context, c mssql.Config, q *catalogue) error {
	ctx, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	return d.ask(ctx, c, q)
}

// askUsers signs in to the database itself.
func (d *database) askUsers(ctx context.Context, c mssql.Config, q *catalogue) error {
	c.Database = q.database
	s, err := d.open(ctx, c)
	if err != nil {
		return err
	}
	defer s.Close()
	return q.readUsers(ctx, s)
}

func hintOf(err error) string {
	var s *mssql.SignInError
	var e *mssql.ServerError
	switch {
	case errors.As(err, &s):
		return s.Hint()
	case errors.As(err, &e):
		return e.Hint()
	}
	return ""
}

func hinted(err error) error {
	if reconciler.HintOf(err) != "" {
		return err
	}
	if hint := hintOf(err); hint != "" {
		return reconciler.Hinted(err, hint)
	}
	return err
}

// hinted also thinks of a failover, where there are replicas: nobody answers at a listener until it ends.
func (d *database) hinted(err error) error {
	err = hinted(err)
	if len(d.config.Servers) > 1 && reachSQL(err) == reconciler.Unreachable {
		return reconciler.Hinted(err, "a failover may be under way, or hang: look at the availability group, and run again when a replica is its primary; else "+reconciler.HintOf(err))
	}
	return err
}

func reachSQL(err error) reconciler.Reach {
	var e *mssql.SignInError
	if errors.As(err, &e) && (e.Why == mssql.Unreachable || e.Why == mssql.TimedOut) {
		return reconciler.Unreachable
	}
	return reconciler.Broken
}
