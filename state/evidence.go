package state

import (
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

// Accepts is the fact that a host accepts what others know when the rotation that takes it out elsewhere is proven, and has left the host
// behind. Its value is why others know it.
const Accepts = "accepts what is compromised"

// LookedBut is the fact that a rotation of a compromised secret has looked everywhere but at these targets, with commas between: where
// it has no step at a place that an earlier run named, the old value is there no more.
const LookedBut = "looked everywhere but at"

// On is the fact that a step which takes an old value out of places was done on this target, which is no host: it has another place on
// each of those, and one of them may be left behind.
const On = "on"

// LookedFor is the step of an entry, of no secret, that a run has looked for what others know of one and found nothing to do: with the fact
// LookedBut. The run that took it out was ended before it could say so.
func LookedFor(secret string) string { return "look for the old " + secret }

// Open are the targets where the old value may be still, as far as the ledger knows; "" is none that it can name.
func (v Evidence) Open() (targets []string) {
	for _, p := range v.Places {
		if !(fate{became: p.Became}).open() {
			continue
		}
		targets = append(targets, p.Hosts...)
		if len(p.Hosts) == 0 {
			targets = append(targets, where{place: p.Place}.target())
		}
	}
	return targets
}

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
	// Also are other versions that were live somewhere when it began, or may have been: others know them too.
	Also []string `json:"also,omitempty"`
	// Earlier are the runs with which earlier emergencies began, oldest first.
	Earlier []string `json:"earlier,omitempty"`
	// Parts are what of the version others know, where it is made of several things; empty: all of it.
	Parts []string `json:"-"`
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
	var a inUse
	for _, e := range h.whole(secret) {
		reason, told := compromised(e)
		a.parts = a.parts || e.ousts()
		switch {
		case e.Outcome == Started && told:
			if out.known == nil || !a.parts {
				out = leaks{known: map[string]string{}, now: reason}
			}
			out.add(e, reason, a)
		case e.Outcome == Back:
			out = leaks{}
		case e.Outcome == Proven && !slices.Contains(e.Left, host):
			out, what, why = leaks{}, nil, ""
		case e.Outcome == Proven && out.known != nil:
			what, why, out = slices.AppendSeq(what, maps.Keys(out.known)), out.now, leaks{}
		}
		a.take(e)
	}
	slices.Sort(what)
	return slices.Compact(what), why
}

// WasCompromised says that an emergency of a secret is on record.
func (h History) WasCompromised(secret string) bool {
	return slices.ContainsFunc(h.whole(secret), func(e Entry) bool { _, told := compromised(e); return told })
}

// Emergency is the version with which a run replaced last what others know of a secret, "" when none did, or when another version was
// proven since.
func (h History) Emergency(secret string) (version string) {
	for _, e := range h.whole(secret) {
		if _, told := compromised(e); told {
			version = e.Version
		} else if e.Outcome == Proven && e.Version != version {
			version = ""
		}
	}
	return version
}
