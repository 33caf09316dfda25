// Package connect goes from a document and its credentials to a connected site, and to what is remembered about it.
package connect

import (
	"cmp"
	"context"
	"net"
	"path/filepath"
	"time"

	"meshrotate/providers/adminapi"
	"meshrotate/providers/limits"
	"meshrotate/providers/live"
	"meshrotate/providers/negotiate"
	"meshrotate/providers/program"
	"meshrotate/providers/values"
	"meshrotate/providers/winrm"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
	"meshrotate/state"
	"meshrotate/state/file"
)

// Options are what a run asks of the connection.
type Options struct {
	// Stay keeps connections open after the look: steps will follow.
	Stay bool
	// Bound keeps the key of fingerprints, so that another run's are the same; without it nothing is written.
	Bound bool
	// Parallel is the most hosts that are spoken to at once; 0 is the document's.
	Parallel int
	// Busy says that this machine does not keep up with the hosts; nil: it always does.
	Busy func() bool
	// Hosts is how many will be looked at; 0 is all of the document's.
	Hosts int
	// LookupEnv is the environment; nil is os.LookupEnv.
	LookupEnv func(string) (string, bool)
	// Dial and API are other ways to the hosts and to the Admin API than the document's, as to a lab in memory.
	Dial func(ctx context.Context, host string) (live.Shell, error)
	API  *adminapi.Config
	// DialSQL is another way to every instance of SQL Server.
	DialSQL func(ctx context.Context, network, address string) (net.Conn, error)
	// Program is another way to run a program on this machine.
	Program func(ctx context.Context, p live.Program) ([]byte, error)
	// ChangePassword is another way to change passwords in the domain.
	ChangePassword func(ctx context.Context, account string, old, next secret.Value) (was bool, err error)
	// State is what is remembered; nil is what the document names.
	State *state.State
	// Seal opens kept values, and remembers which it has opened; nil is the document's.
	Seal *values.Seal
	// Shells is the folder where this user's processes record the shells that they make on hosts, "" for none.
	Shells string
	// Poll is how often the Admin API is asked while waiting; 0 is live's.
	Poll time.Duration

	known *program.Known // what connections are made with
}

// State opens what is remembered about a deployment, where the document says. It creates nothing, and contacts nobody.
func State(d *specs.Deployment) (state.State, error) { return OpenState(d, Options{}) }

// OpenState is State with another environment, or another way to a database.
func OpenState(d *specs.Deployment, o Options) (state.State, error) {
	if err := authorities(); err != nil {
		return state.State{}, err
	}
	if q, ok := d.StateServer(); ok {
		return inSQL(d, q, o), nil
	}
	if d.State.Git != nil {
		return inGit(d, o), nil
	}
	store, err := file.Open(stateDir(d))
	if err != nil {
		return state.State{}, err
	}
	return store.State(), nil
}

// Values opens the kept values alone, for verbs that need no hosts.
func Values(d *specs.Deployment, o Options) (*values.Keep, error) {
	opened, err := OpenState(d, o)
	if err != nil {
		return nil, err
	}
	seal, err := values.SealFrom(d.State.Seal, values.Config{ReadFile: d.Origin.ReadTrusted, LookupEnv: o.LookupEnv, Deployment: d.Name, Stores: storesOf(d, o).credentials})
	if err != nil {
		return nil, err
	}
	return values.NewKeep(opened.Values, seal), nil
}

// stateDir is relative to the document, or to the working directory when the document comes from a Git revision.
func stateDir(d *specs.Deployment) string {
	if filepath.IsAbs(d.State.Dir) {
		return d.State.Dir
	}
	return filepath.Join(d.Origin.Dir, d.State.Dir)
}

// Open reads the credentials that the document names and returns the deployment's site. It contacts nothing yet.
func Open(ctx context.Context, kinds []reconciler.Kind, d *specs.Deployment, o Options) (*live.Site, error) {
	o.known = &program.Known{}
	if o.State == nil {
		opened, err := OpenState(d, o)
		if err != nil {
			return nil, err
		}
		o.State = &opened
	}
	stores := storesOf(d, o)
	c := &connector{d: d, known: o.known, idle: Idle(d), guards: map[string]*winrm.Guard{}, kerberos: map[specs.Kerberos]*negotiate.Kerberos{},
		credentials: values.Config{ReadFile: d.Origin.ReadTrusted, LookupEnv: o.LookupEnv, Deployment: d.Name, Stores: stores.credentials}}
	rotated := values.Config{ReadFile: d.Origin.ReadFile, LookupEnv: o.LookupEnv, Stores: stores.rotated}
	var err error
	if rotated.Seal = o.Seal; o.Seal == nil {
		if rotated.Seal, err = values.SealFrom(d.State.Seal, c.credentials); err != nil {
			return nil, err
		}
	}
	if o.Shells != "" {
		c.record = &winrm.Record{Dir: o.Shells}
	}
	needed := neededBy(kinds, d)
	supply, err := supplyOf(needed, o.State.Values, rotated, stores)
	if err != nil {
		return nil, err
	}
	salt := o.State.Salt.Salt
	if !o.Bound {
		salt = o.State.Salt.PresentSalt
	}
	api, err := c.adminAPI(ctx, o.API)
	if err != nil {
		return nil, err
	}
	sql, err := c.sql(ctx, o.DialSQL)
	if err != nil {
		return nil, err
	}
	parallel, err := atOnce(d, o)
	if err != nil {
		return nil, err
	}
	dial, change := o.Dial, o.ChangePassword
	if dial == nil {
		dial = c.dial
	}
	if change == nil {
		change = c.changePassword
	}
	return live.New(live.Config{
		Dial: dial, API: api, SQL: sql, Values: supply, Needed: needed, ReadFile: d.Origin.ReadTrusted, Salt: salt, Parallel: parallel, Busy: o.Busy,
		HostTimeout: d.Policy.HostTimeout.Of(), Patience: d.Policy.Patience.Of(), Stay: o.Stay, Poll: o.Poll, Domains: d.Product.API.Domains,
		Program: o.Program, ChangePassword: change, Known: o.known, AtHand: c.atHand,
		MarkerHost: d.Hosts.Admin, MarkerPath: d.State.Marker,
		PowerShell: func(host string) string { _, w := d.WinRMFor(host); return w.PowerShell },
		Closers:    []func(){c.close, stores.close},
	}), nil
}

// atOnce is how many hosts may be spoken to at once: what is asked for, as far as this machine has room for it.
func atOnce(d *specs.Deployment, o Options) (int, error) {
	parallel := d.Policy.Parallel
	if o.Parallel > 0 {
		parallel = o.Parallel
	}
	all := len(d.AllHosts())
	parallel += all - len(d.Relays()) // the limit is for the fleet; Admin and Engine never wait for it
	files, known := limits.Files()
	if !known || o.Dial != nil {
		return parallel, nil
	}
	return limits.Room{Hosts: cmp.Or(o.Hosts, all), Parallel: parallel, Stay: o.Stay}.Within(files)
}

// neededBy are the values that the declared secrets need, by their names.
func neededBy(kinds []reconciler.Kind, d *specs.Deployment) map[string]reconciler.Needed {
	needed := map[string]reconciler.Needed{}
	for _, k := range kinds {
		if spec, declared := d.Secrets[k.Section.Key]; declared {
			for _, n := range k.Values(spec) {
				needed[n.Ref.Name] = n
			}
		}
	}
	return needed
}

// supplyOf is where their values come from, and where they are kept.
func supplyOf(needed map[string]reconciler.Needed, place state.Blobs, c values.Config, stores stores) (values.Supply, error) {
	s := values.Supply{Keep: values.NewKeep(place, c.Seal), Sources: map[string]values.Source{}, Declared: map[string]string{}}
	for name, n := range needed {
		form := values.Text
		if n.Exact {
			form = values.Exact
		}
		from, err := values.From(n.From, form, c)
		if err != nil {
			return s, err
		}
		if g, made := from.(values.Generated); made {
			g.Plain = n.Plain
			if from = g; n.Keep != nil {
				from = values.Shared{Generated: g, Place: *n.Keep, Vault: stores.vault(n.Keep.Store), Seal: c.Seal}
			}
		}
		s.Sources[name], s.Declared[name] = from, n.Ref.Version
	}
	return s, nil
}
