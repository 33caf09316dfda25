package site

import (
	"time"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// Reading is what is known of a process and of the file that it reads at its start: whether it has read it as it is now.
type Reading int

// The readings. The zero Reading is that of nobody.
const (
	// Unread: the process is older than the file, or nobody can say.
	Unread Reading = iota
	// Likely: the content is what a run of ours wrote, or found, and proved, and the process started after it was written. Since then
	// something else about the file was changed, by a backup as a rule.
	Likely
	// Read: the process is younger than every change of the file, or an earlier run has proven this very process.
	Read
)

// ReadingOf compares a service's process with its file. That the file looks older than the process says little: a copy keeps the
// time of the file that it was made of. What no copy keeps is when the file was changed, which the file system notes. Holds says that
// the file holds the version: a process that was proven with it has not read what holds another. A file whose time lies in its host's
// future was written before the clock was set back: no process can be younger, and to restart one shows nothing.
func ReadingOf(in reconciler.Input, ref secret.Ref, host string, s *ServiceSeen, m *MachineSeen, b Base, holds bool) Reading {
	h, started := in.History, s.StartedAt
	if !s.Running() || started.IsZero() {
		return Unread
	}
	proof := reconciler.Step{Phase: reconciler.Verify, Op: ProveProcess{Host: host, Service: s.Name, Path: b.Path}}
	proven, ok := h.StepDone(ref.Name, ref.Version, proof.Name(), host)
	same := ok && started.Add(-skewOf(m)).Before(proven.Time)
	switch {
	case same && holds: // it has what the file holds, whoever has written that anew since: a policy does so every night
		return Read
	case ok && holds && (b.ahead(in.Now, m) || ProvenAhead(h, ref, host, b)): // proven there, and it holds it still
		return Likely
	case started.Before(b.Modified):
		return Unread
	case !b.Changed.IsZero() && !started.Before(b.Changed):
		return Read
	case same:
		return Unread
	case ok && holds && (WroteIt(h, ref, host, m, b, proven.Time) || foundIt(h, ref, host, m, b, proven.Time)):
		return Likely
	}
	return readingOfOthers(h, ref, host, proof.Name(), started, m, b)
}

// ProvenProcess says that an earlier run has proven this very process of a service with a version.
func ProvenProcess(h state.History, ref secret.Ref, host string, s *ServiceSeen, m *MachineSeen, path string) bool {
	if !s.Running() || s.StartedAt.IsZero() {
		return false
	}
	proof := reconciler.Step{Phase: reconciler.Verify, Op: ProveProcess{Host: host, Service: s.Name, Path: path}}
	proven, ok := h.StepDone(ref.Name, ref.Version, proof.Name(), host)
	return ok && s.StartedAt.Add(-skewOf(m)).Before(proven.Time)
}

// readingOfOthers is what rotations of other secrets in the file have proven: it counts while the file is what they wrote.
func readingOfOthers(h state.History, ref secret.Ref, host, proof string, started time.Time, m *MachineSeen, b Base) Reading {
	reading := Unread
	for _, proven := range h.StepDoneOf(proof, host) {
		other := secret.Ref{Name: proven.Secret, Version: proven.Version}
		if other.Name == ref.Name || !WroteIt(h, other, host, m, b, proven.Time) {
			continue
		}
		if started.Add(-skewOf(m)).Before(proven.Time) {
			return Read
		}
		reading = Likely
	}
	return reading
}

// WroteIt says that the file was written last by a run of ours, which was proven by that moment.
func WroteIt(h state.History, ref secret.Ref, host string, m *MachineSeen, b Base, proven time.Time) bool {
	swap := reconciler.Step{Phase: reconciler.Switch, Op: Swap{Host: host, Path: b.Path}}
	began, ok := h.StepBegan(ref.Name, ref.Version, swap.Name(), host)
	at := b.Modified.Add(-skewOf(m))
	return ok && at.After(began.Add(-SkewError)) && at.Before(proven.Add(SkewError))
}

// foundIt says that no run of ours has written the file, as it held the version already, that this was proven, and that nobody has
// written it since.
func foundIt(h state.History, ref secret.Ref, host string, m *MachineSeen, b Base, proven time.Time) bool {
	swap := reconciler.Step{Phase: reconciler.Switch, Op: Swap{Host: host, Path: b.Path}}
	_, wrote := h.StepBegan(ref.Name, ref.Version, swap.Name(), host)
	return !wrote && b.Modified.Add(-skewOf(m)).Before(proven.Add(SkewError))
}

// Written is when the file was last changed by anybody, as far as the host tells.
func (b Base) Written() time.Time {
	if b.Changed.After(b.Modified) {
		return b.Changed
	}
	return b.Modified
}

// SkewError is how wrong the measured difference of two clocks may be.
const SkewError = 10 * time.Second

func skewOf(m *MachineSeen) time.Duration {
	if m == nil {
		return 0
	}
	return m.Skew
}
