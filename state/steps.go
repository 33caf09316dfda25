package state

import (
	"slices"
	"strings"
	"time"
)

// steps are the entries about the steps of one version. A step of a fleet is few entries with many hosts each, or many
// entries with few hosts each; both are found quickly, and neither costs an entry per host and step.
type steps struct {
	names map[string]bool
	// single are the entries of a step and a host, of entries that name few hosts, oldest first.
	single map[stepHost][]stepEntry
	// many are entries that name more hosts, by step, oldest first.
	many map[string][]stepEntry
	last int // the place of the last of them among all entries of the secret
}

type stepHost struct{ step, host string }

type stepEntry struct {
	at int // its place among all entries of the secret
	*Entry
}

// fewHosts is how many hosts of an entry are worth a place of their own.
const fewHosts = 4

func (r *record) addStep(e *Entry) {
	of := r.steps[e.Version]
	if of == nil {
		of = &steps{names: map[string]bool{}, single: map[stepHost][]stepEntry{}, many: map[string][]stepEntry{}}
		r.steps[e.Version] = of
	}
	of.names[e.Step], of.last = true, r.count
	own := *e // the caller's slice of entries is not kept
	s := stepEntry{at: r.count, Entry: &own}
	switch {
	case len(own.Hosts) == 0:
		of.addSingle(s, "")
	case len(own.Hosts) <= fewHosts:
		for _, host := range own.Hosts {
			of.addSingle(s, host)
		}
	default:
		if !slices.IsSorted(own.Hosts) {
			own.Hosts = slices.Sorted(slices.Values(own.Hosts))
		}
		of.many[own.Step] = append(of.many[own.Step], s)
	}
}

func (s *steps) addSingle(e stepEntry, host string) {
	at := stepHost{e.Step, host}
	s.single[at] = append(s.single[at], e)
}

// StepDone is the entry that says that a step of this version is done on a host ("" for steps without one). It no
// longer counts when the step was tried again there since, when the rotation came back, or when a rotation to another
// version was started.
func (h History) StepDone(secret, version, step, host string) (Entry, bool) {
	r := h.secrets[secret]
	if r == nil || r.steps[version] == nil {
		return Entry{}, false
	}
	latest := r.steps[version].latest(step, host)
	if latest.Entry == nil || latest.Outcome != Done {
		return Entry{}, false
	}
	return *latest.Entry, true
}

// StepDoneOf are the entries that say so of any secret and version, in no order: several may need the same step.
func (h History) StepDoneOf(step, host string) (all []Entry) {
	for secret := range h.took[step] {
		for version := range h.secrets[secret].steps {
			if e, ok := h.StepDone(secret, version, step, host); ok {
				all = append(all, e)
			}
		}
	}
	return all
}

// Took says that a run began a step of this name, somewhere and at any time.
func (h History) Took(step string) bool { return len(h.took[step]) > 0 }

// StepOutcome is the last word about a step of this version on a host, "" without one. It is forgotten as StepDone's entry is.
func (h History) StepOutcome(secret, version, step, host string) Outcome {
	if r := h.secrets[secret]; r != nil && r.steps[version] != nil {
		if latest := r.steps[version].latest(step, host); latest.Entry != nil {
			return latest.Outcome
		}
	}
	return ""
}

// FailedSince says that the last word about a step without a host is that it failed, and that another was not begun again since.
// It is forgotten as StepDone's entry is.
func (h History) FailedSince(secret, version, step, other string) bool {
	r := h.secrets[secret]
	if r == nil || r.steps[version] == nil {
		return false
	}
	latest := r.steps[version].latest(step, "")
	return latest.Entry != nil && latest.Outcome == Failed && latest.at > r.steps[version].latest(other, "").at
}

// Touched says that a step of this version whose name begins so was begun on a host, and did not fail there: it may have had its
// effect. It is forgotten as StepDone's entry is.
func (h History) Touched(secret, version, prefix, host string) bool {
	r := h.secrets[secret]
	if r == nil || r.steps[version] == nil {
		return false
	}
	for step := range r.steps[version].names {
		latest := r.steps[version].latest(step, host)
		if strings.HasPrefix(step, prefix) && latest.Entry != nil && latest.Outcome != Failed {
			return true
		}
	}
	return false
}

// StepBegan is when a step of this version was begun on a host, whatever came of it: for the first time by a run that wrote no
// end, when there was one since a run last did; else for the last time. It is forgotten as StepDone's entry is.
func (h History) StepBegan(secret, version, step, host string) (time.Time, bool) {
	r := h.secrets[secret]
	if r == nil || r.steps[version] == nil {
		return time.Time{}, false
	}
	return r.steps[version].began(step, host, r.ended)
}

// back is what the names of steps of the way back begin with.
const back = "back/"

// Again says that by a run which told no end a step was begun on a host, then the other one was done there, and then it was begun once
// more, or on the way back: what was stopped, started and stopped may have worked in between.
func (h History) Again(secret, version, step, other, host string) bool {
	r := h.secrets[secret]
	if r == nil || r.steps[version] == nil {
		return false
	}
	began, done := false, false
	all := slices.Concat(r.steps[version].of(step, host), r.steps[version].of(other, host), r.steps[version].of(back+step, host))
	slices.SortFunc(all, func(a, b stepEntry) int { return a.at - b.at })
	for _, e := range all {
		switch {
		case e.at <= r.ended:
		case e.Step == other:
			done = done || began && e.Outcome == Done
		case e.Outcome == Started && done:
			return true
		default:
			began = began || e.Outcome == Started
		}
	}
	return false
}

// Untold is when a step of another version was begun on a host, for the first time, by a run that told no end, and how far it came
// last, while no run has told one since: a later one was started for a version of its own.
func (h History) Untold(secret, step, host string) (began time.Time, last Outcome, ok bool) {
	r := h.secrets[secret]
	if r == nil {
		return time.Time{}, "", false
	}
	for _, s := range r.untold {
		latest := s.latest(step, host)
		if latest.Entry == nil || latest.at <= r.ended {
			continue // its end was told; what came after that was tidying up
		}
		if !ok {
			began, ok = s.began(step, host, r.ended)
		}
		last = latest.Outcome
	}
	return began, last, ok
}

// ToldSince says that a run told, at its end, what became of something, and that the step was not begun again there since.
func (h History) ToldSince(secret, version, step, host, what string) bool {
	r := h.secrets[secret]
	return r != nil && r.told[what] > 0 && (r.steps[version] == nil || r.steps[version].latest(step, host).at < r.told[what])
}

// began is when a step was begun on a host. Ended is the place of the last end that a run wrote.
func (s *steps) began(step, host string, ended int) (time.Time, bool) {
	of := s.of(step, host)
	if len(of) == 0 {
		return time.Time{}, false
	}
	if i := slices.IndexFunc(of, func(e stepEntry) bool { return e.at > ended }); i >= 0 {
		return of[i].Time, true
	}
	for _, e := range slices.Backward(of) {
		if e.Outcome == Started {
			return e.Time, true
		}
	}
	return of[0].Time, true
}

// of are the entries about a step on a host, oldest first.
func (s *steps) of(step, host string) []stepEntry {
	all := slices.Clone(s.single[stepHost{step, host}])
	for _, e := range s.many[step] {
		if _, found := slices.BinarySearch(e.Hosts, host); found {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b stepEntry) int { return a.at - b.at })
	return all
}

// latest is the last entry about a step on a host, zero without one.
func (s *steps) latest(step, host string) (last stepEntry) {
	if single := s.single[stepHost{step, host}]; len(single) > 0 {
		last = single[len(single)-1]
	}
	many := s.many[step]
	for i := len(many) - 1; i >= 0 && many[i].at > last.at; i-- {
		if _, found := slices.BinarySearch(many[i].Hosts, host); found {
			return many[i]
		}
	}
	return last
}
