package state

import (
	"cmp"
	"slices"
)

// leaks are what others know of a secret.
type leaks struct {
	known map[string]string // versions and parts of versions, each with why
	now   string            // why others know what is live, "" when they do not
}

func (h History) leaks(secret string) leaks {
	l := leaks{known: map[string]string{}}
	keeping, before := map[string]string{}, "" // by version, why others know it; and what now was before such a one began
	var a inUse
	for _, e := range h.whole(secret) {
		why, told := compromised(e)
		switch kept := l.keeps(e); {
		case e.Outcome == Started && kept != "":
			keeping[e.Version], before, l.now = kept, l.now, kept
		case e.Outcome == Started:
			delete(keeping, e.Version)
			if told {
				l.now = why
				l.add(e, why, a.besides(e))
			}
		case e.Outcome == Back && keeping[e.Version] != "":
			l.now = before
		case e.Outcome == Proven && e.Unproven == "": // what nothing shows to work replaces nothing
			l.now = cmp.Or(keeping[e.Version], l.known[e.Version])
		}
		a.take(e)
	}
	return l
}

// add notes what the start of an emergency says that others know.
func (l leaks) add(e Entry, why string, besides []string) {
	whole := true
	for _, f := range e.Facts {
		if f.Field == Ousted {
			l.known[f.Value], whole = why, false
		}
	}
	if !whole {
		return
	}
	if e.Before != "" && e.Before != e.Version {
		l.known[e.Before] = why
	}
	for _, v := range besides {
		l.known[v] = why
	}
}

// keeps is why others know what a rotation puts into force, "" when they do not.
func (l leaks) keeps(e Entry) string {
	for _, f := range e.Facts {
		if f.Field == Keeps && l.known[f.Value] != "" {
			return l.known[f.Value]
		}
	}
	return l.known[e.Version]
}

// inUse are the versions of a secret that may be live somewhere: the one that was proven last, and those that runs began since and did not
// bring to an end.
type inUse struct {
	proven string
	open   []string
	again  bool // the rotation that was started last was open before
}

// take goes on to an entry about a rotation as a whole. What an emergency gives out nobody else knows.
func (a *inUse) take(e Entry) {
	switch _, told := compromised(e); {
	case e.Outcome == Started && told:
	case e.Outcome == Started:
		if a.again = slices.Contains(a.open, e.Version); !a.again {
			a.open = append(a.open, e.Version)
		}
	case e.Outcome == Back && !a.again:
		a.open = slices.DeleteFunc(a.open, func(v string) bool { return v == e.Version })
	case e.Outcome == Proven:
		a.proven, a.open = e.Version, nil
	}
}

// besides are those that others know besides the one that the start of an emergency names.
func (a *inUse) besides(e Entry) (all []string) {
	for _, v := range append([]string{a.proven}, a.open...) {
		if v != "" && v != e.Before && v != e.Version && !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	return all
}
