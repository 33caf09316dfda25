package specs

import "cmp"

// SealVariable is the environment variable that holds the age identity when the document names no other source.
const SealVariable = "MESHROTATE_AGE_IDENTITY"

// fillDefaults gives every field that was left out the value its documentation promises. A test compares the values
// here with the `default` of each field's tag, which editors show.
func (d *Deployment) fillDefaults() {
	d.Hosts.Engine = cmp.Or(d.Hosts.Engine, d.Hosts.Admin)
	d.Connect.fillDefaults()
	d.Policy.fillDefaults()
	d.Product.fillDefaults()
	orText(&d.State.Dir, ".meshrotate")
	orText(&d.State.Marker, `%ProgramData%\IdentityMesh\meshrotate.run.json`)
	if q := d.State.SQL; q != nil {
		orText(&q.Database, "meshrotate")
		orText(&q.Schema, "meshrotate")
		q.Entra.fillDefaults()
	}
	if g := d.State.Git; g != nil {
		orText(&g.Branch, "meshrotate/"+d.Name)
	}
	if d.State.Seal == nil {
		d.State.Seal = &Seal{}
	}
	if d.State.Seal.Identity == nil {
		d.State.Seal.Identity = &Source{Env: SealVariable}
	}
	if d.Secrets == nil {
		d.Secrets = map[string]any{}
	}
}

// Defaults is a document that says nothing of itself about the secrets that d declares: everything in it is the product's own.
func (l Loader) Defaults(d *Deployment) *Deployment {
	empty := &Deployment{Secrets: map[string]any{}, Connect: Connect{Stores: emptyStores(d.Connect.Stores)}}
	empty.fillDefaults()
	for _, s := range l.Sections {
		if d.Secrets[s.Key] == nil {
			continue
		}
		spec := s.New()
		if s.Check != nil {
			s.Check(d, spec, func(_, _, _ string) {})
		}
		empty.Secrets[s.Key] = spec
	}
	return empty
}

// Filled is the policy with its defaults.
func (p Policy) Filled() Policy {
	p.fillDefaults()
	return p
}

func (c *Connect) fillDefaults() {
	w, a := &c.WinRM, &c.AdminAPI
	orText(&w.Auth, "kerberos")
	orText(&w.Transport, "https")
	w.Port = cmp.Or(w.Port, defaultPort(w.Transport))
	orText(&w.PowerShell, "powershell.exe")
	orText(&a.Auth, "negotiate")
	if a.Auth != "bearer" && a.Auth != "oauth2" {
		if a.User == "" && a.Password == nil {
			a.User, a.Password = w.User, w.Password
		}
		a.Kerberos = cmp.Or(a.Kerberos, w.Kerberos)
	}
	orText(&c.SQL.Database, "IdentityMesh")
	orText(&c.SQL.Auth, "sql")
	c.SQL.Entra.fillDefaults()
	c.fillStores()
	for _, k := range c.kerberos() {
		orText(&k.Config, "/etc/krb5.conf")
	}
}

// kerberos lists every Kerberos block of the document.
func (c *Connect) kerberos() []*Kerberos {
	all := []*Kerberos{c.WinRM.Kerberos, c.AdminAPI.Kerberos}
	for _, h := range c.Hosts {
		all = append(all, h.Kerberos)
	}
	found := all[:0]
	for _, k := range all {
		if k != nil {
			found = append(found, k)
		}
	}
	return found
}

func (p *Policy) fillDefaults() {
	p.Parallel = cmp.Or(p.Parallel, 500)
	orDuration(&p.PlanTTL, "24h")
	orDuration(&p.HostTimeout, "5m")
	orDuration(&p.Patience, "1m")
}

func (p *Product) fillDefaults() {
	p.Admin.fillDefaults("IdentityMeshAdmin", `%ProgramFiles%\IdentityMesh\appsettings.json`)
	p.Engine.fillDefaults("IdentityMeshEngine", `%ProgramFiles%\IdentityMesh.Service\appsettings.json`)
	p.Relay.fillDefaults("IdentityMeshRelayAgent", `%ProgramFiles%\IdentityMeshRelayAgent\appsettings.json`)
	orText(&p.API.Ready, "/health/ready")
	orText(&p.API.Relays, "/api/relays")
	orText(&p.API.Dashboard, "/api/dashboard")
	orDuration(&p.API.ReadyTimeout, "2m")
	orDuration(&p.API.ConnectedTimeout, "3m")
}

func (c *Component) fillDefaults(service, settings string) {
	orText(&c.Service, service)
	orText(&c.Settings, settings)
	orDuration(&c.StopTimeout, "60s")
	orDuration(&c.StartTimeout, "60s")
	orDuration(&c.Stable, "3s")
}

func orText(field *string, fallback string) { *field = cmp.Or(*field, fallback) }

func orDuration(field *Duration, fallback string) {
	if field.IsZero() {
		*field = MustDuration(fallback)
	}
}
