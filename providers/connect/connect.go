package connect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"meshrotate/providers/adminapi"
	"meshrotate/providers/live"
	"meshrotate/providers/negotiate"
	"meshrotate/providers/program"
	"meshrotate/providers/values"
	"meshrotate/providers/winhost"
	"meshrotate/providers/winrm"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
)

// connector makes connections. One credential has one guard: a password that no host has taken is tried once.
type connector struct {
	d *specs.Deployment
	// credentials is where they come from: what is kept, and what the deployment's identity opens, is none.
	credentials values.Config
	record      *winrm.Record // nil: none is kept
	idle        time.Duration // see Idle; it is asked of the whole fleet, once
	known       *program.Known

	mu       sync.Mutex
	guards   map[string]*winrm.Guard
	kerberos map[specs.Kerberos]*negotiate.Kerberos
	got      map[specs.Source]secret.Value
	pools    map[string]*x509.CertPool
}

func (c *connector) close() {
	c.record.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.kerberos {
		k.Close()
	}
}

// dial opens a shell on a host.
func (c *connector) dial(ctx context.Context, host string) (live.Shell, error) {
	config, err := c.winrmConfig(ctx, host)
	if err != nil {
		return nil, err
	}
	s, err := winrm.Open(ctx, config)
	if err != nil {
		return nil, err
	}
	return shell{s}, nil
}

func (c *connector) winrmConfig(ctx context.Context, host string) (winrm.Config, error) {
	address, w := c.d.WinRMFor(host)
	config := winrm.Config{Address: address, Name: host, HTTPS: w.Transport == "https", Auth: winrm.Auth(w.Auth), User: w.User, SPN: w.SPN, IdleTimeout: c.idle, Record: c.record}
	var err error
	if config.Password, err = c.value(ctx, w.Password, "connect.winrm.password"); err != nil {
		return config, err
	}
	if w.Certificate != nil {
		if config.Certificate, err = c.certificate(ctx, w.Certificate); err != nil {
			return config, err
		}
	}
	if config.Auth == winrm.Kerberos {
		if config.Kerberos, err = c.tickets(w.Kerberos, w.User, config.Password); err != nil {
			return config, err
		}
	}
	if config.HTTPS && w.CAFile != "" {
		pool, err := c.pool(w.CAFile)
		if err != nil {
			return config, fmt.Errorf("connect.winrm.%w", err)
		}
		config.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	id := w.Auth + "\x00" + w.User
	if c.guards[id] == nil {
		c.guards[id] = &winrm.Guard{}
	}
	config.Guard = c.guards[id]
	return config, nil
}

// Idle is how long a host keeps a shell that nobody uses: longer than every wait of a run for somebody else, a slow fleet's
// preparations among them, or each shell would have to be made again, some of them in the outage. A host whose own setting is shorter
// takes that (winrm/config/winrs, IdleTimeout: 2 hours unless somebody has set it; WSMAN_SHELL_STARTUP_INFO, idleTimeoutMs).
func Idle(d *specs.Deployment) time.Duration {
	p, parallel := d.Product, max(1, min(d.Policy.Parallel, live.Begins))
	turns := time.Duration((len(d.AllHosts()) + parallel - 1) / parallel)
	wait := p.API.ReadyTimeout.Of() + p.API.ConnectedTimeout.Of()
	for _, c := range []specs.Component{p.Admin, p.Engine, p.Relay} {
		wait += c.StopTimeout.Of() + c.StartTimeout.Of() + c.Stable.Of()
	}
	const most = math.MaxInt32 * time.Millisecond // that the setting can be
	return min(max(wait, turns*d.Policy.HostTimeout.Of(), d.Policy.Patience.Of(), 180*time.Second)+time.Minute, most)
}

func relayFields(f specs.RelayFields) (fields adminapi.Fields, err error) {
	fields = adminapi.Fields{List: f.List, Name: f.Name, Connected: f.Connected, Heartbeat: f.Heartbeat}
	if f.Zone != "" {
		if fields.Zone, err = time.LoadLocation(f.Zone); err != nil {
			err = fmt.Errorf("product.api.fields.zone: %w", err)
		}
	}
	return fields, err
}

func (c *connector) adminAPI(ctx context.Context, other *adminapi.Config) (*adminapi.Client, error) {
	fields, err := relayFields(c.d.Product.API.Fields)
	if err != nil {
		return nil, err
	}
	p := c.d.Product.API
	paths := adminapi.Paths{Ready: p.Ready, Relays: p.Relays, Dashboard: p.Dashboard}
	if other != nil {
		config := *other
		config.Paths = paths
		config.Fields, config.Paging = fields, adminapi.Paging(p.Paging)
		return adminapi.New(config)
	}
	a, w := c.d.Connect.AdminAPI, c.d.Connect.WinRM
	if a.URL == "" {
		return nil, nil
	}
	config := adminapi.Config{URL: a.URL, Paths: paths, Fields: fields, Paging: adminapi.Paging(p.Paging)}
	if a.CAFile != "" {
		if config.CAPEM, err = c.readFile(a.CAFile); err != nil {
			return nil, fmt.Errorf("connect.adminApi.caFile: %w", err)
		}
	}
	user, source := a.User, a.Password
	if user == "" {
		user = w.User
		if source == nil {
			source = w.Password
		}
	}
	switch a.Auth {
	case "bearer":
		config.Auth.Bearer, err = c.value(ctx, a.Token, "connect.adminApi.token")
	case "oauth2":
		config.Auth.OAuth2 = &adminapi.OAuth2{TokenURL: a.OAuth2.TokenURL, ClientID: a.OAuth2.ClientID, Scopes: a.OAuth2.Scopes}
		config.Auth.OAuth2.ClientSecret, err = c.value(ctx, a.OAuth2.ClientSecret, "connect.adminApi.oauth2.clientSecret")
	default:
		err = c.windowsAuth(ctx, &config.Auth, a, user, source)
	}
	if err != nil {
		return nil, err
	}
	return adminapi.New(config)
}

// windowsAuth signs in with Kerberos, NTLM or, for negotiate, whatever the document has the means for.
func (c *connector) windowsAuth(ctx context.Context, auth *adminapi.Auth, a specs.AdminAPI, user string, source *specs.Source) error {
	password, err := c.value(ctx, source, "connect.adminApi.password")
	if err != nil {
		return err
	}
	k := a.Kerberos
	if k == nil {
		k = c.d.Connect.WinRM.Kerberos
	}
	if a.Auth == "kerberos" || a.Auth == "negotiate" && k != nil {
		if auth.Kerberos, err = c.tickets(k, user, password); err != nil {
			return err
		}
		auth.SPN = a.SPN
	}
	if a.Auth != "kerberos" && !password.IsZero() {
		auth.NTLM = &negotiate.Credential{User: user, Password: password}
	}
	if auth.NTLM == nil && auth.Kerberos == nil {
		return reconciler.Hinted(fmt.Errorf("connect.adminApi: no credential for auth: %s", a.Auth),
			"declare connect.adminApi.user and password (or connect.winrm's), or kerberos")
	}
	return nil
}

// tickets is one Kerberos login, shared by everything that uses the same credential.
func (c *connector) tickets(k *specs.Kerberos, user string, password secret.Value) (*negotiate.Kerberos, error) {
	if k == nil {
		k = &specs.Kerberos{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	id := *k
	id.Config += "\x00" + user // one login for each account
	if t := c.kerberos[id]; t != nil {
		return t, nil
	}
	config := negotiate.KerberosConfig{Realm: k.Realm, User: user}
	if k.Cache == "" && k.Keytab == "" {
		config.Password = password
	}
	var all error
	for into, path := range map[*string]string{&config.File: k.Config, &config.Cache: k.Cache, &config.Keytab: k.Keytab} {
		var err error
		*into, err = beside(c.d.Origin.Dir, path)
		all = errors.Join(all, err)
	}
	if all != nil {
		return nil, fmt.Errorf("kerberos: %w", all)
	}
	t, err := negotiate.NewKerberos(config)
	if err != nil {
		return nil, fmt.Errorf("kerberos: %w", err)
	}
	c.kerberos[id] = t
	return t, nil
}

// beside is a path of this machine as a document in a folder means it, like all its others. A cache may say FILE: in front.
func beside(folder, path string) (string, error) {
	file, _ := strings.CutPrefix(path, "FILE:")
	switch kind, _, named := strings.Cut(file, ":"); {
	case file == "" || filepath.IsAbs(file) || strings.HasPrefix(file, "/") || named && len(kind) > 1:
		return path, nil
	case folder == "":
		return "", reconciler.Hinted(fmt.Errorf("%s: the document comes from a Git revision, and this is a file of the machine", path), "name it by its full path")
	}
	return filepath.Join(folder, file), nil
}

// value gets a credential from its source, once per run. No source is no value.
func (c *connector) value(ctx context.Context, s *specs.Source, what string) (secret.Value, error) {
	if s == nil {
		return secret.Value{}, nil
	}
	c.mu.Lock()
	first, ok := c.got[*s]
	c.mu.Unlock()
	if ok {
		return first, nil
	}
	source, err := values.From(*s, values.Text, c.credentials)
	if err != nil {
		return secret.Value{}, fmt.Errorf("%s: %w", what, err)
	}
	v, err := source.Get(ctx, secret.Ref{Name: what})
	if err != nil {
		return secret.Value{}, err // it names what
	}
	c.known.Add(v)
	if err := values.Credential(v); err != nil {
		return secret.Value{}, fmt.Errorf("%s: %w", what, err)
	}
	c.mu.Lock() // not while a store is asked: others are asked meanwhile
	defer c.mu.Unlock()
	if first, ok := c.got[*s]; ok {
		return first, nil // all use the same one
	}
	if c.got == nil {
		c.got = map[specs.Source]secret.Value{}
	}
	c.got[*s] = v
	return v, nil
}

func (c *connector) certificate(ctx context.Context, s *specs.Certificate) (*tls.Certificate, error) {
	key, err := c.value(ctx, s.Key, "connect.winrm.certificate.key")
	if err != nil {
		return nil, err
	}
	pem, err := c.readFile(s.File)
	if err != nil {
		return nil, fmt.Errorf("connect.winrm.certificate.file: %w", err)
	}
	cert, err := tls.X509KeyPair(pem, key.Expose())
	if err != nil {
		return nil, errors.New("connect.winrm.certificate: the certificate and the key are not a pair of PEM files")
	}
	return &cert, nil
}

func (c *connector) pool(path string) (*x509.CertPool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.pools[path]; p != nil {
		return p, nil
	}
	pem, err := c.readFile(path)
	if err != nil {
		return nil, fmt.Errorf("caFile: %w", err)
	}
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("caFile: no certificate in %s", path)
	}
	if c.pools == nil {
		c.pools = map[string]*x509.CertPool{}
	}
	c.pools[path] = p
	return p, nil
}

func (c *connector) readFile(path string) ([]byte, error) {
	return c.credentials.ReadFile(path)
}

// shell makes a WinRM session what winhost starts its script in.
type shell struct{ *winrm.Session }

func (s shell) Start(ctx context.Context, commandLine string) (winhost.Pipe, error) {
	p, err := s.Session.Start(ctx, commandLine)
	if err != nil {
		return nil, err
	}
	return pipe{p}, nil
}

type pipe struct{ *winrm.Process }

func (p pipe) Receive(ctx context.Context) (winhost.Output, error) {
	o, err := p.Process.Receive(ctx)
	return winhost.Output(o), err
}
