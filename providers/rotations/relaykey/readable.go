package relaykey

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// readable says why a proof by Admin's list would fail whatever the relays do: it would be waited for in vain, with all of them
// down before it. It is judged by relays that must be connected now: they run, with the key that Admin has.
func (r *Rotation) readable(in reconciler.Input, w work, admin member, relays []member) []reconciler.Finding {
	list := w.list
	if list == nil {
		return nil
	}
	var findings []reconciler.Finding
	object := func(code reconciler.FindingID, hint string, at []member, format string, args ...any) {
		f := reconciler.Finding{Severity: reconciler.Warning, Code: code, Text: fmt.Sprintf(format, args...), Hint: hint, Hosts: hosts(at)}
		if !w.none() {
			f.Severity = reconciler.Error
		}
		findings = append(findings, f)
	}
	up := site.Where(relays, func(l member) bool {
		return l.whole() && admin.whole() && l.service.Running() && admin.service.Running() &&
			!slices.Contains(w.directory.Ambiguous, l.host) // which is said elsewhere
	})
	settled := site.Where(up, func(l member) bool {
		return r.upFor(in, admin, l) > r.api.ConnectedTimeout.Of()
	})
	healthy := site.Where(settled, func(l member) bool { return !l.stale && !admin.stale && l.setting.Alike(admin.setting) })
	absent := func(all []member) bool {
		return len(all) > 0 && !slices.ContainsFunc(all, func(l member) bool { return l.relay != nil })
	}
	missing := healthy
	if (len(strangers(w.directory)) > 0 || list.Unnamed > 0) && !absent(missing) {
		missing = up // Admin has others, and none that anybody knows
	}
	if absent(missing) {
		object("relay-list-names", "see what Admin calls them, and name the field that holds the computer's name: product.api.fields.name", missing,
			"%s in Admin's list, which has %s", none(missing), namesIn(list))
	} else if lost := r.unlisted(in, w, relays, healthy); len(lost) > 0 && !list.More { // else it may be on another page
		object("relay-unlisted", "declare its host by the name that Admin has for it, or have Admin list it; policy.unreachable.tolerate lets it be left behind", lost,
			"%s in Admin's list, which has others, though running with Admin's key: nothing would prove the new one there", whoIsNot(lost))
	}
	if absent(settled) && !absent(missing) && !w.none() {
		findings = append(findings, site.Warning("relay-list-names", fmt.Sprintf("no relay is in Admin's list, which has %s: either none is connected, which the new key may cure, or the list would not prove it", namesIn(list)),
			"see in Admin's dashboard whether relays are connected; if they are, see what Admin calls them: product.api.fields.name", hosts(settled)...))
	}
	listing := r.listing(in)
	findings = append(findings, listing.Unprovable(site.Each(up, func(l member) site.Listed {
		listed := l.listed()
		listed.Apart = !l.setting.Alike(admin.setting)
		return listed
	}), !w.none())...)
	if apart := site.Where(settled, func(l member) bool {
		return l.sure() && admin.sure() && l.after() && admin.after() && l.setting.Differs(admin.setting) && r.upFor(in, admin, l) > longKnown && l.relay.IsConnected() && !l.relay.Heartbeat.IsZero() && listing.Heard(l.listed())
	}); len(apart) > 0 && !w.pending {
		object("key-elsewhere", "find where the key in force comes from (another file, a variable, a vault, a second key that Admin accepts), and name that under product; until then nothing here would prove a new key", apart,
			"Admin lists %s as connected, though the file there holds another key than Admin's, and both processes have started since these files were written: one of them does not take its key from its file", whom(apart))
	}
	unheard := func(l member) bool { return l.relay.IsConnected() && !listing.Heard(l.listed()) && w.restarts(l.host) }
	if quiet := r.unspared(relays, site.Where(healthy, unheard)); len(quiet) > 0 && len(quiet) < len(healthy) && !w.pending {
		object("relay-list-time", "look at the relay's log; a restart by hand shows whether it is heard again; policy.unreachable.tolerate lets it be left behind", quiet,
			"Admin lists %s as connected and has not heard of %s since %s, while it has of others: a new key would not be proven there", whom(quiet), itOrThem(quiet), quiet[0].relay.Beat())
	}
	alike := site.Where(up, func(l member) bool { return !l.stale && !admin.stale && l.setting.Alike(admin.setting) })
	if f, is := r.early(in, w, admin, relays, alike); is && len(healthy) == 0 && !absent(missing) { // else that is not known
		findings = append(findings, f)
	} else if f, is := r.newcomers(in, w, admin, r.unlisted(in, w, relays, r.young(in, admin, alike))); is && !absent(missing) && !list.More {
		findings = append(findings, f)
	}
	if quiet := r.unspared(relays, site.Where(r.young(in, admin, alike), unheard)); len(quiet) > 0 && len(quiet) < len(alike) && !w.pending {
		ago, after := r.latest(in, admin, quiet)
		findings = append(findings, site.Problem("relay-list-early", fmt.Sprintf("Admin lists %s as connected and has not heard of %s since %s, %s after Admin or %s started, while it has of others: nobody can know yet whether the new key could be proven there",
			whom(quiet), itOrThem(quiet), quiet[0].relay.Beat(), ago.Round(time.Second), itOrThey(quiet)), "plan again after "+after+"; meanwhile look at the relay's log", hosts(quiet)...))
	}
	return findings
}

// longKnown is how long a relay and Admin have worked when what Admin lists of it can be of no process before: no list is as old.
const longKnown = 10 * time.Minute

// newcomers says that Admin lists others and not these relays, which started a while ago, or Admin did: they may come yet, and if they do
// not, nothing would prove the new key there. It is for relays that have Admin's key, of which another key is no cure.
func (r *Rotation) newcomers(in reconciler.Input, w work, admin member, late []member) (f reconciler.Finding, is bool) {
	if len(late) == 0 {
		return f, false
	}
	ago, after := r.latest(in, admin, late)
	return site.Problem("relay-list-early", fmt.Sprintf("%s in Admin's list, which has others, %s after Admin or %s started: nobody can know yet whether the new key could be proven there", whoIsNot(late), ago.Round(time.Second), itOrThey(late)),
		"plan again after "+after+"; meanwhile see in Admin's dashboard whether relays are missing", hosts(late)...), true
}

// young are relays that started a while ago, or Admin did: what Admin does not say of them it may say yet.
func (r *Rotation) young(in reconciler.Input, admin member, all []member) []member {
	return site.Where(all, func(l member) bool {
		return admin.sure() && l.sure() && r.upFor(in, admin, l) <= r.api.ConnectedTimeout.Of()
	})
}

// latest is how long the youngest of some relays works, and when it will have had all the time that a relay is given.
func (r *Rotation) latest(in reconciler.Input, admin member, all []member) (ago time.Duration, after string) {
	last := slices.MinFunc(all, func(a, b member) int { return cmp.Compare(r.upFor(in, admin, a), r.upFor(in, admin, b)) })
	ago = r.upFor(in, admin, last)
	return ago, in.Now.Add(r.api.ConnectedTimeout.Of() - ago + time.Second).UTC().Format("15:04:05 UTC")
}

func itOrThem(all []member) string { return map[bool]string{true: "it", false: "them"}[len(all) == 1] }
func itOrThey(all []member) string { return map[bool]string{true: "it", false: "they"}[len(all) == 1] }

// early says that no relay has connected since Admin or they started, a while ago: they may yet, and what Admin's list says of one
// that is connected is not known before. It is for relays that have Admin's key, of which another key is no cure.
func (r *Rotation) early(in reconciler.Input, w work, admin member, relays, alike []member) (f reconciler.Finding, is bool) {
	if len(alike) == 0 || w.pending || len(w.directory.Ambiguous) > 0 || slices.ContainsFunc(relays, func(l member) bool { return l.relay != nil && (l.connected() || l.relay.Connected == nil) }) {
		return f, false
	}
	first := slices.MaxFunc(alike, func(a, b member) int { return cmp.Compare(r.upFor(in, admin, a), r.upFor(in, admin, b)) })
	ago := r.upFor(in, admin, first)
	f = site.Warning("relay-list-early", fmt.Sprintf("no relay has connected yet, %s after Admin or they started: what Admin's list says of one that is connected is not known", ago.Round(time.Second)),
		fmt.Sprintf("plan again when one has, or after %s; meanwhile look at a relay's log", in.Now.Add(r.api.ConnectedTimeout.Of()-ago).UTC().Format("15:04:05 UTC")), hosts(alike)...)
	if !w.none() && admin.sure() && !slices.ContainsFunc(alike, func(l member) bool { return !l.sure() }) {
		f.Severity = reconciler.Error
	}
	return f, true
}

// unseenList says that Admin was down, so that nobody could look at its list: once it is up, and before a relay is stopped, that can be
// done. Whoever is down already, or half rotated, comes first.
func (w work) unseenList() bool {
	return w.list == nil && w.admin.stopped && w.editAdmin && !w.half && !w.pending && !slices.ContainsFunc(w.restart, func(l member) bool { return l.stopped })
}

// unlisted are relays that work as far as their hosts know, would be stopped, and could never be proven, as Admin lists others
// and not them; without those that the policy leaves behind. A run that was cut off is finished all the same.
func (r *Rotation) unlisted(in reconciler.Input, w work, relays, healthy []member) (lost []member) {
	if w.pending {
		return nil
	}
	return r.unspared(relays, site.Where(healthy, func(l member) bool { return l.relay == nil && w.restarts(l.host) }))
}

// unspared are those that the policy does not let fall behind beside the ones that are away.
func (r *Rotation) unspared(relays, off []member) []member {
	away := site.Where(relays, func(l member) bool { return l.reach == reconciler.Unreachable })
	_, lost := site.Away(append(away, off...), func(l member) string { return l.host }, r.tolerance)
	return site.Where(lost, member.whole)
}

func (w work) restarts(host string) bool {
	return slices.ContainsFunc(w.restart, func(l member) bool { return l.host == host })
}

func (r *Rotation) listing(in reconciler.Input) site.Listing {
	return site.ListingOf(in, r.admin.host, r.api.ConnectedTimeout.Of())
}

func (l member) listed() site.Listed {
	return site.Listed{Host: l.host, Relay: l.relay, Skew: site.SkewOf(l.machine)}
}

// namesIn are some of the names that a list has.
func namesIn(list *site.RelaysSeen) string {
	var names []string
	for _, r := range list.Relays {
		if len(names) == 3 {
			names = append(names, "…")
			break
		}
		names = append(names, r.Name)
	}
	if len(names) == 0 && list.Unnamed == 0 {
		return "no relay at all"
	}
	if len(names) == 0 {
		return "no entry with a name"
	}
	return strings.Join(names, ", ")
}

func none(all []member) string {
	if len(all) == 1 {
		return all[0].host + " is not"
	}
	return fmt.Sprintf("none of %d relays that run with Admin's key is", len(all))
}

// whom is relays as the object of a sentence.
func whom(all []member) string {
	if len(all) == 1 {
		return all[0].host
	}
	return site.Count(len(all), "relay")
}

func whoIsNot(all []member) string {
	if len(all) == 1 {
		return all[0].host + " is not"
	}
	return site.Count(len(all), "relay") + " are not"
}
