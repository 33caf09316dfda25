package state

import (
	"slices"
	"time"
)

// steps are the entries about the steps of one version. A step of a fleet is few entries with many hosts each, or many
// entries with few hosts each; both are found quickly, and neither costs an entry per host and step.
type steps struct {
	count int // of entries, in the order of the ledger
	// single are the latest entries of a step and a host, of entries that name few hosts.
	single map[stepHost]stepEntry
	// many are entries that name more hosts, by step, oldest first.
	many map[string][]stepEntry
}

type stepHost struct{ step, host string }

type stepEntry struct {
	at int // its place among all entries of the version's steps
	*Entry
	began time.Time // of a single: when the step was begun there for the last time
}

// fewHosts is how many hosts of an entry are worth a place of their own.
const fewHosts = 4

func (r *record) addStep(e *Entry) {
	of := r.steps[e.Version]
	if of == nil {
		of = &steps{single: map[stepHost]stepEntry{}, many: map[string][]stepEntry{}}
		r.steps[e.Version] = of
	}
	of.count++
	own := *e // the caller's slice of entries is not kept
	s := stepEntry{at: of.count, Entry: &own}
	switch {
	case len(own.Hosts) == 0:
		s.began = of.began(s, "")
		of.single[stepHost{own.Step, ""}] = s
	case len(own.Hosts) <= fewHosts:
		for _, host := range own.Hosts {
			s.began = of.began(s, host)
			of.single[stepHost{own.Step, host}] = s
		}
	default:
		if !slices.IsSorted(own.Hosts) {
			own.Hosts = slices.Sorted(slices.Values(own.Hosts))
		}
		of.many[own.Step] = append(of.many[own.Step], s)
	}
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
	if latest == nil || latest.Outcome != Done {
		return Entry{}, false
	}
	return *latest, true
}

// StepBegan is when a step of this version was begun on a host for the last time, whatever came of it. It is forgotten as
// StepDone's entry is.
func (h History) StepBegan(secret, version, step, host string) (time.Time, bool) {
	r := h.secrets[secret]
	if r == nil || r.steps[version] == nil {
		return time.Time{}, false
	}
	s := r.steps[version]
	if s.latest(step, host) == nil {
		return time.Time{}, false
	}
	return s.began(stepEntry{at: s.count + 1, Entry: &Entry{Step: step}}, host), true
}

// began is when the step was begun of which a new entry tells: its own time when it is a start, else the last start's before it.
func (s *steps) began(e stepEntry, host string) time.Time {
	if e.Outcome == Started {
		return e.Time
	}
	single := s.single[stepHost{e.Step, host}]
	many := s.many[e.Step]
	last := e.Time
	for i := len(many) - 1; i >= 0 && many[i].at > single.at; i-- {
		if _, found := slices.BinarySearch(many[i].Hosts, host); !found {
			continue
		}
		if last = many[i].Time; many[i].Outcome == Started {
			return last
		}
	}
	if single.Entry != nil {
		return single.began
	}
	return last
}

// latest is the last entry about a step on a host, nil without one.
func (s *steps) latest(step, host string) *Entry {
	single := s.single[stepHost{step, host}]
	many := s.many[step]
	for i := len(many) - 1; i >= 0 && many[i].at > single.at; i-- {
		if _, found := slices.BinarySearch(many[i].Hosts, host); found {
			return many[i].Entry
		}
	}
	return single.Entry
}
