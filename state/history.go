package state

import (
	"cmp"
	"strings"
	"time"
)

// History answers questions about what the ledger says. It is data: planning may use it.
//
// The order of the entries decides, never their times: clocks of two machines differ. The zero History is that of an
// empty ledger. It shares slices with the entries that it was made of.
type History struct {
	secrets map[string]*record
	all     []Rotation
	runs    map[string]bool
	// deployment is the last that an entry names.
	deployment string
	fence      uint64 // the highest
	entries    int
	// applied is by the digest of a plan the place of the last entry of a run that applied it, from 1 on.
	applied map[string]int
	planned bool   // an entry is of a plan that was applied
	salt    string // the last that an entry names
	// took are the secrets whose rotations took a step, by its name.
	took map[string]map[string]bool
	// begun is who began a step, by its name, oldest first.
	begun map[string][]taken
	// confirmed is when somebody said last of a service that it runs, or is gone for good.
	confirmed map[serviceOn]time.Time
	forgotten []Forgotten
}

// record is what is known of one secret.
type record struct {
	// whole are the entries about the rotation as a whole, oldest first.
	whole []Entry
	// steps are those that still count, by version.
	steps map[string]*steps
	// untold are those of other versions since a run last told its end: whatever is done for a version now, what they stopped is down
	// since then.
	untold []*steps
	facts  facts
	// ever is what was done once, by version and step: "" for the whole, proven or ahead. Nothing takes it back.
	ever map[stepOf]bool
	// open are the starts of rotations that are not at an end, by version; before is what open was when the latest of a
	// version was started.
	open, before map[string]Entry
	// words are the last about what was down, by its name in the outages.
	words map[string]Word
	// told is the place of the entry that told the last of an outage, by its name.
	told map[string]int
	// count is of entries so far, ended the place of the last one that a run wrote at its end.
	count, ended int
	// fence is the highest of its entries.
	fence uint64
	// rotation is the place of the latest one in History.all.
	rotation int
}

// Word is what a rotation said last about something that was down.
type Word struct {
	// Since is when it went down, zero when it was seen to work again.
	Since time.Time
	// Told is when that was said.
	Told time.Time
	// Started says that it was started again since then, and is not known to work.
	Started bool
	// Host and Service are what it is, when it is one service.
	Host, Service string
	// Secret is whose rotation said it, and Begun the version of that one which is not at an end, "" for none: what the service would
	// start with may be what that has left.
	Secret, Begun string
	// Unsure: its stop was begun, and no end was told; and nobody could look since.
	Unsure bool
	// Sooner: at Since it was seen down, and it had worked some time before.
	Sooner bool
}

// StoppedBy is when the stop had ended for certain, as it takes so long at the most: whoever is heard of after that was started since.
func (w Word) StoppedBy(most time.Duration) time.Time {
	by := w.Since.Add(most)
	if w.Started && w.Told.Before(by) {
		return w.Told
	}
	return by
}

type stepOf struct{ version, step string }

// NewHistory reads entries as Ledger.Entries returns them, oldest first.
func NewHistory(entries []Entry) History {
	h := History{entries: len(entries), applied: map[string]int{}, secrets: map[string]*record{}, runs: map[string]bool{}, took: map[string]map[string]bool{}, begun: map[string][]taken{}, confirmed: map[serviceOn]time.Time{}}
	for i := range entries {
		e := &entries[i]
		if e.Run != "" {
			h.runs[e.Run] = true
		}
		h.deployment, h.fence, h.planned = cmp.Or(e.Deployment, h.deployment), max(h.fence, e.Fence), h.planned || e.Plan != ""
		h.salt = cmp.Or(e.Salt, h.salt)
		if e.Plan != "" && e.Secret != "" && e.Step == "" {
			h.applied[e.Plan] = i + 1
		}
		if e.Secret == "" {
			h.confirm(e)
			if value, found := strings.CutPrefix(e.Step, ForgetStep); found {
				h.forgotten = append(h.forgotten, Forgotten{At: e.Time, Value: value, Run: e.Run, By: e.By, Why: e.Detail})
			}
			continue // about the run, not about a secret
		}
		r := h.secrets[e.Secret]
		if r == nil {
			r = &record{steps: map[string]*steps{}, open: map[string]Entry{}, before: map[string]Entry{}, ever: map[stepOf]bool{}, words: map[string]Word{}, told: map[string]int{}, rotation: -1}
			h.secrets[e.Secret] = r
		}
		if len(e.Hosts) == 0 {
			done := e.Outcome == Proven || e.Outcome == Ahead || e.Step != "" && e.Outcome == Done
			r.ever[stepOf{e.Version, e.Step}] = r.ever[stepOf{e.Version, e.Step}] || done
		}
		if e.Fence > 0 && e.Fence < r.fence {
			h.addLate(*e)
			continue
		}
		r.fence = max(r.fence, e.Fence)
		r.count++
		if e.Step == "" {
			r.addWhole(e)
			h.addRotation(r, *e)
		} else {
			r.addStep(e)
			h.addTurn(r, e)
			h.noteTaken(e)
		}
		r.facts.add(e, i, len(r.open) > 0)
	}
	return h
}

func (r *record) addWhole(e *Entry) {
	r.whole = append(r.whole, *e)
	r.noteOpen(e)
	r.noteDown(e)
	r.noteTold(e)
	switch e.Outcome {
	case Started:
		// From here on, what was done for another version no longer holds.
		kept := r.steps[e.Version]
		for v, s := range r.steps {
			if v != e.Version && s.last > r.ended {
				r.untold = append(r.untold, s)
			}
		}
		clear(r.steps)
		if kept != nil {
			r.steps[e.Version] = kept
		}
	case Back:
		delete(r.steps, e.Version)
	}
}

func (r *record) noteDown(e *Entry) {
	if e.Outcome == Proven && len(e.Left) == 0 {
		clear(r.words) // it works since then, whoever brought it up
	}
	for _, o := range e.Outages {
		r.words[o.What] = Word{Since: o.Since, Told: e.Time, Started: o.Started, Host: o.Host, Service: o.Service, Sooner: o.AtLeast, Unsure: o.Unsure}
	}
}

func (r *record) noteTold(e *Entry) {
	if e.Outcome != Started {
		r.ended, r.untold = r.count, nil
	}
	for _, o := range e.Outages {
		r.told[o.What] = r.count
	}
}

// Ever says that a step without a host was done for a version at any time, whatever came of the rotation; "" asks for the
// rotation as a whole: proven or ahead. Known says that the ledger has heard of the version at all.
func (h History) Ever(secret, version, step string) (done, known bool) {
	r := h.secrets[secret]
	if r == nil {
		return false, false
	}
	_, known = r.ever[stepOf{version, ""}]
	return r.ever[stepOf{version, step}], known
}

// Deployment is the name that the latest run gave, "" when none did.
func (h History) Deployment() string { return h.deployment }

// Fence is the highest of all entries.
func (h History) Fence() uint64 { return h.fence }

// Planned says that a plan was applied, so that there was a salt.
func (h History) Planned() bool { return h.planned }

// Salt says which salt the latest run used, "" when none said so.
func (h History) Salt() string { return h.salt }

// Empty says that nothing was ever recorded.
func (h History) Empty() bool { return len(h.secrets) == 0 && len(h.runs) == 0 }

// Forgotten are the kept values that were taken away, oldest first.
func (h History) Forgotten() []Forgotten { return h.forgotten }

// Knows says that the ledger has an entry of this run.
func (h History) Knows(run string) bool { return h.runs[run] }

func (h History) whole(secret string) []Entry {
	if r := h.secrets[secret]; r != nil {
		return r.whole
	}
	return nil
}

// noteOpen keeps which rotations the next run goes on from.
func (r *record) noteOpen(e *Entry) {
	v := e.Version
	switch e.Outcome {
	case Started:
		delete(r.before, v)
		if was, open := r.open[v]; open {
			r.before[v] = was
		}
		r.open[v] = *e
	case Ahead, Unknown:
		if _, open := r.open[v]; !open { // recorded without a start
			r.open[v] = *e
		}
	case Back:
		// Everything is as it was before that run: if a rotation was open then, it still is.
		was, open := r.before[v]
		delete(r.open, v)
		delete(r.before, v)
		if open {
			r.open[v] = was
		}
	default:
		delete(r.open, v)
		delete(r.before, v)
	}
}
