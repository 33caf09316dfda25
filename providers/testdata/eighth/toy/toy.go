// Package toy rotates a token that Engine reads from its settings file when it starts. It is not a secret of the product:
// a test builds the program with it, to show what a further kind of secret needs.
package toy

import (
	"cmp"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
)

// name is the secret's name in references and in the ledger.
const name = "toy"

// Spec is `secrets.toy` in the document.
type Spec struct {
	specs.Secret `json:",inline"`
	// Setting is the configuration key that holds the token, as .NET names it.
	Setting string `json:"setting,omitempty" jsonschema:"minLength=1,default=Toy:Token"`
}

// Kind registers the rotation.
func Kind() reconciler.Kind {
	return reconciler.Kind{
		Name: name,
		Section: specs.Section{
			Key: "toy",
			New: func() any { return &Spec{} },
			Check: func(_ *specs.Deployment, spec any, _ specs.Report) {
				s := spec.(*Spec)
				s.Setting = cmp.Or(s.Setting, "Toy:Token")
			},
		},
		Values: func(spec any) []reconciler.Needed {
			s := spec.(*Spec)
			return []reconciler.Needed{{Ref: s.ref(), From: s.From}}
		},
		New: func(d *specs.Deployment, spec any) ([]reconciler.Rotation, error) {
			return []reconciler.Rotation{New(d, spec.(*Spec))}, nil
		},
	}
}

func (s *Spec) ref() secret.Ref { return secret.Ref{Name: name, Version: string(s.Version)} }

// Rotation is the token of one deployment.
type Rotation struct {
	ref       secret.Ref
	spec      *Spec
	host      string
	component specs.Component
	who       site.Who
	setting   site.Setting
	service   site.Service
}

// New makes the rotation that the document asks for.
func New(d *specs.Deployment, spec *Spec) *Rotation {
	host, c := d.EngineHost(), d.Product.Engine.On(d.EngineHost()).Holding(spec.Setting)
	return &Rotation{
		ref: spec.ref(), spec: spec, host: host, component: c, who: site.Who{Name: "Engine"},
		setting: site.Setting{Host: host, Path: c.Settings, Setting: spec.Setting, Secret: spec.ref(), Service: c.Service},
		service: site.Service{Host: host, Name: c.Service},
	}
}

// Ref names the secret and the declared version.
func (r *Rotation) Ref() secret.Ref { return r.ref }

// Reads are the token and the service on Engine's host, and the declared value.
func (r *Rotation) Reads() []reconciler.Read {
	return []reconciler.Read{r.value(), r.setting, r.service}
}

func (r *Rotation) value() site.Value { return site.Value{Secret: r.ref} }
