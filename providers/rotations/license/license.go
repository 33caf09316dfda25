// Package license rotates IdentityMesh's license file on every host that reads it.
//
// The file is replaced in one move and Admin reads it again by its API, without a restart. The reload reaches Admin
// only, so Engine restarts: nothing else shows that it no longer runs on the old file. Without access to the Admin API, or where its
// answer would be the same before and after, both services restart. An expired file, another customer's, or one of a lower tier is refused before anything is
// touched, as far as the file can be read here: of a layout that only the product knows, what the document declares of it
// counts. Success is the new file on every host, Admin serving its customer, tier and expiry, and every other consumer
// running in a process that started after the file was replaced.
package license

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/licensefile"
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
	Customer string `json:"customer,omitempty" trust:"guard,live"`
	// Tier is the least tier that the file may have. Left out: the live file's.
	Tier string `json:"tier,omitempty" trust:"guard,live"`
	// Tiers are all tiers, lowest first.
	Tiers []string `json:"tiers,omitempty" jsonschema:"uniqueItems=true" trust:"guard"`
	// Expires is when the file ends: a date, a moment, or `never`. Left out: what the file says.
	Expires string `json:"expires,omitempty" trust:"wanted"`
	// Layout is how the file is written, where it is another way than the live one: dotted (a payload, a dot, a signature), jwt,
	// lines, envelope (JSON with a payload and a signature), json, xml, or opaque: only the product can read it.
	Layout string `json:"layout,omitempty" jsonschema:"enum=dotted,enum=jwt,enum=lines,enum=envelope,enum=json,enum=xml,enum=opaque" trust:"guard,live"`
	// PublicKey is a PEM file with the key that signs licenses, of RSA, ECDSA or Ed25519. Left out: the signature is not checked.
	PublicKey string `json:"publicKey,omitempty" trust:"file"`
	// Signature is how licenses are signed. Left out: PKCS #1 v1.5 over the payload itself, with SHA-256. A JWT
	// or a JWS says so itself.
	Signature *Signature `json:"signature,omitempty"`
	// Path is the license file on every host that reads it.
	Path string `json:"path,omitempty" jsonschema:"minLength=1,default=%ProgramData%\\IdentityMesh\\license.key" trust:"target"`
	// Endpoint is where the Admin API shows the license in use.
	Endpoint string `json:"endpoint,omitempty" jsonschema:"minLength=1,default=/api/license" trust:"target"`
	// Fields are the names in what the endpoint answers, where they are not the usual ones.
	Fields *Fields `json:"fields,omitempty"`
	// ReloadEndpoint is where the Admin API is asked to read the file again.
	ReloadEndpoint string `json:"reloadEndpoint,omitempty" jsonschema:"minLength=1,default=/api/license/reload" trust:"target"`
}

// Fields are the names of what Admin's answer says of the license: a field of it, or of an object in it, such as `license.owner`.
// Left out: the usual names.
type Fields struct {
	// Customer names who it is for.
	Customer string `json:"customer,omitempty" jsonschema:"minLength=1,example=licensedTo" trust:"target"`
	// Tier names its tier.
	Tier string `json:"tier,omitempty" jsonschema:"minLength=1,example=edition" trust:"target"`
	// Expires is when it ends.
	Expires string `json:"expires,omitempty" jsonschema:"minLength=1,example=validUntil" trust:"target"`
	// Number is what else is another for each license, such as its serial number.
	Number string `json:"number,omitempty" jsonschema:"minLength=1,example=serialNumber" trust:"target"`
	// Status says whether Admin finds it good: true or false, or a word such as Valid or Expired.
	Status string `json:"status,omitempty" jsonschema:"minLength=1,example=license.status" trust:"target"`
	// Zone is the time zone of an end that is written without one, as IANA names it. Left out: UTC.
	Zone string `json:"zone,omitempty" jsonschema:"minLength=1,example=Europe/Berlin" trust:"target"`
}

func (s *Spec) ref() secret.Ref { return secret.Ref{Name: name, Version: string(s.Version)} }

// parse reads a file, as far as the document wants it read.
func (s *Spec) parse(value []byte) (*licensefile.License, error) {
	if s.Layout == licensefile.Unknown {
		return licensefile.ParseOpaque(value)
	}
	return licensefile.Parse(value)
}

// read makes a *licensefile.License of a license file.
func (s *Spec) read(value []byte) (any, error) {
	l, err := s.parse(value)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// verify checks the declared file's signature, where a key is declared.
func (s *Spec) verify(value []byte, open func(string) ([]byte, error)) error {
	if s.PublicKey == "" {
		return nil
	}
	l, err := s.parse(value)
	if err != nil {
		return err
	}
	pem, err := open(s.PublicKey)
	if err != nil {
		return fmt.Errorf("the public key of licenses: %w", err)
	}
	key, err := licensefile.PublicKey(pem)
	if err != nil {
		return fmt.Errorf("%s: %w", s.PublicKey, err)
	}
	err = l.Verify(key, s.signature())
	if errors.Is(err, licensefile.ErrNotCheckable) {
		return fmt.Errorf("%w; declare how it is signed, or leave secrets.license.publicKey out to have it taken unchecked, and judged by what Admin serves", err)
	}
	return err
}

// Kind registers the rotation.
func Kind() reconciler.Kind {
	return reconciler.Kind{
		Lessons: lessons,
		Name:    name,
		Section: specs.Section{
			Key:   "license",
			New:   func() any { return &Spec{} },
			Check: check,
		},
		Values: func(spec any) []reconciler.Needed {
			s := spec.(*Spec)
			return []reconciler.Needed{{Ref: s.ref(), From: s.From, Exact: true, Read: s.read, Check: s.verify}}
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
	s.Path = cmp.Or(s.Path, `%ProgramData%\IdentityMesh\license.key`)
	s.Endpoint = cmp.Or(s.Endpoint, "/api/license")
	s.ReloadEndpoint = cmp.Or(s.ReloadEndpoint, "/api/license/reload")
	specs.CheckHostPath(s.Path, "path", report)
	specs.CheckEndpoint(s.Endpoint, "endpoint", report)
	specs.CheckEndpoint(s.ReloadEndpoint, "reloadEndpoint", report)
	if len(s.Tiers) == 0 {
		s.Tiers = []string{"Community", "Standard", "Professional", "Enterprise"}
	}
	if s.Expires != "" {
		if _, _, _, err := licensefile.ParseExpiry(s.Expires); err != nil {
			report("expires", err.Error(), "write a date like 2027-11-30, a moment like 2027-11-30T00:00:00Z, or `never`")
		}
	}
	if s.Fields != nil {
		specs.CheckZone(s.Fields.Zone, "fields/zone", report)
	}
	if s.Signature != nil && s.PublicKey == "" {
		report("signature", "says how files are signed, and there is no key to check that with", "name a PEM file as publicKey, or leave signature out")
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
}

// consumer is a service that reads the license file of its host.
type consumer struct {
	label, host string
	component   specs.Component
	file        site.File
	service     site.Service
	machine     site.Machine
	preflight   site.Preflight
}

// New makes the rotation that the document asks for.
func New(d *specs.Deployment, spec *Spec) *Rotation {
	r := &Rotation{
		ref:    spec.ref(),
		spec:   spec,
		api:    d.Product.API,
		hasAPI: d.Connect.AdminAPI.URL != "",
	}
	add := func(label, host string, c specs.Component) {
		look := site.Preflight{Host: host, Service: c.Service, Path: spec.Path, Settings: c.On(host).Settings}
		if len(r.consumers) > 0 && r.consumers[0].host == host {
			look.Path = "" // it is the same file
		}
		r.consumers = append(r.consumers, consumer{label, host, c,
			site.File{Host: host, Path: spec.Path, Secret: r.ref}, site.Service{Host: host, Name: c.Service},
			site.Machine{Host: host}, look})
	}
	add(site.AdminLabel, d.Hosts.Admin, d.Product.Admin)
	add("Engine", d.EngineHost(), d.Product.Engine)
	return r
}

// Ref names the secret and the declared version.
func (r *Rotation) Ref() secret.Ref { return r.ref }

// Reads are the file and the service on every consumer's host, the license that Admin serves, and the declared file.
func (r *Rotation) Reads() []reconciler.Read {
	reads := []reconciler.Read{r.value()}
	if r.hasAPI {
		reads = append(reads, r.served(), r.ready(), r.reloads())
	}
	for _, c := range r.consumers {
		reads = append(reads, c.file, c.service, c.machine, c.preflight, c.preflight.Exposure("the license"))
	}
	return reads
}

func (r *Rotation) value() site.Value { return site.Value{Secret: r.ref} }

// served asks which license Admin has loaded.
func (r *Rotation) served() site.Get {
	fields := r.fields(licensefile.License{})
	for _, f := range r.marks() {
		f.Beside = true
		fields = append(fields, f)
	}
	return site.Get{Path: r.spec.Endpoint, What: "license served", Fields: append(fields, r.health()...)}
}

// ready asks whether Admin is, as is waited for after its start.
func (r *Rotation) ready() site.Trial { return site.Trial{Path: r.api.Ready, Asks: site.AsksReady} }

// reloads asks whether Admin could be asked to read the file again.
func (r *Rotation) reloads() site.Trial {
	return site.Trial{Path: r.spec.ReloadEndpoint, Asks: site.AsksPost, Beside: r.spec.Endpoint}
}

// fields are the three things that a license says, as the Admin API names them, with what a proof demands of them.
func fields(l licensefile.License) []site.Field {
	want := ""
	switch {
	case l.Never:
		want = site.Never
	case !l.Expires.IsZero():
		want = l.Expires.UTC().Format(time.RFC3339Nano)
	}
	return []site.Field{{Name: "customer", Of: licensefile.CustomerNames, Fold: true, Want: l.Customer},
		{Name: "tier", Of: licensefile.TierNames, Fold: true, Want: l.Tier},
		{Name: "expiry", Of: licensefile.ExpiryNames, Time: true, Own: true, Want: want, Within: reconciler.Span(l.Precision)}}
}

// fields are the same by the names that the document gives them.
func (r *Rotation) fields(l licensefile.License) []site.Field {
	all := fields(l)
	if own := r.spec.Fields; own != nil {
		for i, name := range []string{own.Customer, own.Tier, own.Expires} {
			if name != "" {
				all[i].Of = []string{name}
			}
		}
		all[2].Zone = own.Zone
	}
	return all
}

// loaded is the license in an answer, nil when it names none.
func loaded(s *site.AnswerSeen) *licensefile.License {
	if s == nil {
		return nil
	}
	l := &licensefile.License{Customer: s.Fields["customer"], Tier: s.Fields["tier"]}
	if l.Never = s.Fields["expiry"] == site.Never; !l.Never {
		var date bool
		if l.Expires, date, _ = site.TimeOf(s.Fields["expiry"]); date { // zero when it says none
			l.Expires, l.Precision, _, _ = licensefile.ParseExpiry(s.Fields["expiry"])
		}
	}
	return l
}

// in is the license in a file or a value, nil when it cannot be read.
func in(content any) *licensefile.License {
	l, _ := content.(*licensefile.License)
	return l
}
