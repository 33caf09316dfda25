package relaykey

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// work is what is left to do.
type work struct {
	admin                member
	edit, restart, prove []member // relays
	editAdmin, bounce    bool     // bounce: Admin restarts
	tidy                 []member // nodes with leftovers of an earlier run
	revive               []member // nodes whose service runs, with dependents that an earlier run stopped
	mint, pending        bool
	half                 bool // some hold the declared version, others do not
	left                 []member
}

func (w work) none() bool {
	return !w.editAdmin && !w.bounce && len(w.edit) == 0 && len(w.restart) == 0 && len(w.tidy) == 0 && len(w.revive) == 0 && !w.pending
}

// Plan compares the live keys with the declared version.
func (r *Rotation) Plan(in reconciler.Input) reconciler.Change {
	admin, relays := r.look(in)
	c := reconciler.Change{Secret: r.ref, Title: "relay key", Before: r.before(in, admin, relays), Beside: site.Exposed(in.Seen, r.Reads())}
	c.Due, _ = in.History.Due(r.ref.Name, r.spec.Every.Of())
	findings, left := r.guard(in, admin, relays)
	w := r.need(in, admin, relays, left)
	findings = append(findings, r.preflight(in, w, append([]member{admin}, relays...))...)
	if !w.none() && in.Seen.Reach(site.API) == reconciler.Reached {
		findings = append(findings, r.awayBefore(in, w, admin, relays)...)
	}
	if w.pending {
		c.Live = r.held(admin, relays)
	}
	if f, wrong := site.KeptFinding(in, r.ref, w.editAdmin || len(w.edit) > 0); wrong {
		findings = append(findings, f)
	}
	findings = append(findings, r.readable(in, admin, relays, !w.none())...)
	c.Findings = findings
	blocked := reconciler.Blocked(findings)
	cut, back := r.cutOff(in, w)
	for _, l := range append([]member{admin}, relays...) {
		if d, ok := site.DownSince(in, r.ref, l.host, l.component.Service, l.who.Name, l.service); ok && !(d.Unsure && l.heardSince(d.Since)) {
			c.Down = append(c.Down, d)
		}
	}
	for _, l := range append([]member{admin}, filter(relays, member.connected)...) {
		if b, ok := site.CameBack(in, r.ref, l.host, l.component.Service, l.who.Name, l.service, l.machine); ok && l.whole() {
			c.Returned = append(c.Returned, b)
		}
	}
	c.Returned = append(c.Returned, back...)
	if blocked && len(r.awayBefore(in, w, admin, relays)) == 0 {
		c.Findings = append(c.Findings, notConnected(in, relays)...)
	}
	switch {
	case blocked && w.none():
		c.Status, c.Reason = reconciler.Unknown, "not everything could be looked at"
		if admin.whole() && len(filter(relays, member.whole)) == len(relays) && in.Seen.Reach(site.API) == reconciler.Reached {
			c.Status, c.Reason = reconciler.Refused, r.ref.Version+" is live everywhere, and a guard objects"
		}
		return c
	case blocked:
		c.Status, c.Reason = reconciler.Refused, r.reason(w, cut.Since)
		return c
	case w.none():
		c.Status, c.Before = reconciler.AsDeclared, r.ref.Version
		c.Reason = r.asDeclared(relays)
		c.Findings = append(c.Findings, disconnected(admin, relays)...)
		return c
	}
	c.Status, c.Reason = reconciler.Rotate, r.reason(w, cut.Since)
	c.Tolerate = reconciler.Tolerance{Names: map[string]bool{}, Count: r.policy.Unreachable.Count}
	for _, n := range r.relays {
		if n.toleratedByPolicy {
			c.Tolerate.Names[n.host] = true
		}
	}
	for _, l := range w.left {
		c.Left = append(c.Left, site.Host(l.host))
	}
	c.Rounds = []reconciler.Round{{Steps: r.steps(w)}}
	c.Outages = r.predict(in, w, cut)
	return c
}

// need finds the work.
func (r *Rotation) need(in reconciler.Input, admin member, relays, left []member) work {
	w := work{admin: admin, left: left}
	v := site.Answer[site.ValueSeen](in.Seen, site.Value{Secret: r.ref})
	w.mint = v != nil && !v.Kept
	_, w.pending = in.History.Pending(r.ref.Name, r.ref.Version)
	last, _ := in.History.LastProven(r.ref.Name)
	if admin.whole() {
		w.editAdmin = admin.edit
		w.bounce = admin.edit || admin.stale || admin.stopped
		if admin.setting.Staged || admin.setting.Backup {
			w.tidy = append(w.tidy, admin)
		}
		if len(admin.lost) > 0 && !w.bounce {
			w.revive = append(w.revive, admin)
		}
	}
	for _, l := range relays {
		if !l.whole() {
			continue
		}
		// A relay that the last run left behind, and that is still not connected, is tried again.
		again := !l.connected() && (w.pending || slices.Contains(last.Left, l.host))
		if l.edit {
			w.edit = append(w.edit, l)
		}
		if l.edit || l.stale || l.stopped || w.editAdmin || again {
			w.restart = append(w.restart, l)
		} else if len(l.lost) > 0 {
			w.revive = append(w.revive, l)
		}
		if l.setting.Staged || l.setting.Backup {
			w.tidy = append(w.tidy, l)
		}
		w.prove = append(w.prove, l)
	}
	edited := len(w.edit)
	whole := len(w.prove)
	if admin.whole() {
		whole++
		if admin.edit {
			edited++
		}
	}
	w.half = edited > 0 && edited < whole
	return w
}

// before is the version that was live before the rotation began.
func (r *Rotation) before(in reconciler.Input, admin member, relays []member) string {
	if e, ok := in.History.Pending(r.ref.Name, r.ref.Version); ok && e.Before != "" {
		return e.Before
	}
	return r.held(admin, relays)
}

// held is the version that is live now: what Admin holds, or what the relays do when Admin is ahead of them.
func (r *Rotation) held(admin member, relays []member) string {
	for _, l := range append([]member{admin}, relays...) {
		if l.whole() && l.setting.Version != r.ref.Version {
			return l.setting.Version
		}
	}
	if admin.whole() {
		return admin.setting.Version
	}
	return ""
}

// reason says why there is something to do. Since is when relays were cut off by an earlier run.
func (r *Rotation) reason(w work, since time.Time) string {
	want := r.ref.Version
	switch {
	case w.editAdmin:
		versions := map[string]int{w.admin.setting.Version: 0}
		same := 0
		for _, l := range w.edit {
			versions[l.setting.Version]++
		}
		same = versions[w.admin.setting.Version]
		s := fmt.Sprintf("the spec asks for %s; Admin", want)
		if same > 0 {
			s += " and " + count(same, "relay")
		}
		return s + verb(same) + named(w.admin.setting.Version) + w.others()
	case len(w.edit) > 0 && w.admin.whole():
		return "Admin has " + want + w.others() + cutSince(since)
	case len(w.edit) > 0:
		return who(false, w.edit) + verb(len(w.edit)-1) + named(w.edit[0].setting.Version) + ", not " + want
	case w.admin.stopped || slices.ContainsFunc(w.restart, func(l member) bool { return l.stopped }):
		return fmt.Sprintf("the files hold %s; %s is not running", want, who(w.admin.stopped, filter(w.restart, func(l member) bool { return l.stopped })))
	case !w.bounce && len(w.restart) > 0 && !slices.ContainsFunc(w.restart, func(l member) bool { return l.stale || l.edit }):
		return fmt.Sprintf("the files hold %s; %s not connected, and start again", want, whoIs(w.restart))
	case w.bounce || len(w.restart) > 0:
		return fmt.Sprintf("the files hold %s; %s must start again to read it", want, who(w.bounce, w.restart))
	case len(w.revive) > 0:
		return fmt.Sprintf("an earlier run stopped %s and did not start it again", strings.Join(w.revive[0].lost, ", "))
	case w.pending:
		return fmt.Sprintf("an earlier run switched to %s and did not get to its proof", want)
	default:
		return fmt.Sprintf("%s is live; files of an earlier run are left beside the settings", want)
	}
}

func cutSince(since time.Time) string {
	if since.IsZero() {
		return ""
	}
	return ", cut off since " + since.UTC().Format("2006-01-02 15:04:05 UTC")
}

// named makes a version readable when it is none.
func named(version string) string {
	switch version {
	case site.Absent:
		return "no key"
	case site.Empty:
		return "an empty key"
	case short:
		return "a key that is too short"
	case site.Unreadable:
		return "a settings file that .NET refuses"
	case site.Withheld:
		return "a settings file that cannot be read"
	case site.Unknown:
		return "a key that meshrotate does not know"
	default:
		return version
	}
}

func (r *Rotation) asDeclared(relays []member) string {
	seen := filter(relays, member.whole)
	text := fmt.Sprintf("Admin and %s hold it, %d connected", count(len(seen), "relay"), len(filter(seen, member.connected)))
	if n := len(relays) - len(seen); n > 0 {
		text += fmt.Sprintf("; %s not seen", count(n, "relay"))
	}
	return text
}

func filter(all []member, keep func(member) bool) []member {
	var some []member
	for _, l := range all {
		if keep(l) {
			some = append(some, l)
		}
	}
	return some
}

// others are the relays that differ from Admin: somebody changed or stopped them.
func (w work) others() string {
	byVersion := map[string][]member{}
	var stopped []member
	for _, l := range w.restart {
		if l.setting.Version != w.admin.setting.Version {
			byVersion[l.setting.Version] = append(byVersion[l.setting.Version], l)
		}
		if l.stopped {
			stopped = append(stopped, l)
		}
	}
	text := ""
	for _, version := range slices.Sorted(maps.Keys(byVersion)) {
		some := byVersion[version]
		text += "; " + who(false, some) + verb(len(some)-1) + named(version)
	}
	if len(stopped) > 0 {
		text += "; " + who(false, stopped) + is(len(stopped)) + "not running"
	}
	return text
}

func is(n int) string {
	if n == 1 {
		return " is "
	}
	return " are "
}

// verb agrees with Admin and that many relays.
func verb(relays int) string {
	if relays > 0 {
		return " hold "
	}
	return " holds "
}

// whoIs is relays as the subject of a sentence.
func whoIs(relays []member) string {
	if len(relays) == 1 {
		return relays[0].host + " is"
	}
	return count(len(relays), "relay") + " are"
}
