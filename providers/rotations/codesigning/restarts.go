package codesigning

import (
	"fmt"
	"maps"
	"slices"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// guardReturn looks whether Admin's list can show that the relays which are to restart are connected again.
func (r *Rotation) guardReturn(in reconciler.Input, w work) []reconciler.Finding {
	running := site.Where(w.restart, func(m member) bool { return m.service.Running() })
	if w.list == nil || len(running) == 0 {
		return nil
	}
	all := site.ListingOf(in, r.admin, r.api.ConnectedTimeout.Of()).Unprovable(site.Each(running, member.listed), true)
	off := site.Where(running, func(m member) bool { return !m.heard && (m.relay == nil || m.relay.Connected != nil) })
	if len(off) > 0 {
		all = append(all, site.Warning("relay-disconnected", site.Count(len(off), "relay")+" that Admin's list does not show as connected, and heard of lately, before the restart: that it connects after it is not proven",
			"look at the relay's log and at its way to Admin first", hosts(off)...))
	}
	return all
}

// MindReads are what tells whether a restart of a relay takes something from it.
func (r *Rotation) MindReads() []reconciler.Read {
	var reads []reconciler.Read
	for _, n := range r.relays {
		reads = append(reads, n.list, n.signatures, n.service, n.machine)
	}
	return reads
}

// Minds are the restarts that take something from a relay, where its list stays as it is.
func (r *Rotation) Minds(in reconciler.Input) (all []reconciler.Minded) {
	for _, m := range site.Where(r.look(in), member.whole) {
		for _, f := range r.guardRestart(in, m, m.accepts) {
			all = append(all, reconciler.Minded{Service: m.component.Service, Finding: f})
		}
	}
	return all
}

// guardRestart refuses a restart that takes away what the running process may accept still, and a connector needs. No list of ours
// did that: somebody has changed the file, and nobody has started the relay since. stays is what the list has then.
func (r *Rotation) guardRestart(in reconciler.Input, m member, stays []string) []reconciler.Finding {
	var all []reconciler.Finding
	use := m.losing(stays)
	for _, t := range slices.Sorted(maps.Keys(use)) {
		text := fmt.Sprintf("%s: %s signed with %s, which the list no longer has; the relay as it runs was started before that, and refuses %s once it starts again", m.host, isSigned(use[t]), t, them(use[t]))
		if r.stolen(in, t) {
			all = append(all, site.Warning("thumbprint-in-use", text, replaceThem, m.host))
			continue
		}
		hint := "put the certificate on the list again, here and on the host, or deploy connectors that are signed with one that stays"
		if m.had == nil {
			hint += "; if the relay refuses them as it is, start it again by hand"
		}
		all = append(all, site.Problem("thumbprint-in-use", text, keeping(in, hint, t), m.host))
	}
	if gone := r.spared(in, m.gone(stays)); len(gone) > 0 {
		all = append(all, m.unknownUse(gone)...)
	}
	return all
}

const replaceThem = "deploy connectors that are signed with another accepted certificate as soon as there are any"
