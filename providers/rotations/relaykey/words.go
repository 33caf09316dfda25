package relaykey

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"meshrotate/providers/site"
	"meshrotate/state"
)

// reason says why there is something to do. Cut is since when relays are cut off by an earlier run.
func (r *Rotation) reason(w work, cut state.Outage) string {
	want := r.ref.Version
	switch {
	case w.editAdmin:
		same := len(site.Where(w.edit, func(l member) bool { return l.setting.Alike(w.admin.setting) }))
		s := fmt.Sprintf("the spec asks for %s; Admin", want)
		if same > 0 {
			s += " and " + site.Count(same, "relay")
		}
		return s + verb(same) + named(w.admin.setting.Version) + w.others()
	case len(w.edit) > 0 && w.admin.whole():
		return "Admin has " + want + w.others() + cutSince(", cut off", cut)
	case len(w.edit) > 0:
		return who(false, w.edit) + verb(len(w.edit)-1) + named(w.edit[0].setting.Version) + ", not " + want
	case w.admin.stopped || slices.ContainsFunc(w.restart, func(l member) bool { return l.stopped }):
		stopped := site.Where(w.restart, func(l member) bool { return l.stopped })
		n := len(stopped)
		if w.admin.stopped {
			n++
		}
		return fmt.Sprintf("the files hold %s; %s%snot running", want, who(w.admin.stopped, stopped), is(n))
	case !w.bounce && len(w.restart) > 0 && !slices.ContainsFunc(w.restart, func(l member) bool { return l.stale || l.edit }):
		return fmt.Sprintf("the files hold %s; %s", want, w.notSeen(cut))
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
	seen := site.Where(relays, member.whole)
	text := fmt.Sprintf("Admin and %s hold it, %d connected", site.Count(len(seen), "relay"), len(site.Where(seen, member.connected)))
	if n := len(relays) - len(seen); n > 0 {
		text += fmt.Sprintf("; %s not seen", site.Count(n, "relay"))
	}
	return text
}

// others are the relays that differ from Admin: somebody changed or stopped them.
func (w work) others() string {
	byVersion := map[string][]member{}
	var stopped []member
	for _, l := range w.restart {
		if !l.setting.Alike(w.admin.setting) {
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
	return site.Count(len(relays), "relay") + " are"
}
