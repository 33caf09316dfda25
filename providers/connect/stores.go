package connect

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"meshrotate/providers/keyvault"
	"meshrotate/providers/values"
	"meshrotate/providers/vault"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
)

// stores are those that the document names, each opened when something is asked of it first. What credentials come from, and what
// rotated values come from, differs in one thing: where a program's input is read, as files are.
type stores struct {
	credentials, rotated *values.Stores
	d                    *specs.Deployment
	vaults               map[string]*opened[*vault.Client]
}

// storesOf contacts nobody, and reads nothing. What a store is signed in to with comes from no store.
func storesOf(d *specs.Deployment, o Options) stores {
	c := &connector{d: d, known: o.known, credentials: values.Config{ReadFile: d.Origin.ReadTrusted, LookupEnv: o.LookupEnv}}
	all := stores{d: d, vaults: map[string]*opened[*vault.Client]{}}
	credentials, rotated := map[string]func(context.Context) (values.Store, error){}, map[string]func(context.Context) (values.Store, error){}
	for name, s := range d.Connect.Stores {
		switch {
		case s.Vault != nil:
			v := newOpened(func(ctx context.Context) (*vault.Client, error) { return c.vault(ctx, name, s.Vault) })
			all.vaults[name] = v
			open := func(ctx context.Context) (values.Store, error) {
				client, err := v.get(ctx)
				return inVault{client}, err
			}
			credentials[name], rotated[name] = open, open
		case s.KeyVault != nil:
			v := newOpened(func(ctx context.Context) (*keyvault.Client, error) { return c.keyVault(ctx, name, s.KeyVault) })
			open := func(ctx context.Context) (values.Store, error) {
				client, err := v.get(ctx)
				return inKeyVault{client}, err
			}
			credentials[name], rotated[name] = open, open
		case s.Exec != nil:
			e := values.NewExec(name, *s.Exec, values.Config{ReadFile: d.Origin.ReadTrusted, LookupEnv: o.LookupEnv}) // what it is given may say whom it contacts
			run := func(context.Context) (values.Store, error) { return e, nil }
			credentials[name], rotated[name] = run, run
		}
	}
	all.credentials, all.rotated = values.NewStores(credentials), values.NewStores(rotated)
	return all
}

// vault is how one is opened to be written to.
func (s stores) vault(name string) func(context.Context) (*vault.Client, error) {
	return func(ctx context.Context) (*vault.Client, error) {
		v := s.vaults[name]
		if v == nil {
			return nil, fmt.Errorf("store %s: it is no Vault", name)
		}
		return v.get(ctx)
	}
}

func (s stores) close() {
	for _, v := range s.vaults {
		v.close((*vault.Client).Close)
	}
}

// opened is something that is opened once, and tried again after a failure.
type opened[T any] struct {
	open func(context.Context) (T, error)
	mu   sync.Mutex
	done bool
	what T
}

func newOpened[T any](open func(context.Context) (T, error)) *opened[T] {
	return &opened[T]{open: open}
}

func (o *opened[T]) get(ctx context.Context) (T, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.done {
		return o.what, nil
	}
	what, err := o.open(ctx)
	if err == nil {
		o.what, o.done = what, true
	}
	return what, err
}

func (o *opened[T]) close(how func(T)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.done {
		how(o.what)
	}
}

func (c *connector) vault(ctx context.Context, name string, v *specs.Vault) (*vault.Client, error) {
	where := "connect.stores." + name + ".vault"
	config := vault.Config{Name: name, URL: v.URL, Namespace: v.Namespace, Mount: v.Mount, KV: v.KV}
	var err error
	if v.CAFile != "" {
		if config.CAPEM, err = c.readFile(v.CAFile); err != nil {
			return nil, fmt.Errorf("%s.caFile: %w", where, err)
		}
	}
	switch {
	case v.AppRole != nil:
		config.AppRole = &vault.AppRole{Mount: v.AppRole.Mount, RoleID: v.AppRole.RoleID}
		config.AppRole.SecretID, err = c.value(ctx, v.AppRole.SecretID, where+".appRole.secretId")
	case v.Kubernetes != nil:
		config.Kubernetes = &vault.Kubernetes{Mount: v.Kubernetes.Mount, Role: v.Kubernetes.Role}
		config.Kubernetes.JWT, err = c.value(ctx, v.Kubernetes.JWT, where+".kubernetes.jwt")
	default:
		config.Token, err = c.value(ctx, v.Token, where+".token")
	}
	if err != nil {
		return nil, err
	}
	return vault.New(config)
}

func (c *connector) keyVault(ctx context.Context, name string, k *specs.KeyVault) (*keyvault.Client, error) {
	tokens, err := c.entra(ctx, k.Entra, keyvault.Scope(k.URL), "connect.stores."+name+".keyVault.entra")
	if err != nil {
		return nil, err
	}
	return keyvault.New(keyvault.Config{Name: name, URL: k.URL, Tokens: tokens})
}

// inVault reads from Vault as from any store.
type inVault struct{ *vault.Client }

func (v inVault) Read(ctx context.Context, at specs.Item) (data secret.Value, about string, err error) {
	version := 0
	if at.At != "" {
		if version, err = strconv.Atoi(string(at.At)); err != nil {
			return data, "", fmt.Errorf("store %s: Vault's versions are numbers", at)
		}
	}
	e, err := v.Get(ctx, at.Path, version)
	if err != nil {
		return data, "", err
	}
	data, err = e.Value(values.KeyOf(at.Place))
	return data, e.About(), err
}

// inKeyVault reads from a key vault as from any store.
type inKeyVault struct{ *keyvault.Client }

func (k inKeyVault) Read(ctx context.Context, at specs.Item) (secret.Value, string, error) {
	return k.Get(ctx, at.Path, string(at.At))
}
