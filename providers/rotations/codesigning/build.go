package codesigning

import (
	"fmt"
	"slices"
	"strings"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
)

// builder is the certificate on the build host, and what is built with it.
type builder struct {
	ref, password secret.Ref
	spec          *Build
	host          string
	who           site.Who
	signing       string // the thumbprint
	relays        *Rotation

	store     site.Certificates
	pin       site.Pin
	artifacts []site.Signatures
	machine   site.Machine
	preflight site.Preflight
	writes    []site.Preflight // whether files can be made where the build makes them, as many as there are artifacts
}

func newBuilder(d *specs.Deployment, spec *Spec, relays *Rotation) *builder {
	b, host := spec.BuildHost, d.Hosts.Build
	r := &builder{spec: b, host: host, who: site.Who{Name: "the build host"}, signing: spec.signing(), relays: relays,
		ref: secret.Ref{Name: buildName, Version: spec.buildVersion()}, password: secret.Ref{Name: passwordName, Version: spec.buildVersion()},
		store: site.Certificates{Host: host, Store: b.Store}, pin: b.pinOn(host), machine: site.Machine{Host: host},
		preflight: site.Preflight{Host: host}}
	for _, a := range append([]Artifacts{b.Artifacts}, b.Further...) {
		r.artifacts = append(r.artifacts, site.Signatures{Host: host, Folder: a.Folder, Suffix: a.Suffix})
		r.writes = append(r.writes, site.Preflight{Host: host, Path: a.Folder + `\meshrotate` + a.Suffix})
	}
	if r.preflight.Machine = r.pin.Machine; !r.pin.Machine {
		r.preflight.Path = b.Script
	}
	if b.PFX != nil {
		r.preflight.Store = b.Store
	}
	return r
}

func (b *Build) pinOn(host string) site.Pin {
	return site.Pin{PinAt: site.PinAt{Host: host, Script: b.Script, Variable: b.Variable, Machine: b.Pin == inEnvironment}}
}

// Ref names the certificate on the build host; its version is made of its thumbprint.
func (r *builder) Ref() secret.Ref { return r.ref }

// Needs are the lists: nothing is built that the relays would refuse.
func (r *builder) Needs() []string { return []string{name} }

// Reads are the store, the pin and what was built, and what the relays accept: nothing is built that they would refuse.
func (r *builder) Reads() []reconciler.Read {
	all := []reconciler.Read{r.store, r.pin, r.machine, r.preflight, r.exposure()}
	for i, a := range r.artifacts {
		all = append(all, a, r.writes[i])
	}
	if r.spec.PFX != nil && r.signing != "" {
		all = append(all, site.Value{Secret: r.ref}, site.Value{Secret: r.password}, r.pfx())
	}
	return append(all, r.relays.Reads()...)
}

// exposure asks who may change what is run there, with the certificate at hand.
func (r *builder) exposure() site.Exposure {
	return site.Exposure{Host: r.host, Path: r.spec.Script, Runs: "the build"}
}

func (r *builder) pfx() site.Package { return site.Package{File: r.ref, Password: r.password} }

// sight is the build host as it was seen, and what it needs.
type sight struct {
	store     *site.CertificatesSeen
	pin       *site.PinSeen
	artifacts []*site.SignaturesSeen // as many as there are of the builder's, nil for what was not seen
	machine   *site.MachineSeen

	// pinned is the thumbprint that a build is told, "" when it is none.
	pinned string
	// load: the certificate is not in the store with its key. set: another one is pinned. run: something has to be built.
	load, set, run bool
	unfit          []string // artifacts that are not as they should be, each with why
	tidy, pending  bool
	// later: relays do not accept the certificate yet, and do after the first round of this plan.
	later bool
	// unsure are relays that were not seen now, nor ever seen to accept the certificate.
	unsure []string
}

func (s sight) whole() bool {
	return s.store != nil && s.pin != nil && !slices.Contains(s.artifacts, nil)
}
func (s sight) none() bool { return !s.load && !s.set && !s.run && !s.tidy && !s.pending }

// files are all that was built.
func (s sight) files() (all []site.SignedFile) {
	for _, a := range s.artifacts {
		all = append(all, a.Files...)
	}
	return all
}

// unbuilt names what is not there of what is built, "" when nothing is missing.
func (s sight) unbuilt(r *builder) string {
	for i, a := range s.artifacts {
		if len(a.Files) == 0 {
			return fmt.Sprintf("there is no *%s in %s", r.artifacts[i].Suffix, r.artifacts[i].Folder)
		}
	}
	return ""
}

// pinned is the thumbprint that a build is told, "" when it is none.
func pinned(p *site.PinSeen) string {
	if t := meant(p.Text); len(t) == 40 {
		return t
	}
	return ""
}

func (r *builder) look(in reconciler.Input) sight {
	s := sight{store: site.Answer[site.CertificatesSeen](in.Seen, r.store), pin: site.Answer[site.PinSeen](in.Seen, r.pin),
		machine: site.Answer[site.MachineSeen](in.Seen, r.machine)}
	for _, a := range r.artifacts {
		s.artifacts = append(s.artifacts, site.Answer[site.SignaturesSeen](in.Seen, a))
	}
	if !s.whole() {
		return s
	}
	s.pinned = pinned(s.pin)
	c := s.store.Of(r.signing)
	s.load, s.set = c == nil || !c.HasKey, s.pinned != r.signing || strings.ToUpper(s.pin.Text) != s.pinned
	for _, f := range s.files() {
		if why := f.Unfit(r.signing, short(r.signing)); why != "" {
			s.unfit = append(s.unfit, why)
		}
	}
	_, s.pending = in.History.Pending(r.ref.Name, r.ref.Version)
	s.run = s.pinned != r.signing || len(s.unfit) > 0 || s.unbuilt(r) != "" || s.pending && !r.built(in)
	s.tidy = site.Leftover(in, r.ref.Name, r.host, r.spec.Script, s.pin.Base)
	for _, m := range r.relays.look(in) {
		if !m.whole() && !r.relays.provenTo(in, m.host, r.signing) {
			s.unsure = append(s.unsure, m.host)
		}
	}
	s.later = slices.ContainsFunc(r.relays.look(in), func(m member) bool { return m.whole() && !m.loaded(r.signing) })
	return s
}

// provenTo says that the last rotation which was proven has proven that a relay accepts the certificate.
func (r *Rotation) provenTo(in reconciler.Input, host, sha1 string) bool {
	last, ok := in.History.LastProven(name)
	return ok && !slices.Contains(last.Left, host) &&
		slices.ContainsFunc(strings.Split(last.Version, "+"), func(digits string) bool { return digits != "" && strings.HasPrefix(sha1, digits) })
}

// loaded says that the relay's process has read a list with the certificate on it.
func (m member) loaded(sha1 string) bool {
	return slices.Contains(m.accepts, sha1) && !m.stale && !m.stopped
}

// built says that a run which was cut off had done its build.
func (r *builder) built(in reconciler.Input) bool {
	step := reconciler.Step{Phase: reconciler.Switch, Op: r.build()}
	_, done := in.History.StepDone(r.ref.Name, r.ref.Version, step.Name(), r.host)
	return done
}

// Plan compares what is signed with, and what was signed, with what is declared.
func (r *builder) Plan(in reconciler.Input) reconciler.Change {
	s := r.look(in)
	if r.signing == "" {
		return r.unsaid(s)
	}
	c := reconciler.Change{Secret: r.ref, Title: "build host", Findings: r.guard(in, s), Beside: site.Exposed(in.Seen, []reconciler.Read{r.exposure()})}
	if s.pinned != "" {
		c.Before = s.pinned[:len(r.ref.Version)]
	}
	if e, ok := in.History.Unfinished(r.ref.Name, r.ref.Version); ok && e.Before != "" {
		c.Before = e.Before
	}
	if s.whole() {
		if stored := s.store.Of(r.signing); stored != nil {
			c.Expires = stored.NotAfter
		}
	}
	switch blocked := reconciler.Blocked(c.Findings); {
	case !s.whole():
		c.Status, c.Reason = reconciler.Unknown, "not everything could be looked at"
		r.leaveBehind(in, &c)
	case blocked && s.none():
		c.Status, c.Reason = reconciler.Refused, r.asDeclared(s)+", and a guard objects"
	case blocked:
		c.Status, c.Reason = reconciler.Refused, r.reason(s)
	case s.none():
		c.Status, c.Before, c.Reason = reconciler.AsDeclared, r.ref.Version, r.asDeclared(s)
	default:
		c.Status, c.Reason = reconciler.Rotate, r.reason(s)
		c.Rounds = []reconciler.Round{{Steps: r.steps(s)}}
		if s.later {
			c.Rounds, c.Awaits = append([]reconciler.Round{{}}, c.Rounds...), r.awaits(in)
		}
	}
	return c
}

// awaits are the relays that are to accept the certificate in the first round, but for as many as may fall behind beside those that
// are away already.
func (r *builder) awaits(in reconciler.Input) reconciler.Tolerance {
	t := r.relays.tolerance
	t.Of = map[string]bool{}
	for _, m := range r.relays.look(in) {
		switch {
		case m.whole():
			t.Of[m.host] = !m.loaded(r.signing)
		case !t.Names[m.host]:
			t.Count = max(0, t.Count-1)
		}
	}
	return t
}

func (r *builder) asDeclared(s sight) string {
	return fmt.Sprintf("%s signed with %s and stamped", site.Count(len(s.files()), "artifact"), short(r.signing))
}

// reason says why there is something to do.
func (r *builder) reason(s sight) string {
	switch {
	case s.pinned != r.signing:
		is := "no certificate is pinned"
		if s.pinned != "" {
			is = short(s.pinned) + " is pinned"
		}
		return "the spec asks to sign with " + short(r.signing) + "; " + is
	case len(s.files()) == 0:
		return "nothing is built yet with " + short(r.signing)
	case s.unbuilt(r) != "":
		return s.unbuilt(r)
	case len(s.unfit) > 0:
		return some(s.unfit)
	case s.load:
		return short(r.signing) + " is not in " + r.spec.Store + " with its key"
	case s.set:
		return short(r.signing) + " is pinned in a form that may not be found"
	case s.pending:
		return "an earlier run did not come to its proof"
	}
	return "files of an earlier run are left beside the script"
}
