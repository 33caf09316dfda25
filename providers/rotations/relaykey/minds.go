package relaykey

import (
	"fmt"
	"slices"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// MindReads are what tells whether a restart of a node brings another key into force.
func (r *Rotation) MindReads() []reconciler.Read {
	var reads []reconciler.Read
	for _, n := range r.nodes {
		reads = append(reads, n.setting, n.service, n.machine)
	}
	return reads
}

// Minds are the restarts that bring into force what is not known to be the key that the others have: somebody has changed the file, or
// a rotation has, on Admin alone.
func (r *Rotation) Minds(in reconciler.Input) (all []reconciler.Minded) {
	admin, relays, _ := r.look(in)
	for _, l := range append([]member{admin}, relays...) {
		if !l.whole() {
			continue
		}
		mind := func(f reconciler.Finding) {
			all = append(all, reconciler.Minded{Service: l.component.Service, Finding: f})
		}
		for _, f := range l.setting.InForce(l.host) {
			mind(f)
		}
		if l.stale && !r.shared(in, l, admin, relays) {
			text := fmt.Sprintf("%s: %s was changed since the service started, and holds %s: a restart brings that into force", l.host, l.component.Settings, named(l.setting.Version))
			if !admin.whole() {
				text += ", and whether Admin has it was not looked at"
			}
			mind(site.Problem("restart-other-key", text, "rotate the relay key first: `meshrotate apply` without --only, or with it for the relay key as well", l.host))
		}
	}
	return all
}

// shared says that the key in a node's file is known to be the one that the others work with: by Admin's host or, where a run does not
// look at it, or its process may have another key than its file, by the ledger, or by a relay that works with it.
func (r *Rotation) shared(in reconciler.Input, l, admin member, relays []member) bool {
	isAdmin := l.host == admin.host
	alike := func(o member) bool { return l.setting.Alike(o.setting) }
	switch {
	case !isAdmin && admin.whole() && !admin.stale:
		return alike(admin)
	case isAdmin && slices.ContainsFunc(relays, func(o member) bool { return o.whole() && !alike(o) }):
		return false
	}
	if proven, ok := in.History.Vouched(name); ok && l.setting.Version == proven {
		return true
	}
	listing := r.listing(in)
	return slices.ContainsFunc(relays, func(o member) bool {
		return o.host != l.host && o.whole() && !o.stale && o.sure() && listing.Heard(o.listed()) && alike(o)
	})
}
