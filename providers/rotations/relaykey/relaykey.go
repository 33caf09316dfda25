// Package relaykey rotates the relay agents' API key: one value shared by Admin and every relay.
//
// The runbook rolls the relays one by one and Admin last, so the relays are down for the whole roll. Here the new key
// is durable and staged everywhere first. Then Admin switches: it is the canary, for if it refuses the key no relay was
// touched. When it is ready with the new key, every relay stops, takes its file and starts, each for itself. A relay that
// still has the old key is refused meanwhile: that is the product's own procedure, for seconds. Success is every relay
// connected with a heartbeat that is later than its restart: "connected" alone may be about the time before.
//
// Until that proof every step can be taken back, Admin first again. A relay that fails in the switch does not take the
// others down: it is left behind, never half-rotated, and the next run finishes it.
package relaykey

import (
	"cmp"
	"slices"
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
	// Setting is the configuration key that holds it on Admin and on every relay, as .NET names it.
	Setting string `json:"setting,omitempty" jsonschema:"minLength=1,default=Relay:ApiKey" trust:"target"`
	// Encoding is how the key is written, where the product wants it so: a key that is not is refused. Left out: any text.
	Encoding string `json:"encoding,omitempty" jsonschema:"enum=base64,enum=base64url,enum=hex" trust:"guard"`
}

func (s *Spec) ref() secret.Ref { return secret.Ref{Name: name, Version: string(s.Version)} }

// Key is what may be known of a key.
type Key struct {
	// Bytes is the length of what it stands for: of the bytes behind its encoding, else of the text.
	Bytes int
}

// Kind registers the rotation.
func Kind() reconciler.Kind {
	return reconciler.Kind{
		Lessons: lessons,
		Name:    name,
		Section: specs.Section{
			Key:   "relayKey",
			New:   func() any { return &Spec{} },
			Check: check,
		},
		Values: func(spec any) []reconciler.Needed {
			s := spec.(*Spec)
			return []reconciler.Needed{{Ref: s.ref(), From: s.From, Keep: s.Keep, Read: s.read, Check: s.written, Odd: s.odd}}
		},
		New: func(d *specs.Deployment, spec any) ([]reconciler.Rotation, error) {
			return []reconciler.Rotation{New(d, spec.(*Spec))}, nil
		},
	}
}

func check(d *specs.Deployment, spec any, report specs.Report) {
	s := spec.(*Spec)
	s.Setting = cmp.Or(s.Setting, "Relay:ApiKey")
	if slices.Contains(strings.Split(s.Setting, ":"), "") {
		report("setting", "every part between colons needs a name", "Relay:ApiKey")
	}
	if s.From.Generated && s.Encoding != "" && s.Encoding != "base64" {
		report("encoding", "a generated key is written in base64", "leave encoding out, or name where a key in "+s.Encoding+" comes from")
	}
	if d.Connect.AdminAPI.URL == "" {
		report("", "the relay key cannot be rotated without the Admin API: nothing else proves that the relays are connected",
			"declare connect.adminApi.url")
	}
	if f := s.From.File; f != "" && !strings.HasSuffix(f, ".age") {
		report("from", "a relay key in a plain file beside the document would be committed with it",
			"write `from: generated`, or seal the file with age and name it *.age")
	}
}

// Rotation is the relay key of one deployment.
type Rotation struct {
	ref    secret.Ref
	spec   *Spec
	nodes  []node // Admin, and the relays
	admin  node
	relays []node
	reads  []reconciler.Read
	// tolerance is which relays the policy lets fall behind.
	tolerance reconciler.Tolerance
	api       specs.API
}

// node is a host with a service that reads the key from a settings file.
type node struct {
	host      string
	who       site.Who
	component specs.Component
	setting   site.Setting
	service   site.Service
	machine   site.Machine
	preflight site.Preflight
}

// New makes the rotation that the document asks for.
func New(d *specs.Deployment, spec *Spec) *Rotation {
	r := &Rotation{
		ref:       spec.ref(),
		spec:      spec,
		tolerance: site.Tolerate(d.MayFallBehind()),
		api:       d.Product.API,
	}
	make := func(host string, who site.Who, c specs.Component) node {
		c = c.Holding(spec.Setting)
		return node{
			host: host, who: who, component: c,
			setting: site.Setting{Host: host, Path: c.Settings, Setting: spec.Setting, Secret: r.ref, Service: c.Service},
			service: site.Service{Host: host, Name: c.Service},
			machine: site.Machine{Host: host}, preflight: site.Preflight{Host: host, Service: c.Service, Path: c.Settings, Settings: c.Settings},
		}
	}
	relays := d.Relays()
	r.nodes = append(slices.Grow(r.nodes, 1+len(relays)), make(d.Hosts.Admin, site.Who{Name: site.AdminLabel}, d.Product.Admin.On(d.Hosts.Admin)))
	for _, h := range relays {
		r.nodes = append(r.nodes, make(h, site.Who{Name: h, Noun: "relay"}, d.Product.Relay.On(h)))
	}
	r.admin, r.relays = r.nodes[0], r.nodes[1:]
	r.reads = append(slices.Grow(r.reads, 3+5*len(r.nodes)), site.Value{Secret: r.ref}, site.Relays{}, r.ready())
	for _, n := range r.nodes {
		r.reads = append(r.reads, n.setting, n.service, n.machine, n.preflight, n.preflight.Exposure("the key"))
	}
	return r
}

// Ref names the secret and the declared version.
func (r *Rotation) Ref() secret.Ref { return r.ref }

// Reads are the key and the service on Admin and on every relay, the relays as Admin lists them, and the declared value.
func (r *Rotation) Reads() []reconciler.Read { return slices.Clip(r.reads) }

// hosts are those of all relays.
func (r *Rotation) hosts() []string {
	return site.Each(r.relays, func(n node) string { return n.host })
}

// ready asks whether Admin is, as is waited for after its start.
func (r *Rotation) ready() site.Trial { return site.Trial{Path: r.api.Ready, Asks: site.AsksReady} }
