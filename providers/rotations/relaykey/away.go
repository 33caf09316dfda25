package relaykey

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// awayBefore are relays that do not work already: no rotation makes that better, and its proof will miss them. Where it would miss
// all of them, all are stopped, waited for and put back, unless one comes.
func (r *Rotation) awayBefore(in reconciler.Input, w work, admin member, relays []member) []reconciler.Finding {
	list := r.listing(in)
	off := site.Where(relays, func(l member) bool {
		return l.whole() && admin.whole() && l.service.Running() && admin.service.Running() && !l.stale && !admin.stale && l.setting.Alike(admin.setting) && !list.Heard(l.listed()) && !w.unknown(l)
	})
	if len(off) == 0 {
		return nil
	}
	if late := site.Where(off, func(l member) bool { return !l.connected() && r.upFor(in, admin, l) > r.api.ConnectedTimeout.Of() }); !w.pending && len(late) == len(site.Where(relays, member.whole)) {
		seen, hint := "no relay is connected", "bring one back first: look at a relay's log and at its way to Admin"
		why := ": the key is not the reason, and nothing would prove another"
		if list.Empty() { // which is not what Admin knows of them, if anything stands between
			seen, why = "Admin's list has no relay at all", ": whether one is connected is not known, and nothing would prove another key"
			hint = "see in Admin's dashboard whether relays are connected, and what GET " + r.api.Relays + " answers there; if none is, bring one back first: look at its log"
		}
		f := site.Warning("no-relay-connected", seen+", though all run with Admin's key: nothing proves the new one, and all is put back, unless one comes", hint, hosts(off)...)
		// Where a process may have another key than its file, the rotation may be the cure.
		if admin.sure() && !slices.ContainsFunc(late, func(l member) bool { return !l.sure() }) {
			f.Severity, f.Text = reconciler.Error, seen+", though all are known to run with Admin's key"+why
		}
		return []reconciler.Finding{f}
	}
	findings := w.disconnected(admin, w.silent) // nobody waits for them
	off = site.Where(w.notVain(off), func(l member) bool {
		return !slices.ContainsFunc(w.silent, func(o member) bool { return o.host == l.host })
	})
	if len(off) == 0 {
		return findings
	}
	verb := " runs with Admin's key and is not connected, or Admin has not heard of it for long, before the rotation: it is left behind if it does not come"
	if len(off) > 1 {
		verb = " run with Admin's key and are not connected, or Admin has not heard of them for long, before the rotation: those that do not come are left behind"
	}
	if admin.overridden() || slices.ContainsFunc(off, member.overridden) {
		verb = strings.Replace(strings.Replace(verb, " runs with Admin's key", " has the key of Admin's file", 1), " run with Admin's key", " have the key of Admin's file", 1)
	}
	if none := site.Where(off, func(l member) bool { return l.relay == nil }); len(none) > 0 {
		verb += "; " + whoIs(none) + " not in Admin's list at all"
	}
	hint := "look at the relay's log and at its way to Admin first"
	if slices.ContainsFunc(off, w.dark) {
		hint = site.PerhapsPage
	}
	return append(findings, site.Warning("relay-disconnected", site.Count(len(off), "relay")+verb, hint, hosts(off)...))
}

// unknown says that Admin's list does not tell whether a relay is connected: its entry has no word on that, or may be another's, or there
// are entries, or connected ones under names of their own, of which nobody knows whose they are.
func (w work) unknown(l member) bool {
	switch {
	case l.relay != nil:
		return l.relay.Connected == nil
	case slices.Contains(w.directory.Ambiguous, l.host):
		return true
	}
	return w.list != nil && (w.list.More || w.list.Unnamed > 0 || len(strangers(w.directory)) > 0)
}

// notSeen says of relays that are restarted as nobody has seen them connected since a run: that they are not, where Admin's list says so.
func (w work) notSeen(cut state.Outage) string {
	dark := site.Where(w.restart, w.dark)
	off := site.Where(w.restart, func(l member) bool { return !w.dark(l) })
	var parts []string
	if len(off) > 0 {
		parts = append(parts, fmt.Sprintf("%s not connected%s, and %s again", whoIs(off), cutSince(", cut off", cut), map[bool]string{true: "starts", false: "start"}[len(off) == 1]))
	}
	seen, they, again := " were not seen connected", "they are", "they start again"
	if len(dark) == 1 {
		seen, they, again = " was not seen connected", "it is", "it starts again"
	}
	if since := cutSince(who(false, dark)+seen, cut); len(dark) > 0 && since != "" {
		parts = append(parts, fmt.Sprintf("%s, and whether %s now is not known; %s", since, they, again))
	} else if len(dark) > 0 {
		parts = append(parts, fmt.Sprintf("whether %s connected is not known; %s", whoIs(dark), again))
	}
	return strings.Join(parts, "; ")
}

// upFor is for how long both a relay and Admin have run.
func (r *Rotation) upFor(in reconciler.Input, admin, l member) time.Duration {
	since := l.service.StartedAt
	if admin.service.StartedAt.After(since) {
		since = admin.service.StartedAt
	}
	return in.Now.Sub(since)
}

// notConnected are relays that do not work while nothing can be done about it: what stands in the way is said elsewhere.
func notConnected(in reconciler.Input, w work, relays []member) []reconciler.Finding {
	off := site.Where(w.notVain(relays), func(l member) bool { return !l.connected() && !w.unknown(l) })
	if !asked(in) || len(off) == 0 {
		return nil
	}
	verb := " is not connected to Admin now"
	if len(off) > 1 {
		verb = " are not connected to Admin now"
	}
	return []reconciler.Finding{site.Warning("relay-disconnected", site.Count(len(off), "relay")+verb, "mend what stands in the way, then apply; look at the log of one that does not come back", hosts(off)...)}
}

func (w work) disconnected(admin member, relays []member) (findings []reconciler.Finding) {
	off := site.Where(w.notVain(relays), func(l member) bool { return l.whole() && !l.connected() && !w.unknown(l) })
	if dark := site.Where(off, w.dark); len(dark) > 0 {
		text := site.Count(len(dark), "relay") + " with the right key, running, and not shown as connected by what is read of Admin's list: whether the rest of it does is not known"
		findings = append(findings, site.Warning("relay-disconnected", text, site.PerhapsPage, hosts(dark)...))
	}
	if off = site.Where(off, func(l member) bool { return !w.dark(l) }); len(off) == 0 {
		return findings
	}
	f := reconciler.Finding{Severity: reconciler.Warning, Code: "relay-disconnected", Hosts: hosts(off),
		Text: site.Count(len(off), "relay") + " with the right key, running, and not connected", Hint: "look at the relay's log and at its way to Admin: the key is not the reason"}
	if admin.overridden() || slices.ContainsFunc(off, member.overridden) {
		f.Text = site.Count(len(off), "relay") + " running, and not connected: the keys of the files are not what is read"
		f.Hint = "mend what overrides them first"
	} else if !admin.sure() || slices.ContainsFunc(off, func(l member) bool { return !l.sure() }) {
		f.Hint = "look at the relay's log; restart it if that speaks of its key: whether its process has read the file as it is now, or Admin's has, is not proven"
	}
	return append(findings, f)
}
