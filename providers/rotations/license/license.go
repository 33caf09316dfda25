// Package license rotates IdentityMesh's license file on every host that reads it.
//
// The file is replaced in one move and Admin reads it again by its API, without a restart. The reload reaches Admin
// only, so Engine restarts: nothing else shows that it no longer runs on the old file. Without access to the Admin API
// both services restart. An expired file, another customer's, or one of a lower tier is refused before anything is
// touched. Success is the new file on every host, Admin serving its customer, tier and expiry, and every other consumer
// running in a process that started after the file was replaced.
package license

import (
	"fmt"
	"slices"
	"strings"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
)

// name is the secret's name in references and in the ledger.
const name = "license"

// Spec is `secrets.license` in the document.
type Spec struct {
	specs.Secret `json:",inline"`
	// Customer is whom the file must name. Left out: the customer of the live file.
	Customer string `json:"customer,omitempty"`
	// Tier is the least tier that the file may have. Left out: the live file's.
	Tier string `json:"tier,omitempty"`
	// Tiers are all tiers, lowest first.
	Tiers []string `json:"tiers,omitempty" jsonschema:"uniqueItems=true"`
	// PublicKey is a PEM file with the key that signs licenses. Left out: the signature is not checked.
	PublicKey string `json:"publicKey,omitempty"`
}

// Kind registers the rotation.
func Kind() reconciler.Kind {
	return reconciler.Kind{
		Name: name,
		Section: specs.Section{
			Key:   "license",
			New:   func() any { return &Spec{} },
			Check: check,
		},
		Values: func(spec any) []reconciler.Needed {
			return []reconciler.Needed{{Name: name, From: spec.(*Spec).From, Exact: true}}
		},
		New: func(d *specs.Deployment, spec any) ([]reconciler.Rotation, error) {
			return []reconciler.Rotation{New(d, spec.(*Spec))}, nil
		},
	}
}

func check(_ *specs.Deployment, spec any, report specs.Report) {
	s := spec.(*Spec)
	if s.From.Generated {
		report("from", "a license cannot be generated: it is issued and signed by the vendor", "name the file: `from: {file: licenses/2026-11.key.age}`")
	}
	if len(s.Tiers) == 0 {
		s.Tiers = []string{"Community", "Standard", "Professional", "Enterprise"}
	}
	if s.Tier != "" && s.rank(s.Tier) < 0 {
		report("tier", fmt.Sprintf("there is no tier %q", s.Tier), "the tiers are "+strings.Join(s.Tiers, ", ")+"; secrets.license.tiers names others")
	}
}

// rank is a tier's place, -1 when it is not known.
func (s *Spec) rank(tier string) int {
	return slices.IndexFunc(s.Tiers, func(t string) bool { return strings.EqualFold(t, tier) })
}

// Rotation is the license of one deployment.
type Rotation struct {
	ref       secret.Ref
	spec      *Spec
	consumers []consumer
	api       specs.API
	hasAPI    bool
	path      string
}

// consumer is a service that reads the license file of its host.
type consumer struct {
	label, host string
	component   specs.Component
	file        site.File
	service     site.Service
	machine     site.Machine
}

// New makes the rotation that the document asks for.
func New(d *specs.Deployment, spec *Spec) *Rotation {
	r := &Rotation{
		ref:    secret.Ref{Name: name, Version: string(spec.Version)},
		spec:   spec,
		api:    d.Product.API,
		hasAPI: d.Connect.AdminAPI.URL != "",
		path:   d.Product.License,
	}
	add := func(label, host string, c specs.Component) {
		r.consumers = append(r.consumers, consumer{label, host, c,
			site.File{Host: host, Path: r.path, Secret: r.ref, License: true}, site.Service{Host: host, Name: c.Service},
			site.Machine{Host: host}})
	}
	add("Admin", d.Hosts.Admin, d.Product.Admin)
	add("Engine", d.EngineHost(), d.Product.Engine)
	return r
}

// Ref names the secret and the declared version.
func (r *Rotation) Ref() secret.Ref { return r.ref }

// Reads are the file and the service on every consumer's host, the license that Admin serves, and the declared file.
func (r *Rotation) Reads() []reconciler.Read {
	reads := []reconciler.Read{r.value()}
	if r.hasAPI {
		reads = append(reads, site.License{})
	}
	for _, c := range r.consumers {
		reads = append(reads, c.file, c.service, c.machine)
	}
	return reads
}

func (r *Rotation) value() site.Value {
	return site.Value{Secret: r.ref, License: true, PublicKey: r.spec.PublicKey}
}
