package sqllogin

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// holds is what a file has, for people.
func (r *Rotation) holds(h holder) string {
	switch v := h.setting.Version; v {
	case site.Absent, site.Empty:
		return "no password"
	case site.Withheld:
		return "a settings file that cannot be read"
	case site.Unreadable:
		return "a settings file that .NET refuses"
	case site.Unknown:
		return h.says.User + " with a password that meshrotate does not know"
	default:
		return h.says.User + " with " + v
	}
}

func (r *Rotation) reason(in reconciler.Input, w work) string {
	if !w.whole() {
		return "the spec asks for " + r.ref.Version
	}
	a, e := w.admin(), w.engine()
	switch {
	case !w.declared(r.ref.Version) && !w.parted():
		return fmt.Sprintf("the spec asks for %s; Admin and Engine have %s", r.ref.Version, r.holds(a))
	case !w.declared(r.ref.Version) || w.edit:
		return fmt.Sprintf("the spec asks for %s; Admin has %s, Engine %s", r.ref.Version, r.holds(a), r.holds(e))
	case len(w.bounce) > 0:
		var names []string
		for _, h := range w.bounce {
			word := "started before it was last changed"
			if h.stopped {
				word = "is not running"
			}
			names = append(names, h.label+" "+word)
		}
		return fmt.Sprintf("the files hold %s; %s", r.ref.Version, strings.Join(names, ", "))
	case len(w.alter) > 0 && w.halfChanged() && !w.pending:
		return fmt.Sprintf("the files hold %s; a run that was to set version %s did not finish: %s is set again on %s", r.ref.Version, w.begun[0], r.ref.Version, serversOf(w.alter))
	case len(w.behind) > 0 && !w.pending:
		return fmt.Sprintf("the files hold %s; on %s it was never proven for %s: it is set there", r.ref.Version, serversOf(w.behind), w.target)
	case len(w.alter) > 0 && !w.pending:
		return fmt.Sprintf("the files hold %s; on %s somebody set the password of %s after it was proven there: it is set again", r.ref.Version, serversOf(w.alter), w.target)
	case len(w.revive) > 0:
		return fmt.Sprintf("an earlier run stopped %s and did not start it again", strings.Join(w.revive[0].lost, ", "))
	case w.pending && len(w.ends) > 0:
		return endsOf(w.ends) + ", and a run was cut off that was to disable it"
	case w.pending:
		return fmt.Sprintf("an earlier run switched to %s and did not get to its proof", r.ref.Version)
	case len(w.ends) > 0 && slices.ContainsFunc(w.ends, func(e end) bool { return e.known }):
		return endsOf(w.ends) + ", and others know the password: disabled on " + serversOf(endsOn(w.ends))
	case len(w.ends) > 0:
		return fmt.Sprintf("%s, the soak of %s is over, and nobody is signed in with it", endsOf(w.ends), r.spec.Soak)
	default:
		return fmt.Sprintf("%s is live; files of an earlier run are left beside the settings", r.ref.Version)
	}
}

func (r *Rotation) asDeclared(in reconciler.Input, w work) string {
	text := w.admin().says.User + " in use by Admin and Engine"
	if slices.ContainsFunc(w.left, func(l left) bool { return r.besideNames(w.sight, l.login) }) || slices.ContainsFunc(w.inUse(), w.onTheirHosts) {
		text = w.admin().says.User + " in the files of Admin and Engine"
	}
	if r.spec.Retire != "disable" || !r.alters() {
		return text
	}
	for _, l := range w.left {
		if over, known := r.soaked(w, l.login); known && in.Now.Before(over) && r.enabledAnywhere(in, w, l.login) {
			text += fmt.Sprintf("; %s is to be disabled from %s on", l.login, over.UTC().Format(time.DateOnly))
		}
	}
	return text
}

// endsOf says that the logins were replaced, and endsOn where.
func endsOf(ends []end) string {
	var names []string
	for _, e := range ends {
		names = append(names, e.login)
	}
	if names = slices.Compact(names); len(names) == 1 {
		return names[0] + " was replaced"
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1] + " were replaced"
}

func endsOn(ends []end) (all []instance) {
	for _, e := range ends {
		if !slices.ContainsFunc(all, e.on.same) {
			all = append(all, e.on)
		}
	}
	return all
}
