package state

import (
	"cmp"
	"slices"
	"strings"
)

// Leak is what others know of a secret: what is live, or what a host accepts that an emergency left behind. Why is the emergency's.
type Leak struct{ Secret, Host, Why string }

// Leaks are all of which the ledger has not said that they ended, in the order of their names. What a host accepts may have been taken out
// there since: the evidence says so.
func (h History) Leaks() (all []Leak) {
	for name, r := range h.secrets {
		if why := h.Compromised(name); why != "" {
			all = append(all, Leak{Secret: name, Why: why})
		}
		for key, f := range r.facts {
			if key.field == Accepts {
				all = append(all, Leak{Secret: name, Host: key.host, Why: f.value})
			}
		}
	}
	slices.SortFunc(all, func(a, b Leak) int {
		return cmp.Or(strings.Compare(a.Secret, b.Secret), strings.Compare(a.Host, b.Host))
	})
	return all
}

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
		a.parts = a.parts || e.ousts()
		switch kept := l.keeps(e); {
		case e.Outcome == Started && kept != "":
			keeping[e.Version], before, l.now = kept, l.now, kept
		case e.Outcome == Started:
			delete(keeping, e.Version)
			if told {
				l.now = why
				l.add(e, why, a)
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
func (l leaks) add(e Entry, why string, a inUse) {
	for _, f := range e.Facts {
		if f.Field == Ousted {
			l.known[f.Value] = why
		}
	}
	if a.parts {
		return
	}
	if e.Before != "" && e.Before != e.Version {
		l.known[e.Before] = why
	}
	for _, v := range a.besides(e) {
		l.known[v] = why
	}
}

// ousts says that a rotation takes parts out that others know.
func (e Entry) ousts() bool {
	return slices.ContainsFunc(e.Facts, func(f Fact) bool { return f.Field == Ousted })
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
	parts  bool // an emergency that is not over takes parts out of what is in use: others know these, and no version
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
		a.proven, a.open, a.parts = e.Version, nil, false
	}
}

// besides are those that others know besides the one that the start of an emergency names.
func (a inUse) besides(e Entry) (all []string) {
	for _, v := range append([]string{a.proven}, a.open...) {
		if v != "" && v != e.Before && v != e.Version && !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	return all
}
