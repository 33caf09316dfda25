// Package serviceaccount rotates the password of the account that services run as, or the account itself. Somebody changes
// the password in the domain; from then on a service that restarts with the old one is refused, on every host at once.
//
// What the service manager keeps cannot be read back: the declared version is held against the ledger, and what was started
// and not finished is done again. An account counts its wrong passwords, so the new one is tried where one attempt does no
// harm: by a logon as a service on one host, while everything runs. Only when that was accepted it is tried on the other hosts,
// for the right to log on there, and only then a service is touched.
//
//	Accept   a fresh logon on the first host, then on the others
//	Switch   set the logon, which changes nothing for a process that runs; stop; start, in the product's order
//	Verify   each service runs as the account, in a process younger than its logon, and stays
//
// From the first logon that was set there is no way back: the account has the new password, and the old one is dead.
// With `restart: later` nothing is restarted; a process that is younger than its logon shows, to whoever looks, that it has it.
//
// With `changedBy: kpasswd` the account changes its own password in the domain, with the version before, which is kept here. That
// has no way back, so it stands in the switch, and with it the logons after it: whatever stops a service comes later.
//
// A managed account (its name ends in $), a virtual one and Windows' own have no password here. They cannot be tried without
// a start, so the first service alone is proven, in a round of its own, before another one is touched.
package serviceaccount

import (
	"slices"
	"strings"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/specs"
)

const name = "serviceaccount"

// Kind registers the rotation.
func Kind() reconciler.Kind {
	return reconciler.Kind{
		Lessons: lessons,
		Name:    name,
		Section: specs.Section{Key: "serviceAccounts", New: func() any { return &Spec{} }, Check: check},
		Values: func(spec any) []reconciler.Needed {
			var all []reconciler.Needed
			for _, a := range *spec.(*Spec) {
				if !site.Passwordless(a.Account) {
					all = append(all, reconciler.Needed{Ref: a.ref(), From: a.From, Keep: a.Keep, Plain: true, Check: fits})
				}
			}
			return all
		},
		New: func(d *specs.Deployment, spec any) ([]reconciler.Rotation, error) {
			var all []reconciler.Rotation
			for _, a := range *spec.(*Spec) {
				all = append(all, New(d, a))
			}
			return all, nil
		},
	}
}

// Rotation is one account of one deployment.
type Rotation struct {
	ref  secret.Ref
	spec Account
	// tolerance is which relays the policy lets fall behind.
	tolerance reconciler.Tolerance
	api       specs.API
	hasAPI    bool
	password  bool // the account has one
	nodes     []node
}

// node is a service that runs as the account.
type node struct {
	host      string
	who       site.Who
	component specs.Component
}

func (n node) service() site.Service { return site.Service{Host: n.host, Name: n.component.Service} }
func (n node) machine() site.Machine { return site.Machine{Host: n.host} }
func (n node) preflight() site.Preflight {
	return site.Preflight{Host: n.host, Service: n.component.Service, Logon: true, Settings: n.component.On(n.host).Settings}
}

// nodesOf is where a service runs: Admin before Engine before relays.
func nodesOf(d *specs.Deployment, service string) []node {
	var all []node
	add := func(host string, who site.Who, c specs.Component) {
		known := slices.ContainsFunc(all, func(n node) bool { return n.host == host })
		if strings.EqualFold(c.Service, service) && !known {
			all = append(all, node{host: host, who: who, component: c})
		}
	}
	add(d.Hosts.Admin, site.Who{Name: site.AdminLabel}, d.Product.Admin)
	add(d.EngineHost(), site.Who{Name: "Engine"}, d.Product.Engine)
	for _, h := range d.Relays() {
		add(h, site.Who{Name: h, Noun: "relay"}, d.Product.Relay)
	}
	return all
}

// New makes the rotation that the document asks for.
func New(d *specs.Deployment, spec Account) *Rotation {
	r := &Rotation{ref: spec.ref(), spec: spec, api: d.Product.API, hasAPI: d.Connect.AdminAPI.URL != "", password: !site.Passwordless(spec.Account)}
	for _, service := range []string{d.Product.Admin.Service, d.Product.Engine.Service, d.Product.Relay.Service} {
		asked := slices.ContainsFunc(spec.Services, func(s string) bool { return strings.EqualFold(s, service) })
		for _, n := range nodesOf(d, service) {
			known := slices.ContainsFunc(r.nodes, func(m node) bool {
				return m.host == n.host && strings.EqualFold(m.component.Service, n.component.Service)
			})
			if asked && !known {
				r.nodes = append(r.nodes, n)
			}
		}
	}
	r.tolerance = site.Tolerate(d.MayFallBehind())
	return r
}

// Ref names the secret and the declared version.
func (r *Rotation) Ref() secret.Ref { return r.ref }

// withPassword goes with the ops that need the password.
func (r *Rotation) withPassword() secret.Ref {
	if !r.password {
		return secret.Ref{}
	}
	return r.ref
}

// logon asks about the account on a host.
func (r *Rotation) logon(n node) site.Logon {
	return site.Logon{Host: n.host, Service: n.component.Service, Account: r.spec.Account}
}

// Reads are the services, how they log on and whether the account may, and the declared password.
func (r *Rotation) Reads() []reconciler.Read {
	var reads []reconciler.Read
	if r.password {
		reads = append(reads, site.Value{Secret: r.ref})
	}
	if r.hasAPI && slices.ContainsFunc(r.nodes, func(n node) bool { return n.who.Name == site.AdminLabel }) {
		reads = append(reads, r.readyNow())
	}
	for _, n := range r.nodes {
		reads = append(reads, n.service(), n.machine(), n.preflight(), n.preflight().Exposure(""), r.logon(n))
	}
	return reads
}

// readyNow asks whether Admin is ready, as is waited for after its start.
func (r *Rotation) readyNow() site.Trial { return site.Trial{Path: r.api.Ready, Asks: site.AsksReady} }
