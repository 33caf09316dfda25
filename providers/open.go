package providers

import (
	"context"
	"path/filepath"

	"meshrotate/providers/live"
	"meshrotate/providers/negotiate"
	"meshrotate/providers/values"
	"meshrotate/providers/winrm"
	"meshrotate/specs"
	"meshrotate/state/file"
)

// Options are what a run asks of the connection.
type Options struct {
	// Stay keeps connections open after the look: steps will follow.
	Stay bool
	// Bound keeps the key of fingerprints, so that another run's are the same; without it nothing is written.
	Bound bool
	// Parallel is how many hosts are spoken to at once; 0 is the document's.
	Parallel int
	// LookupEnv is the environment; nil is os.LookupEnv.
	LookupEnv func(string) (string, bool)
}

// OpenState opens the ledger and the lock that the document names. It creates nothing.
func OpenState(d *specs.Deployment) (*file.Store, error) {
	return file.Open(stateDir(d))
}

// stateDir is relative to the document, or to the working directory when the document comes from a Git revision.
func stateDir(d *specs.Deployment) string {
	if filepath.IsAbs(d.State.Dir) {
		return d.State.Dir
	}
	return filepath.Join(d.Origin.Dir, d.State.Dir)
}

// Open reads the credentials that the document names and returns the deployment's site. It contacts nothing yet.
func Open(ctx context.Context, d *specs.Deployment, o Options) (*live.Site, error) {
	store, err := OpenState(d)
	if err != nil {
		return nil, err
	}
	c := &connector{d: d, guards: map[string]*winrm.Guard{}, kerberos: map[specs.Kerberos]*negotiate.Kerberos{},
		sources: values.Config{ReadFile: d.Origin.ReadFile, LookupEnv: o.LookupEnv}}
	if c.sources.Seal, err = values.SealFrom(d.State.Seal, c.sources); err != nil {
		return nil, err
	}
	supply := values.Supply{Keep: values.NewKeep(stateDir(d), c.sources.Seal), Sources: map[string]values.Source{}}
	for _, k := range Kinds() {
		spec, declared := d.Secrets[k.Section.Key]
		if !declared {
			continue
		}
		for _, n := range k.Values(spec) {
			form := values.Text
			if n.Exact {
				form = values.Exact
			}
			if supply.Sources[n.Name], err = values.From(n.From, form, c.sources); err != nil {
				return nil, err
			}
		}
	}
	salt := store.Salt
	if !o.Bound {
		salt = store.PresentSalt
	}
	api, err := c.adminAPI(ctx)
	if err != nil {
		return nil, err
	}
	parallel := d.Policy.Parallel
	if o.Parallel > 0 {
		parallel = o.Parallel
	}
	parallel += len(d.AllHosts()) - len(d.Relays()) // the limit is for the fleet; Admin and Engine never wait for it
	return live.New(live.Config{
		Dial: c.dial, API: api, Values: supply, ReadFile: d.Origin.ReadFile, Salt: salt, Parallel: parallel,
		HostTimeout: d.Policy.HostTimeout.Of(), Stay: o.Stay,
		PowerShell: func(host string) string { _, w := d.WinRMFor(host); return w.PowerShell },
		Closers:    []func(){c.close},
	}), nil
}
