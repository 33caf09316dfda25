// Package codesigning changes which code-signing certificates the relays accept: the list of thumbprints in each relay's settings.
//
// A relay refuses a connector that was signed with a certificate that is not on its list, and it reads the list when it starts.
// So a new certificate is accepted, and loaded, on every relay before the first connector is shipped that was signed with it; and
// an old one is taken off in a later commit, when no connector on any relay was signed with it. Between the two both are on the
// list, and whoever rolls out the connectors has all the time that it takes.
//
// What a relay accepts is what its process has read: a relay that has not restarted since its file was changed does not count, and
// is restarted. Its file is edited and its service stopped in the switch, so that both merge with what a relay's other settings
// need: no relay stops twice.
//
//	Prepare  stage the settings
//	Accept   of a certificate that is retired: once more, that nothing is signed with it
//	Switch   stop, replace the file, start
//	Verify   the list in force, in a process younger than its file; the relay connected as it was
//
// There is no value to keep: a thumbprint is no secret, and the version is made of the declared ones.
//
// Where the document says how connectors are built, that is a second rotation, on a host of its own: the certificate comes into its
// store, the build is told to sign with it, and is run. It goes first where every relay accepts the certificate already, and else in
// a round after theirs. What a build is told to sign with is not taken off the relays' lists.
//
//	Prepare  keep the PFX and its password; stage the script
//	Accept   import the certificate
//	Switch   replace the script, or set the variable; run the build
//	Verify   what the build is told; each artifact signed with the certificate, and stamped
package codesigning

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
)

const name = "codesigning"

// Spec is `secrets.codeSigning` in the document.
type Spec struct {
	// Thumbprints are the certificates that every relay accepts, and no others.
	Thumbprints []Certificate `json:"thumbprints" jsonschema:"required,minItems=1" trust:"wanted"`
	// Setting is the configuration key that holds them on every relay, as .NET names it: an array, an object with number keys, or
	// one text with commas.
	Setting string `json:"setting,omitempty" jsonschema:"minLength=1,default=Relay:AcceptedThumbprints" trust:"target"`
	// Connectors are the files on every relay whose signatures the relay checks.
	Connectors Connectors `json:"connectors,omitzero" trust:"target"`
	// BuildHost is how connectors are built and signed, on hosts.build. Left out: that is done by other means.
	BuildHost *Build `json:"buildHost,omitempty"`
}

// Certificate is one that connectors may be signed with.
type Certificate struct {
	// SHA1 is its thumbprint, as people paste it.
	SHA1 specs.Thumbprint `json:"sha1" jsonschema:"required" trust:"wanted,key"`
	// Use says what else it is for: `signing` marks the one with which connectors are signed from now on.
	Use string `json:"use,omitempty" jsonschema:"enum=signing" trust:"wanted"`
	// RetireAfter is the day, such as 2027-01-15, after which it should be taken off: drift and status say so from then on.
	RetireAfter string `json:"retireAfter,omitempty" jsonschema:"minLength=10,maxLength=10" trust:"wanted"`
}

// Connectors are where a relay has its connectors.
type Connectors struct {
	// Folder is the full path on every relay. Folders in it are not looked into: connectors that lie
	// there are told, and refuse that a certificate is retired.
	Folder string `json:"folder,omitempty" jsonschema:"minLength=1,default=%ProgramFiles%\\IdentityMeshRelayAgent\\connectors" trust:"target"`
	// Suffix is how the names of connectors end; whatever else lies there is not looked at.
	Suffix string `json:"suffix,omitempty" jsonschema:"minLength=1,default=.dll" trust:"target"`
	// None are relays that have no connectors; ranges are allowed. From any other a certificate is taken only where its connectors are
	// seen.
	None []string `json:"none,omitempty" jsonschema:"minLength=1,example=relay-[07..09].contoso.example" trust:"less"`
}

// Kind registers the rotation.
func Kind() reconciler.Kind {
	return reconciler.Kind{
		Name:    name,
		Section: specs.Section{Key: "codeSigning", New: func() any { return &Spec{} }, Check: check},
		Lessons: lessons,
		Values:  func(spec any) []reconciler.Needed { return spec.(*Spec).values() },
		New: func(d *specs.Deployment, spec any) ([]reconciler.Rotation, error) {
			return New(d, spec.(*Spec)), nil
		},
	}
}

func check(d *specs.Deployment, spec any, report specs.Report) {
	s := spec.(*Spec)
	s.Setting = cmp.Or(s.Setting, "Relay:AcceptedThumbprints")
	s.Connectors.Folder = cmp.Or(s.Connectors.Folder, `%ProgramFiles%\IdentityMeshRelayAgent\connectors`)
	s.Connectors.Suffix = cmp.Or(s.Connectors.Suffix, ".dll")
	specs.CheckHostPath(s.Connectors.Folder, "connectors/folder", report)
	if slices.Contains(strings.Split(s.Setting, ":"), "") {
		report("setting", "every part between colons needs a name", "Relay:AcceptedThumbprints")
	}
	relays := map[string]bool{}
	for _, h := range d.Relays() {
		relays[strings.ToLower(h)] = true
	}
	for _, text := range s.Connectors.None {
		hosts, err := specs.Expand(text)
		if err != nil {
			report("connectors/none", err.Error(), "")
		}
		for _, h := range hosts {
			if !relays[strings.ToLower(h)] {
				report("connectors/none", h+" is not one of the relays", "name relays as they stand under hosts.relays")
				break
			}
		}
	}
	seen := map[specs.Thumbprint]bool{}
	signing := 0
	for _, c := range s.Thumbprints {
		if seen[c.SHA1] {
			report("thumbprints", "a thumbprint is there twice", "each certificate once, however it is written")
		}
		if seen[c.SHA1] = true; c.Use != "" {
			signing++
		}
		if _, err := time.Parse(time.DateOnly, c.RetireAfter); c.RetireAfter != "" && err != nil {
			report("thumbprints", "retireAfter is no day", "write it as 2027-01-15")
		}
		if c.Use != "" && c.RetireAfter != "" {
			report("thumbprints", "the certificate that is used for signing is to be retired", "give `use: signing` to the one that takes its place")
		}
	}
	if signing > 1 {
		report("thumbprints", "two certificates are marked for signing", "connectors are signed with one: `use: signing` stands at that one")
	}
	if s.BuildHost != nil {
		s.BuildHost.check(d, signing, report)
	}
}

// Rotation is the list of one deployment.
type Rotation struct {
	ref  secret.Ref
	spec *Spec
	// tolerance is which relays the policy lets fall behind.
	tolerance reconciler.Tolerance
	api       specs.API
	hasAPI    bool
	admin     string // its host
	relays    []node
	build     *builder // what is known of the build host; nil: there is none
}

// node is a relay.
type node struct {
	host       string
	who        site.Who
	component  specs.Component
	list       site.List
	signatures site.Signatures
	bare       bool // it is declared to have no connectors
	service    site.Service
	machine    site.Machine
	preflight  site.Preflight
}

// New makes the rotations that the document asks for: of what the relays accept, and of what the build host signs with.
func New(d *specs.Deployment, spec *Spec) []reconciler.Rotation {
	r := &Rotation{ref: secret.Ref{Name: name, Version: versionOf(spec.declared())}, spec: spec, tolerance: site.Tolerate(d.MayFallBehind()), api: d.Product.API, hasAPI: d.Connect.AdminAPI.URL != "", admin: d.Hosts.Admin}
	bare := map[string]bool{}
	for _, text := range spec.Connectors.None {
		hosts, _ := specs.Expand(text) // check has refused what is none
		for _, h := range hosts {
			bare[strings.ToLower(h)] = true
		}
	}
	for _, h := range d.Relays() {
		c := d.Product.Relay.On(h).Holding(spec.Setting)
		r.relays = append(r.relays, node{host: h, who: site.Who{Name: h, Noun: "relay"}, component: c,
			list:       site.List{Host: h, Path: c.Settings, Setting: spec.Setting, Service: c.Service},
			signatures: site.Signatures{Host: h, Folder: spec.Connectors.Folder, Suffix: spec.Connectors.Suffix}, bare: bare[strings.ToLower(h)],
			service: site.Service{Host: h, Name: c.Service}, machine: site.Machine{Host: h},
			preflight: site.Preflight{Host: h, Service: c.Service, Path: c.Settings, Settings: c.Settings}})
	}
	if spec.BuildHost == nil {
		return []reconciler.Rotation{r}
	}
	r.build = newBuilder(d, spec, r)
	return []reconciler.Rotation{r, r.build}
}

// declared are the thumbprints that every relay is to accept.
func (s *Spec) declared() []string {
	all := make([]string, len(s.Thumbprints))
	for i, c := range s.Thumbprints {
		all[i] = string(c.SHA1)
	}
	return all
}

// hosts are those of all relays.
func (r *Rotation) hosts() []string {
	return site.Each(r.relays, func(n node) string { return n.host })
}

// Ref names the secret; its version is made of the declared thumbprints.
func (r *Rotation) Ref() secret.Ref { return r.ref }

// Needs is the build host: a certificate that it is told to sign with is not taken off the lists.
func (r *Rotation) Needs() []string {
	if r.build == nil {
		return nil
	}
	return []string{buildName}
}

// Reads are the list, the connectors and the service of every relay, the relays as Admin lists them, and what the
// build host has and is pinned to.
func (r *Rotation) Reads() []reconciler.Read {
	var reads []reconciler.Read
	if r.hasAPI {
		reads = append(reads, site.Relays{}, r.ready())
	}
	if r.build != nil {
		reads = append(reads, r.build.pin, r.build.store)
	}
	for _, n := range r.relays {
		reads = append(reads, n.list, n.signatures, n.service, n.machine, n.preflight, n.preflight.Exposure(""))
	}
	return reads
}

// ready asks whether Admin is, as is waited for before a relay stops.
func (r *Rotation) ready() site.Trial { return site.Trial{Path: r.api.Ready, Asks: site.AsksReady} }
