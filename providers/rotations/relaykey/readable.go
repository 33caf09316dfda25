package relaykey

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// fresh is how old the latest heartbeat of a fleet may be. Relays send one at least every minute or so.
const fresh = 5 * time.Minute

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
	if list.More {
		of := fmt.Sprintf("%d of %d relays", len(list.Relays), list.Total)
		if list.Total <= len(list.Relays) {
			of = site.Count(len(list.Relays), "relay") + ", says that there are more"
		}
		object("relay-list-cut", "name a path that gives them all, such as product.api.relays: /api/relays?pageSize=10000", nil,
			"Admin lists %s, and no way to the others: the rest would count as not connected", of)
	}
	if list.Time.IsZero() {
		object("relay-list-date", "let whatever lies between here and Admin (a proxy) leave the Date header in", nil,
			"Admin's answer says nothing of its time (no Date header): no heartbeat could be called one after the change")
	}
	asked := r.api.ConnectedTimeout.Of()
	if within := list.Within(asked); within > asked && len(w.restart) > 0 {
		findings = append(findings, site.Warning("relay-list-coarse",
			fmt.Sprintf("every heartbeat in Admin's list is on whole minutes, as if rounded: one after the change is waited for up to %s, not %s", within, asked),
			"nothing is to be done; relays work meanwhile, and their outage is measured until that heartbeat"))
	}
	up := site.Where(relays, func(l member) bool {
		return l.whole() && admin.whole() && l.service.Running() && admin.service.Running()
	})
	settled := site.Where(up, func(l member) bool {
		return r.upFor(in, admin, l) > r.api.ConnectedTimeout.Of()
	})
	healthy := site.Where(settled, func(l member) bool { return !l.stale && !admin.stale && l.setting.Alike(admin.setting) })
	strangers := slices.ContainsFunc(site.DirectoryOf(in.Seen, r.hosts()).Others, func(o site.RelaySeen) bool { return o.Connected != nil && *o.Connected })
	absent := func(all []member) bool {
		return len(all) > 0 && !slices.ContainsFunc(all, func(l member) bool { return l.relay != nil })
	}
	missing := healthy
	if (strangers || list.Unnamed > 0) && !absent(missing) {
		missing = up // Admin has others, and none that anybody knows
	}
	if absent(missing) {
		object("relay-list-names", "see what Admin calls them, and name the field that holds the computer's name: product.api.fields.name", missing,
			"%s in Admin's list, which has %s", none(missing), namesIn(list))
	} else if lost := r.unlisted(in, w, relays, healthy); len(lost) > 0 {
		object("relay-unlisted", "declare its host by the name that Admin has for it, or have Admin list it; policy.unreachable.tolerate lets it be left behind", lost,
			"%s in Admin's list, which has others, though running with Admin's key: nothing would prove the new one there", whoIsNot(lost))
	}
	silent := site.Where(up, func(l member) bool { return l.relay != nil && l.relay.Connected == nil })
	if len(silent) > 0 {
		object("relay-list-connected", "name the field that says so, as product.api.fields.connected", silent,
			"Admin does not say whether %s connected%s", are(len(silent)), seenIn(silent[0]))
	}
	mute := site.Where(up, func(l member) bool {
		return l.relay.IsConnected() && l.relay.Heartbeat.IsZero() || l.relay != nil && l.relay.Connected != nil && slices.ContainsFunc(l.relay.Odd, unreadable)
	})
	if len(mute) > 0 {
		object("relay-list-heartbeat", "name the field that holds it, as product.api.fields.heartbeat", mute,
			"Admin does not say when it last heard of %s%s", thisMany(len(mute)), seenIn(mute[0]))
	}
	if f, off := r.frozen(list, up); off {
		object(f.Code, f.Hint, up, "%s", f.Text)
	}
	if f, is := r.early(in, w, admin, relays, site.Where(up, func(l member) bool { return !l.stale && !admin.stale && l.setting.Alike(admin.setting) })); is && len(healthy) == 0 {
		findings = append(findings, f)
	}
	return findings
}

// early says that no relay has connected since Admin or they started, a while ago: they may yet, and what Admin's list says of one
// that is connected is not known before. It is for relays that have Admin's key, of which another key is no cure.
func (r *Rotation) early(in reconciler.Input, w work, admin member, relays, alike []member) (f reconciler.Finding, is bool) {
	if len(alike) == 0 || w.pending || slices.ContainsFunc(relays, member.connected) {
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

// unreadable says of a field that it is not one of those by which programs say that something never was.
func unreadable(odd string) bool { return !never.MatchString(odd) }

var never = regexp.MustCompile(`(?i) = "?(never|none|n/a|-|0|-1|0001-01-01.*|/Date\(-62135596800000.*)?"?$`)

// unlisted are relays that work as far as their hosts know, would be stopped, and could never be proven, as Admin lists others
// and not them; without those that the policy leaves behind. A run that was cut off is finished all the same.
func (r *Rotation) unlisted(in reconciler.Input, w work, relays, healthy []member) (lost []member) {
	if w.pending {
		return nil
	}
	ambiguous := site.DirectoryOf(in.Seen, r.hosts()).Ambiguous // which is said elsewhere
	off := site.Where(healthy, func(l member) bool {
		restarts := slices.ContainsFunc(w.restart, func(o member) bool { return o.host == l.host })
		return l.relay == nil && restarts && !slices.Contains(ambiguous, l.host)
	})
	away := site.Where(relays, func(l member) bool { return l.reach == reconciler.Unreachable })
	_, lost = site.Away(append(away, off...), func(l member) string { return l.host }, r.tolerance)
	return site.Where(lost, member.whole)
}

// frozen compares the latest heartbeat with the answer's own time.
func (r *Rotation) frozen(list *site.RelaysSeen, up []member) (f reconciler.Finding, off bool) {
	beating := site.Where(up, func(l member) bool { return l.relay.IsConnected() && !l.relay.Heartbeat.IsZero() })
	if len(beating) == 0 || list.Time.IsZero() {
		return f, false
	}
	latest := slices.MaxFunc(beating, func(a, b member) int { return a.relay.Heartbeat.Compare(b.relay.Heartbeat) })
	last := latest.relay
	age := list.Time.Sub(last.Heartbeat)
	if age.Abs() <= fresh+latest.skew() {
		return f, false
	}
	way := "before"
	if age < 0 {
		way = "after"
	}
	f.Code = "relay-list-time"
	f.Text = fmt.Sprintf("the latest heartbeat in Admin's list, %s, is %s %s the answer itself: it would prove nothing", last.Heartbeat.UTC().Format(time.RFC3339), age.Abs().Round(time.Second), way)
	f.Hint = "the list is frozen, or served from a cache, or no relay is heard: see that heartbeats go on in Admin's dashboard"
	if last.Zoneless {
		f.Hint = "its times have no zone and are read as UTC: name their zone as product.api.fields.zone; or else the list is frozen"
	}
	return f, true
}

// seenIn is what an entry holds in fields that could not be read.
func seenIn(l member) string {
	if len(l.relay.Odd) == 0 {
		return ": no field of its list does"
	}
	return ": " + l.relay.Name + " has " + strings.Join(l.relay.Odd, ", ")
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

func whoIsNot(all []member) string {
	if len(all) == 1 {
		return all[0].host + " is not"
	}
	return site.Count(len(all), "relay") + " are not"
}

func are(n int) string {
	if n == 1 {
		return "a relay is"
	}
	return fmt.Sprintf("%d relays are", n)
}

func thisMany(n int) string {
	if n == 1 {
		return "a relay"
	}
	return site.Count(n, "relay")
}
