package codesigning

import (
	"fmt"
	"slices"
	"strings"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// work is what is left to do.
type work struct {
	all                  []member
	edit, restart, prove []member
	tidy                 []member // with leftovers of an earlier run
	revive               []member // that run, with dependents that an earlier run stopped
	left                 []member
	pending, api         bool // api: Admin's could be asked
	list                 *site.RelaysSeen
	// returns are the relays that are proven by their connection; dark are those of which Admin's list cannot show it.
	returns, dark []member
	digits        int // of a thumbprint that tell apart what is declared and what is accepted: others may begin alike
}

func (w work) none() bool {
	return len(w.edit) == 0 && len(w.restart) == 0 && len(w.tidy) == 0 && len(w.revive) == 0 && !w.pending
}

// Plan compares what the relays accept with what is declared.
func (r *Rotation) Plan(in reconciler.Input) reconciler.Change {
	w := r.need(in)
	c := reconciler.Change{Secret: r.ref, Title: "code signing", Before: r.before(in, w), Parts: r.spec.declared(), Ousted: w.ousted(), Beside: site.Exposed(in.Seen, r.Reads())}
	c.Findings, w.left = r.guard(in, w)
	c.Keepers = r.keepers(in, c.Ousted)
	c.Unseen = hosts(site.Where(w.all, func(m member) bool { return m.reach == reconciler.Unreachable }))
	if r.build != nil && in.Seen.Reach(site.Host(r.build.host)) != reconciler.Reached {
		c.Unseen = append(c.Unseen, r.build.host)
	}
	c.Expires, c.Overlaps = r.expires(w), r.overlaps(in, w)
	c.Down, c.Returned = site.LeftDown(in, r.ref, site.Each(w.all, r.watched))
	c.Down = append(c.Down, site.NotYetWorking(c.Returned, w.unsure)...)
	switch blocked := reconciler.Blocked(c.Findings); {
	case blocked && w.none() && len(site.Where(w.all, member.whole)) == len(w.all):
		c.Status, c.Reason = reconciler.Refused, r.asDeclared(w)+", and a guard objects"
	case blocked && w.none():
		c.Status, c.Reason = reconciler.Unknown, "not everything could be looked at"
	case blocked:
		c.Status, c.Reason = reconciler.Refused, r.reason(w)
	case w.none():
		c.Status, c.Before, c.Reason = reconciler.AsDeclared, r.ref.Version, r.asDeclared(w)
	default:
		c.Status, c.Reason, c.Unproven = reconciler.Rotate, r.reason(w), r.unseen(in, w)
		c.Rounds = []reconciler.Round{{Steps: r.steps(in, w)}}
		c.Outages = r.predict(in, w)
		c.Tolerate, c.Left = r.tolerance, site.LeftOf(hosts(w.left))
		for _, m := range w.left {
			c.Unreached = append(c.Unreached, site.LeftBehind(site.Swap{Host: m.host, Path: m.component.Settings})...)
		}
	}
	return c
}

// unsure says that a relay which is not seen to work may do so: Admin was not asked, or what it lists may not be all.
func (w work) unsure(host string) bool {
	return !w.api || w.list != nil && slices.ContainsFunc(w.all, func(m member) bool {
		return m.host == host && m.whole() && (w.list.InPart(m.relay) || w.list.Old(m.relay, m.service.StartedAt))
	})
}

func (r *Rotation) watched(m member) site.Watched {
	return site.Watched{Host: m.host, Service: m.component.Service, What: m.who.Name, Seen: m.service, Machine: m.machine, Relay: m.relay,
		StopTimeout: m.component.StopTimeout.Of(), Works: m.whole() && (m.relay.IsConnected() || !r.hasAPI)}
}

// asked says that Admin answered which relays it knows.
func asked(in reconciler.Input) bool {
	reach, _ := site.APIReach(in.Seen, site.Relays{})
	return reach == reconciler.Reached
}

// need finds the work.
func (r *Rotation) need(in reconciler.Input) work {
	w := work{all: r.look(in), api: r.hasAPI && asked(in), list: site.Answer[site.RelaysSeen](in.Seen, site.Relays{})}
	_, w.pending = in.History.Pending(r.ref.Name, r.ref.Version)
	some := r.spec.declared()
	for _, m := range w.all {
		some = append(some, m.accepts...)
	}
	w.digits = telling(some)
	for _, m := range w.all {
		if !m.whole() {
			continue
		}
		if m.edit {
			w.edit = append(w.edit, m)
		}
		bounce := m.edit || m.stale || m.stopped
		switch {
		case bounce:
			w.restart = append(w.restart, m)
		case len(m.lost) > 0:
			w.revive = append(w.revive, m)
		}
		tidy := site.Leftover(in, r.ref.Name, m.host, m.component.Settings, m.list.Base)
		if tidy {
			w.tidy = append(w.tidy, m)
		}
		if bounce || tidy || w.pending {
			w.prove = append(w.prove, m)
		}
	}
	r.returning(in, &w)
	return w
}

// ousted are the certificates that some relay is to accept no longer.
func (w work) ousted() []string {
	var all []string
	for _, m := range w.all {
		all = append(all, m.retired...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// keepers are where on the build host the certificates are that go. A thief's copy is not the only one: what is there can still sign.
func (r *Rotation) keepers(in reconciler.Input, ousted []string) (all []state.Fact) {
	if r.build == nil || len(ousted) == 0 {
		return nil
	}
	at := func(place string) { all = append(all, state.Fact{Host: r.build.host, Value: place}) }
	store, pin := site.Answer[site.CertificatesSeen](in.Seen, r.build.store), site.Answer[site.PinSeen](in.Seen, r.build.pin)
	if store == nil || store.Error != 0 {
		at("the certificate store " + r.build.spec.Store + ", which could not be read: it may have it")
	}
	if pin == nil || pin.Error != 0 {
		all = append(all, state.Fact{Host: r.build.host, Field: state.HeldUntilBy(buildName, r.build.repin(&site.PinSeen{}).Name()), Value: r.build.pin.PinAt.Says() + ", which could not be read: it may be it"})
	}
	kept := site.Answer[site.ValueSeen](in.Seen, site.Value{Secret: r.build.ref})
	for _, t := range ousted {
		if store != nil {
			if c := store.Of(t); c != nil {
				at(fmt.Sprintf("the certificate store %s: %s, %s", store.Store, short(t), map[bool]string{true: "with its key", false: "without its key"}[c.HasKey]))
			}
		}
		if pin != nil && pinned(pin) == t {
			all = append(all, state.Fact{Host: r.build.host, Field: state.HeldUntilBy(buildName, r.build.repin(pin).Name()), Value: r.build.pin.PinAt.Says() + ", " + short(t)})
		}
		if kept != nil && slices.ContainsFunc(kept.Others, func(v string) bool { return v != "" && strings.HasPrefix(t, v) }) {
			all = append(all, state.Fact{Value: "the PFX of " + short(t) + ", kept sealed in the state as " + buildName})
		}
	}
	return all
}

// stolen says that others have the key of a certificate that is to go: it goes at once, whatever is signed with it. So do all that an
// emergency takes out, while nothing is declared that others have the key of; and on a relay that this one could not reach, or that has
// it again, what an earlier one took out, while something is declared that nobody knows.
func (r *Rotation) stolen(in reconciler.Input, certificate string) bool {
	leaked := func(t string) bool { what, _ := in.History.Leaked(r.ref.Name, "", []string{t}); return what != "" }
	known := len(site.Where(r.spec.declared(), leaked))
	if what, _ := in.History.Leaked(r.ref.Name, r.ref.Version, nil); what != "" {
		known = len(r.spec.declared())
	}
	return leaked(certificate) && known < len(r.spec.declared()) || known == 0 && in.Compromised(r.ref) != ""
}

// spared are the certificates that may not go while something is signed with them.
func (r *Rotation) spared(in reconciler.Input, certificates []string) []string {
	return slices.DeleteFunc(slices.Clone(certificates), func(t string) bool { return r.stolen(in, t) })
}

// lists are the relays by what they accept, in an order that is always the same.
func (w work) lists() (versions []string, of map[string][]member) {
	of = map[string][]member{}
	for _, m := range w.all {
		if m.whole() && !m.unread() {
			v := versionTo(w.digits, m.accepts)
			if !slices.Contains(versions, v) {
				versions = append(versions, v)
			}
			of[v] = append(of[v], m)
		}
	}
	slices.SortFunc(versions, func(a, b string) int {
		if n := len(of[b]) - len(of[a]); n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
	return versions, of
}

// before is what was accepted before the rotation began, by most relays.
func (r *Rotation) before(in reconciler.Input, w work) string {
	if e, ok := in.History.Unfinished(r.ref.Name, r.ref.Version); ok && e.Before != "" {
		return e.Before
	}
	versions, _ := w.lists()
	for _, v := range versions {
		if v != versionTo(w.digits, r.spec.declared()) {
			return v
		}
	}
	return strings.Join(versions, "")
}

// reason says why there is something to do.
func (r *Rotation) reason(w work) string {
	if len(w.edit) > 0 {
		text := "the spec asks for " + shortsTo(w.digits, r.spec.declared())
		versions, of := w.lists()
		for _, v := range versions {
			if edit := site.Where(of[v], func(m member) bool { return m.edit }); len(edit) > 0 {
				text += fmt.Sprintf("; %s accept%s %s", who(edit), verb(edit), r.has(edit[0], w.digits))
			}
		}
		if unread := site.Where(w.edit, member.unread); len(unread) > 0 {
			text += "; the list of " + who(unread) + " cannot be read"
		}
		return text
	}
	stopped, stale := site.Where(w.restart, func(m member) bool { return m.stopped }), site.Where(w.restart, func(m member) bool { return m.stale })
	switch {
	case len(stopped) > 0:
		return fmt.Sprintf("the files accept %s; %s not running", shorts(r.spec.declared()), are(stopped))
	case len(stale) > 0:
		return fmt.Sprintf("the files accept %s; %s must start again to read it", shorts(r.spec.declared()), who(stale))
	case len(w.revive) > 0:
		return fmt.Sprintf("an earlier run stopped %s and was cut off", strings.Join(w.revive[0].lost, ", "))
	case w.pending:
		return "an earlier run wrote the lists and was cut off before the proof"
	}
	return "the lists are as declared; files of an earlier run are left beside the settings"
}

// has is what a relay accepts, where its list is to change.
func (r *Rotation) has(m member, digits int) string {
	if slices.Equal(slices.Sorted(slices.Values(m.accepts)), slices.Sorted(slices.Values(r.spec.declared()))) {
		return "them, and its list holds more than .NET finds"
	}
	return shortsTo(digits, m.accepts)
}

func verb(all []member) string {
	if len(all) == 1 {
		return "s"
	}
	return ""
}

func are(all []member) string {
	if len(all) == 1 {
		return all[0].host + " is"
	}
	return who(all) + " are"
}

func (r *Rotation) asDeclared(w work) string {
	seen := site.Where(w.all, member.whole)
	text := fmt.Sprintf("%s accept%s %s", who(seen), verb(seen), shorts(r.spec.declared()))
	if n := len(w.all) - len(seen); n > 0 {
		text += fmt.Sprintf("; %s not seen", site.Count(n, "relay"))
	}
	return text
}
