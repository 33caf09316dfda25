package codesigning

import (
	"fmt"
	"maps"
	"slices"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// returning sorts the relays that this rotation restarts, or has restarted in an earlier run, by what shows that they are connected again.
// Of one that an earlier run has restarted nobody knows whether it was connected before that: it is waited for, where the list can
// show it.
func (r *Rotation) returning(in reconciler.Input, w *work) {
	before := site.Where(w.all, func(m member) bool { return m.whole() && m.before })
	shown := w.list != nil && !reconciler.Blocked(r.listing(in).Unprovable(site.Each(before, member.listed), true))
	for _, m := range w.all {
		restarts := m.whole() && (m.edit || m.stale || m.stopped)
		switch {
		case !r.hasAPI || !restarts && !m.before:
		case m.heard && restarts && !m.stopped, m.before && shown:
			w.returns = append(w.returns, m)
		case m.before || w.list == nil:
			w.dark = append(w.dark, m)
		}
	}
}

func (r *Rotation) listing(in reconciler.Input) site.Listing {
	return site.ListingOf(in, r.admin, r.api.ConnectedTimeout.Of())
}

// unseen is what nobody will have seen of the relays at the end, "" for nothing. What an emergency takes off every list is off it all the
// same, and what others know is replaced.
func (r *Rotation) unseen(in reconciler.Input, w work) string {
	if len(w.dark) == 0 || in.Compromised(r.ref) != "" {
		return ""
	}
	return "that " + are(w.dark) + " connected again: Admin's list could not show it"
}

// guardReturn looks whether Admin's list can show that the relays which are to restart are connected again. Nothing is refused for those
// that an earlier run has restarted.
func (r *Rotation) guardReturn(in reconciler.Input, w work) (all []reconciler.Finding) {
	if last, _ := in.History.LastProven(name); r.hasAPI && !w.pending && last.Version == r.ref.Version {
		all = r.neverSeen(w, last)
	}
	if w.list == nil {
		return all
	}
	running := site.Where(w.restart, func(m member) bool { return m.service.Running() })
	before := site.Where(w.all, func(m member) bool { return m.before })
	for _, at := range []struct {
		relays []member
		used   bool
	}{{running, true}, {before, false}} {
		if len(at.relays) > 0 && (at.used || len(running) == 0) {
			all = append(all, r.listing(in).Unprovable(site.Each(at.relays, member.listed), at.used)...)
		}
	}
	off := func(among []member, text string) {
		among = site.Where(among, func(m member) bool { return !m.heard && (m.relay == nil || m.relay.Connected != nil) })
		if len(among) > 0 {
			all = append(all, site.Warning("relay-disconnected", site.Count(len(among), "relay")+" that Admin's list does not show as connected, and heard of lately, "+text,
				"look at the relay's log and at its way to Admin first", hosts(among)...))
		}
	}
	off(site.Where(w.restart, func(m member) bool { return !m.before }), "before the restart: that it connects after it is not proven")
	off(site.Where(w.returns, func(m member) bool { return m.before && m.service.Running() }), "since an earlier run restarted it: it is waited for, and left behind if it does not come")
	return all
}

// neverSeen are the relays that nobody has seen connected since a run restarted them: that run could not see any, or left them behind.
func (r *Rotation) neverSeen(w work, last state.Entry) []reconciler.Finding {
	off := site.Where(w.all, func(m member) bool {
		restarts := m.edit || m.stale || m.stopped // which says so itself
		return m.whole() && !restarts && !m.heard && (last.Unproven != "" || slices.Contains(last.Left, m.host))
	})
	if len(off) == 0 {
		return nil
	}
	return []reconciler.Finding{site.Warning("relay-disconnected", site.Count(len(off), "relay")+" that the last run restarted for the certificates, and that nobody has seen connected since",
		"look at the relay's log and at its way to Admin; where Admin's list cannot be read, at Admin", hosts(off)...)}
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
