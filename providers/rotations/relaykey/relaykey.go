// Package relaykey rotates the relay agents' API key: one value shared by Admin and every relay.
//
// The runbook rolls the relays one by one and Admin last, so the relays are down for the whole roll. Here the new key
// is durable and staged everywhere first; then Admin and all relays switch together: relays and Admin stop, the files
// are replaced, Admin starts and is ready, the relays start. Success is every relay connected with a heartbeat that is
// later than its restart: "connected" alone may be about the time before.
//
// Until that proof every step can be taken back. A relay that fails in the switch does not take the others down: it is
// left stopped, never half-rotated, and the next run finishes it.
package relaykey

import (
	"strings"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
)

// name is the secret's name in references and in the ledger.
const name = "relaykey"

// MinBytes is the least length of a key, in bytes: the runbook's.
const MinBytes = 32

// Spec is `secrets.relayKey` in the document.
type Spec struct {
	specs.Secret `json:",inline"`
}

// Kind registers the rotation.
func Kind() reconciler.Kind {
	return reconciler.Kind{
		Name: name,
		Section: specs.Section{
			Key:   "relayKey",
			New:   func() any { return &Spec{} },
			Check: check,
		},
		Values: func(spec any) []reconciler.Needed {
			return []reconciler.Needed{{Name: name, From: spec.(*Spec).From}}
		},
		New: func(d *specs.Deployment, spec any) ([]reconciler.Rotation, error) {
			return []reconciler.Rotation{New(d, spec.(*Spec))}, nil
		},
	}
}

func check(d *specs.Deployment, spec any, report specs.Report) {
	if d.Connect.AdminAPI.URL == "" {
		report("", "the relay key cannot be rotated without the Admin API: nothing else proves that the relays are connected",
			"declare connect.adminApi.url")
	}
	if f := spec.(*Spec).From.File; f != "" && !strings.HasSuffix(f, ".age") {
		report("from", "a relay key in a plain file beside the document would be committed with it",
			"write `from: generated`, or seal the file with age and name it *.age")
	}
}

// Rotation is the relay key of one deployment.
type Rotation struct {
	ref    secret.Ref
	spec   *Spec
	admin  node
	relays []node
	policy specs.Policy
	api    specs.API
}

// node is a host with a service that reads the key from a settings file.
type node struct {
	host, label       string
	component         specs.Component
	setting           site.Setting
	service           site.Service
	machine           site.Machine
	toleratedByPolicy bool
}

// New makes the rotation that the document asks for.
func New(d *specs.Deployment, spec *Spec) *Rotation {
	r := &Rotation{
		ref:    secret.Ref{Name: name, Version: string(spec.Version)},
		spec:   spec,
		policy: d.Policy,
		api:    d.Product.API,
	}
	tolerated := map[string]bool{}
	for _, h := range d.Tolerated() {
		tolerated[h] = true
	}
	make := func(host, label string, c specs.Component) node {
		return node{
			host: host, label: label, component: c, toleratedByPolicy: tolerated[host],
			setting: site.Setting{Host: host, Path: c.Settings, Setting: d.Product.RelayKey, Secret: r.ref, Service: c.Service},
			service: site.Service{Host: host, Name: c.Service},
			machine: site.Machine{Host: host},
		}
	}
	r.admin = make(d.Hosts.Admin, "Admin", d.Product.Admin)
	for _, h := range d.Relays() {
		r.relays = append(r.relays, make(h, h, d.Product.Relay))
	}
	return r
}

// Ref names the secret and the declared version.
func (r *Rotation) Ref() secret.Ref { return r.ref }

// Reads are the key and the service on Admin and on every relay, the relays as Admin lists them, and the declared value.
func (r *Rotation) Reads() []reconciler.Read {
	reads := []reconciler.Read{site.Value{Secret: r.ref}, site.Relays{}}
	for _, n := range r.nodes() {
		reads = append(reads, n.setting, n.service, n.machine)
	}
	return reads
}

func (r *Rotation) nodes() []node {
	return append([]node{r.admin}, r.relays...)
}
