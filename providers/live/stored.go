package live

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	mssqldb "github.com/microsoft/go-mssqldb"

	"meshrotate/providers/mssql"
	"meshrotate/providers/site"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// stored is the family of a host's program that fills a store of secrets.
func stored(f *family) {
	f.reading(looking(
		func(q *questions, r site.SecretsTool) {
			q.ask(winhost.SecretsLook{Program: r.Program, TimeoutSeconds: helpSeconds}, r.Key())
		}, readTool))
	f.reading(looking(
		func(q *questions, r site.Identity) {
			q.ask(winhost.MachineIdentity{}, "machine")
			q.ask(winhost.ServiceQuery{Service: r.Service}, r.Service)
		}, readIdentity))
	f.op(doing(pushSecret, pushed))
	f.op(doing(func(_ context.Context, _ *host, o site.RecordMachine) ([]winhost.Op, error) {
		return []winhost.Op{winhost.MachineIdentity{}, winhost.ServiceQuery{Service: o.Service}}, nil
	}, recordMachine))
	f.op(doing(func(_ context.Context, _ *host, o site.ProveListed) ([]winhost.Op, error) {
		return one(winhost.SecretsList{Program: o.Program, Ref: o.Ref, TimeoutSeconds: seconds(o.Timeout.Of())})
	}, proveListed))
}

// helpSeconds is how long a program may take to show its help.
const helpSeconds = 30

func readTool(_ context.Context, q *questions, r site.SecretsTool) (reconciler.Result, error) {
	res, err := q.result(r.Key())
	if err != nil || res.Secrets == nil {
		return nil, known(err, "nothing about "+r.Program)
	}
	s := res.Secrets
	seen := &site.ToolSeen{Program: r.Program, Exists: s.Exists, Stdin: s.Stdin == winhost.Yes, File: s.File == winhost.Yes, Left: s.Left}
	var who []string
	if s.CommandLines == winhost.Yes {
		who = append(who, "process auditing (event 4688)")
	}
	if s.Sysmon == winhost.Yes {
		who = append(who, "Sysmon")
	}
	seen.Watched = strings.Join(who, " and ")
	return seen, nil
}

func pushSecret(ctx context.Context, h *host, o site.PushSecret) ([]winhost.Op, error) {
	v, err := h.site.values.value(ctx, o.Secret)
	if err != nil {
		return nil, err
	}
	set := winhost.SecretsSet{Program: o.Program, Ref: o.Ref, File: o.File, Argument: o.Argument, TimeoutSeconds: seconds(o.Timeout.Of()), Value: v}
	if h.sealer != nil {
		return one(set)
	}
	h.sealer = &site.MachineIdentity{}
	return []winhost.Op{winhost.MachineIdentity{}, winhost.ServiceQuery{Service: o.Service}, set}, nil
}

func readIdentity(_ context.Context, q *questions, r site.Identity) (reconciler.Result, error) {
	m, err := q.result("machine")
	if err != nil {
		return nil, err
	}
	s, err := q.result(r.Service)
	if err != nil || m.Machine == nil || s.Service == nil {
		return nil, known(err, "no identity")
	}
	return &site.IdentitySeen{MachineIdentity: identityOf(m, s), Service: r.Service}, nil
}

func identityOf(machine, service winhost.Result) site.MachineIdentity {
	m := machine.Machine
	return site.MachineIdentity{MachineGUID: m.MachineGUID, ComputerName: m.ComputerName, Domain: m.Domain, Installed: m.Installed.UTC(), Account: service.Service.Account}
}

func recordMachine(_ context.Context, h *host, o site.RecordMachine, d deed) reconciler.Report {
	if d.results[0].Machine == nil || d.results[1].Service == nil {
		return h.unproven("which machine it is, and what %s runs as, is not known", o.Service)
	}
	on := identityOf(d.results[0], d.results[1])
	r := done("recorded: " + on.ComputerName)
	r.Facts = []state.Fact{on.Fact()}
	return r
}

// pushed believes nothing: the program may end with 0 and have stored nothing.
func pushed(_ context.Context, h *host, o site.PushSecret, d deed) reconciler.Report {
	if len(d.results) > 1 { // the first of its batch asked which machine this is
		if d.results[0].Machine == nil || d.results[1].Service == nil {
			return h.unproven("which machine has sealed %s is not known", o.Ref)
		}
		*h.sealer = identityOf(d.results[0], d.results[1])
	}
	h.site.push(o.Ref, d.began, *h.sealer)
	return done("")
}

func proveListed(_ context.Context, h *host, o site.ProveListed, d deed) reconciler.Report {
	if s := d.results[0].Secrets; s == nil || s.Listed != winhost.Yes {
		return h.unproven("the list of secrets does not name %s", o.Ref)
	}
	return done("it is listed")
}

// store is what the tables of stored secrets say, and the server's clock.
type store struct {
	seen           site.StoredSeen
	now            time.Time // the server's
	sent, received time.Time // ours
}

// quoted is a name of an object with its database and, if it has one, its schema.
func quoted(database, name string) string {
	q := mssqldb.TSQLQuoter{}
	schema, table, ok := strings.Cut(name, ".")
	if !ok {
		schema, table = "dbo", name
	}
	return q.ID(database) + "." + q.ID(schema) + "." + q.ID(table)
}

// storedBatch reads both tables in one round trip. The secrets themselves are not read.
func storedBatch(database string, t site.Tables) string {
	id := mssqldb.TSQLQuoter{}.ID
	return fmt.Sprintf("SELECT SYSUTCDATETIME();\nSELECT %s, %s FROM %s;\nSELECT CAST(%s AS nvarchar(100)), %s FROM %s",
		id(t.Ref), id(t.Updated), quoted(database, t.Secrets), id(t.ID), id(t.Name), quoted(database, t.Owners))
}

func (d *database) readStore(ctx context.Context, c mssql.Config, name string, t site.Tables) (*store, error) {
	s, err := d.open(ctx, c)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	o := &store{seen: site.StoredSeen{Updated: map[string]time.Time{}}, sent: d.site.config.Now()}
	var ref string
	var at sql.NullTime // zero for NULL
	var id, owner sql.NullString
	err = s.Select(ctx, storedBatch(name, t), nil, func(result int, scan func(...any) error) error {
		switch result {
		case 0:
			return scan(&o.now)
		case 1:
			err := scan(&ref, &at)
			o.seen.Updated[ref] = at.Time.UTC()
			return err
		}
		err := scan(&id, &owner)
		o.seen.Own(site.Owner{ID: id.String, Name: owner.String})
		return err
	})
	o.received = d.site.config.Now()
	return o, err
}

// storeReader reads the tables once, for all steps of a batch that ask about them.
type storeReader func(database string, t site.Tables) (*store, error)

func (d *database) storeReader(ctx context.Context, c mssql.Config) storeReader {
	type place struct {
		database string
		tables   site.Tables
	}
	known := map[place]*store{}
	return func(database string, t site.Tables) (o *store, err error) {
		if o = known[place{database, t}]; o != nil {
			return o, nil
		}
		err = d.insist(ctx, func(ctx context.Context) (err error) {
			o, err = d.readStore(ctx, c, database, t)
			return err
		})
		if err == nil {
			known[place{database, t}] = o
		}
		return o, err
	}
}

// lookAtStore answers also where the tables cannot be read: that is for a person to mend, and says nothing about the server.
func (d *database) lookAtStore(ctx context.Context, c mssql.Config, r site.StoredSecrets) (*site.StoredSeen, error) {
	o, err := d.readStore(ctx, c, r.Database, r.Tables)
	var server *mssql.ServerError
	if errors.As(err, &server) {
		if passing, _ := passesSQL(err); !passing {
			return &site.StoredSeen{Declared: r.Refs, Problem: err.Error(), Hint: reconciler.HintOf(hinted(err))}, nil
		}
	}
	if err != nil {
		return nil, err
	}
	o.seen.Declared = r.Refs
	d.site.sawStored(o.seen.Updated, func(ctx context.Context) (map[string]time.Time, error) {
		ctx, cancel := context.WithTimeout(ctx, tryLimit)
		defer cancel()
		o, err := d.readStore(ctx, c, r.Database, r.Tables)
		if err != nil {
			return nil, err
		}
		return o.seen.Updated, nil
	})
	return &o.seen, nil
}

// proveStored compares by the server's clock. A grain is left for the clock of whoever writes the time; the time before may have
// been ahead of it, and only says that another is there now.
func (d *database) proveStored(op site.ProveStored, undoes bool, read storeReader) reconciler.Report {
	push, ok := d.site.pushOf(op.Ref)
	if !ok {
		return refused(fmt.Errorf("%s was not pushed in this run", op.Ref))
	}
	o, err := read(op.Database, op.Tables)
	if err != nil {
		return reconciler.Report{Outcome: state.Unknown, Err: err, Unreachable: reachSQL(err) == reconciler.Unreachable}
	}
	at, there := o.seen.Updated[op.Ref]
	began := o.now.Add(-o.received.Sub(push.began)) // the push, on the server's clock, at the earliest
	switch {
	case !there:
		return failed(fmt.Errorf("%s is not in %s after the push", op.Ref, op.Tables.Secrets))[0]
	case undoes && at.Equal(push.before):
		return done("it is as it was: " + op.Ref + " was not set")
	case at.Equal(push.before) || at.Before(began.Add(-clockGrain)):
		return failed(reconciler.Hinted(fmt.Errorf("%s was set at %s, before the push at %s: the program ended as if it had stored the value, and it did not", op.Ref, at.Format(time.RFC3339Nano), began.UTC().Format(time.RFC3339Nano)),
			"run the program on the host by hand and look at what it says; see that its clock and the server's agree"))[0]
	}
	r := done("set at " + at.Format(time.TimeOnly) + ", after the push")
	r.Facts = []state.Fact{{Field: site.StoredOn, Value: at.Format(time.RFC3339Nano)}, push.on.Fact()}
	return r
}
