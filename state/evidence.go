package state

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// Compromised is the fact that others know the live value of a secret: why, with the start of the rotation that replaces it.
const Compromised = "compromised"

// Ousted is the fact that a rotation of a compromised secret takes out one of the things that its version is made of: that is what
// others know, and not the rest. Keeps is the fact that a rotation puts something into force that others know.
const (
	Ousted = "compromised part"
	Keeps  = "keeps what is compromised"
)

// Keeper is the fact that a place has what others know, and that no step of the rotation takes it out of there. Its value names the
// place.
const Keeper = "keeper"

// LookedBut is the fact that a rotation of a compromised secret has looked everywhere but at these targets, with commas between: where
// it has no step at a place that an earlier run named, the old value is there no more.
const LookedBut = "looked everywhere but at"

const (
	heldUntil = "holds it until "
	heldBy    = "holds it until, by "
)

// HeldUntil is the fact that a place has the old value of a compromised secret until a step is done. Its value names the place.
func HeldUntil(step string) string { return heldUntil + step }

// HeldUntilBy is HeldUntil of a step that another secret's rotation does.
func HeldUntilBy(secret, step string) string { return heldBy + taking(secret, step) }

// taking is a step of a secret that takes an old value out of where it is.
func taking(secret, step string) string { return secret + ": " + step }

const madeBy = "is made by "

// MadeBy is the fact that a place has nothing in it before a step is begun: a backup. Its value names the place.
func MadeBy(step string) string { return madeBy + step }

// held is what takes the old value of a secret out of a place that the fact names.
func (f Fact) held(secret string) (by string, ok bool) {
	if by, ok := strings.CutPrefix(f.Field, heldBy); ok {
		return by, true
	}
	step, ok := strings.CutPrefix(f.Field, heldUntil)
	return taking(secret, step), ok
}

// Evidence is what the ledger tells of a compromised secret. There is no value in it.
type Evidence struct {
	Secret string `json:"secret"`
	// Before is the version that others know, "" when that is not known; Version replaces it.
	Before  string `json:"before,omitempty"`
	Version string `json:"version"`
	Why     string `json:"why"`
	// Rotations are the runs that worked at it, oldest first, each with who, when, how it ended, its proof and its outages.
	Rotations []Rotation `json:"rotations"`
	// Places held the old value when the first run began.
	Places []Place `json:"places"`
	// Again is the later rotation that declared it again, nil when none did, or when another one has replaced it since.
	Again *Witness `json:"again,omitempty"`
	// Entries are those of the ledger that say all this.
	Entries []Witness `json:"entries"`
	// Ledger is its last entry: with an entry's hash it says whether anything was changed since.
	Ledger Witness `json:"ledger"`
}

// Place is somewhere that the old value was.
type Place struct {
	Place string   `json:"place"`
	Hosts []string `json:"hosts,omitempty"`
	// Became is Done where the old value was taken out, Back where it was put back; Failed, Unknown, and Started where nobody came
	// to it: it may be there still. Gone where a later run found it there no more, and no run has told that it took it out. Untouched where the rotation was never to come to it.
	Became Outcome   `json:"became"`
	At     time.Time `json:"at,omitzero"`
}

// Gone is what became of a place that does not hold the old value any more, by the look of a later run: the one that took it out was
// ended before it could say so.
const Gone Outcome = "gone"

// Untouched is what became of a place that keeps what others know.
const Untouched Outcome = "untouched"

// Witness is an entry of the ledger.
type Witness struct {
	// Entry is its place in the ledger, from 1 on, and Hash its link of the chain: of itself and of all before it.
	Entry   int       `json:"entry"`
	Hash    string    `json:"hash"`
	Time    time.Time `json:"time"`
	Run     string    `json:"run,omitempty"`
	Step    string    `json:"step,omitempty"`
	Hosts   []string  `json:"hosts,omitempty"`
	Outcome Outcome   `json:"outcome"`
	Detail  string    `json:"detail,omitempty"`
}

// Compromised is why others know the live value of a secret, "" when nobody said so since it was last replaced: what was put back, or
// declared again, is known to them still.
func (h History) Compromised(secret string) string { return h.leaks(secret).now }

// Leaked is what others know of a version, and why: the version itself, or one of the parts that it is made of. Both are "" when
// nobody said so. It stays so for good.
func (h History) Leaked(secret, version string, parts []string) (what, why string) {
	l := h.leaks(secret)
	for _, what := range append([]string{version}, parts...) {
		if why := l.known[what]; what != "" && why != "" {
			return what, why
		}
	}
	return "", ""
}

// LeakedOn is what others know of a secret and a host may accept still, and why: the rotation that took it out left the host behind,
// and none that was proven has come there since.
func (h History) LeakedOn(secret, host string) (what []string, why string) {
	var out leaks // of what a rotation takes out that is not at its end
	for _, e := range h.whole(secret) {
		reason, told := compromised(e)
		switch {
		case e.Outcome == Started && told:
			out = leaks{known: map[string]string{}, now: reason}
			out.add(e, reason)
		case e.Outcome == Back:
			out = leaks{}
		case e.Outcome == Proven && !slices.Contains(e.Left, host):
			out, what, why = leaks{}, nil, ""
		case e.Outcome == Proven && out.known != nil:
			what, why, out = slices.AppendSeq(what, maps.Keys(out.known)), out.now, leaks{}
		}
	}
	slices.Sort(what)
	return slices.Compact(what), why
}

// Emergency is the version with which a run replaced last what others know of a secret, "" when none did.
func (h History) Emergency(secret string) (version string) {
	for _, e := range h.whole(secret) {
		if _, told := compromised(e); told {
			version = e.Version
		}
	}
	return version
}

// leaks are what others know of a secret.
type leaks struct {
	known map[string]string // versions and parts of versions, each with why
	now   string            // why others know what is live, "" when they do not
}

func (h History) leaks(secret string) leaks {
	l := leaks{known: map[string]string{}}
	keeping, before := map[string]string{}, "" // by version, why others know it; and what now was before such a one began
	for _, e := range h.whole(secret) {
		why, told := compromised(e)
		switch kept := l.keeps(e); {
		case e.Outcome == Started && kept != "":
			keeping[e.Version], before, l.now = kept, l.now, kept
		case e.Outcome == Started:
			delete(keeping, e.Version)
			if told {
				l.now = why
				l.add(e, why)
			}
		case e.Outcome == Back && keeping[e.Version] != "":
			l.now = before
		case e.Outcome == Proven:
			l.now = cmp.Or(keeping[e.Version], l.known[e.Version])
		}
	}
	return l
}

// add notes what the start of an emergency says that others know.
func (l leaks) add(e Entry, why string) {
	whole := true
	for _, f := range e.Facts {
		if f.Field == Ousted {
			l.known[f.Value], whole = why, false
		}
	}
	if whole && e.Before != "" && e.Before != e.Version {
		l.known[e.Before] = why
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

// EvidenceOf is that of the last rotation of a secret that was said to be compromised; ok is false when none was.
func EvidenceOf(entries []Entry, secret string) (v Evidence, ok bool) {
	first, ended := -1, true
	for i, e := range entries {
		if e.Secret != secret {
			continue
		}
		if why, told := compromised(e); told {
			if ended || e.Version != v.Version {
				first, v = i, Evidence{Secret: secret, Version: e.Version, Before: e.Before, Why: why}
			}
			ended = false
		}
		ended = ended || e.Version == v.Version && e.Step == "" && e.Outcome == Proven
	}
	if first < 0 {
		return v, false
	}
	var of, told []Entry // told: those of others with them, that took it out of a place of theirs
	made, by := madeBefore(entries, first, v)
	for _, i := range by {
		v.Entries = append(v.Entries, witness(i, entries[i]))
	}
	others := map[string]bool{}
	for i, e := range entries[first:] {
		if e.Secret == secret && e.Version != v.Version {
			break
		}
		for _, f := range e.Facts {
			if by, held := f.held(secret); held && e.Secret == secret {
				name, _, _ := strings.Cut(by, ": ")
				others[by], others[name+": "] = true, true
			}
		}
		if e.Secret == secret {
			of = append(of, e)
		} else if !others[taking(e.Secret, e.Step)] {
			continue
		}
		told = append(told, e)
		v.Entries = append(v.Entries, witness(first+i, e))
	}
	v.Rotations = NewHistory(of).Rotations(secret)
	v.Places = placesOf(secret, told, made)
	v.Again = again(entries, first, v)
	v.Ledger = witness(len(entries)-1, entries[len(entries)-1])
	return v, true
}

// again is the last rotation since the first of an emergency that puts into force what others know.
func again(entries []Entry, first int, v Evidence) *Witness {
	var last *Witness
	version := ""
	for i := first; i < len(entries); i++ {
		e := entries[i]
		if e.Secret != v.Secret || e.Step != "" {
			continue
		}
		_, told := compromised(e)
		keeps := e.Version == v.Before && v.Before != v.Version || slices.ContainsFunc(e.Facts, func(f Fact) bool { return f.Field == Keeps })
		switch {
		case e.Outcome == Started && keeps && !told:
			w := witness(i, e)
			last, version = &w, e.Version
		case e.Outcome == Back && e.Version == version, e.Outcome == Proven && e.Version != version:
			last = nil
		}
	}
	return last
}

func witness(i int, e Entry) Witness {
	return Witness{Entry: i + 1, Hash: e.Link, Time: e.Time, Run: e.Run, Step: e.Step, Hosts: e.Hosts, Outcome: e.Outcome, Detail: e.Detail}
}

func compromised(e Entry) (why string, told bool) {
	for _, f := range e.Facts {
		if f.Field == Compromised && e.Outcome == Started && e.Step == "" {
			return f.Value, true
		}
	}
	return "", false
}
