package state

import "time"

// History answers questions about what the ledger says. It is data: planning may use it.
//
// The order of the entries decides, never their times: clocks of two machines differ. The zero History is that of an
// empty ledger.
type History struct {
	secrets map[string]*record
	all     []Rotation
}

// record is what is known of one secret.
type record struct {
	// whole are the entries about the rotation as a whole, oldest first.
	whole []Entry
	// steps are the latest entries of steps that still count, by version.
	steps map[string]map[stepKey]Entry
}

type stepKey struct{ step, host string }

// NewHistory reads entries as Ledger.Entries returns them, oldest first.
func NewHistory(entries []Entry) History {
	h := History{secrets: map[string]*record{}}
	for _, e := range entries {
		if e.Secret == "" {
			continue // about the run, not about a secret
		}
		r := h.secrets[e.Secret]
		if r == nil {
			r = &record{steps: map[string]map[stepKey]Entry{}}
			h.secrets[e.Secret] = r
		}
		if e.Step == "" {
			r.addWhole(e)
			h.all = addRotation(h.all, e)
		} else {
			r.addStep(e)
		}
	}
	return h
}

func (r *record) addWhole(e Entry) {
	r.whole = append(r.whole, e)
	switch e.Outcome {
	case Started:
		// From here on, what was done for another version no longer holds.
		kept := r.steps[e.Version]
		clear(r.steps)
		if kept != nil {
			r.steps[e.Version] = kept
		}
	case Undone:
		delete(r.steps, e.Version)
	}
}

func (r *record) addStep(e Entry) {
	of := r.steps[e.Version]
	if of == nil {
		of = map[stepKey]Entry{}
		r.steps[e.Version] = of
	}
	of[stepKey{e.Step, e.Host}] = e
}

func (h History) whole(secret string) []Entry {
	if r := h.secrets[secret]; r != nil {
		return r.whole
	}
	return nil
}

// LastDone is the latest rotation of a secret that was proven and not undone later. It says when the secret was last
// rotated; it does not say that its version is still live, for a later rotation may have been cut off: see Proven.
func (h History) LastDone(secret string) (Entry, bool) {
	whole := h.whole(secret)
	undone := map[string]bool{}
	for i := len(whole) - 1; i >= 0; i-- {
		switch e := whole[i]; e.Outcome {
		case Undone:
			undone[e.Version] = true
		case Done:
			if !undone[e.Version] {
				return e, true
			}
		case Started:
			delete(undone, e.Version) // one undo takes back one rotation
		}
	}
	return Entry{}, false
}

// Pending is the start of a rotation that has no outcome: it is under way, or was cut off. Its effects may or may not
// have happened.
func (h History) Pending(secret, version string) (Entry, bool) {
	whole := h.whole(secret)
	for i := len(whole) - 1; i >= 0; i-- {
		e := whole[i]
		if e.Version != version {
			continue
		}
		switch e.Outcome {
		case Started:
			return e, true
		case Done, Failed, Undone:
			return Entry{}, false
		}
	}
	return Entry{}, false
}

// Proven is the version that the ledger can vouch for: the latest word on the secret is that a rotation was proven,
// or was taken back to a known version. After a start without an outcome, or a failure, ok is false: look, or do it
// again. It is meant for secrets that cannot be read back.
func (h History) Proven(secret string) (version string, ok bool) {
	whole := h.whole(secret)
	if len(whole) == 0 {
		return "", false
	}
	switch last := whole[len(whole)-1]; {
	case last.Outcome == Done:
		return last.Version, last.Version != ""
	case last.Outcome == Undone:
		// The entry that began the rotation knows what was live before, even if the undo does not say it.
		before := last.Before
		for i := len(whole) - 1; i >= 0 && before == "" && whole[i].Outcome != Done; i-- {
			if whole[i].Outcome == Started && whole[i].Version == last.Version {
				before = whole[i].Before
			}
		}
		return before, before != ""
	}
	return "", false
}

// StepDone is the entry that says that a step of this version is done on a host ("" for steps without one). It no
// longer counts when the step was tried again since, when the rotation was undone, or when a rotation to another
// version was started.
func (h History) StepDone(secret, version, step, host string) (Entry, bool) {
	r := h.secrets[secret]
	if r == nil {
		return Entry{}, false
	}
	e, ok := r.steps[version][stepKey{step, host}]
	return e, ok && e.Outcome == Done
}

// Outages are those that were last measured for a secret, nil when none ever were.
func (h History) Outages(secret string) []Outage {
	whole := h.whole(secret)
	for i := len(whole) - 1; i >= 0; i-- {
		if o := whole[i].Outages; len(o) > 0 {
			return append([]Outage(nil), o...)
		}
	}
	return nil
}

// Since is the rotation that brought the version of LastDone. A later run that finished it on hosts that were left
// behind does not make the value any younger.
func (h History) Since(secret string) (Entry, bool) {
	last, ok := h.LastDone(secret)
	if !ok {
		return Entry{}, false
	}
	since := last
	whole := h.whole(secret)
	for i := len(whole) - 1; i >= 0; i-- {
		e := whole[i]
		if e.Outcome == Done && e.Version != last.Version {
			break
		}
		if e.Outcome == Done {
			since = e
		}
	}
	return since, true
}

// Due is when the next rotation of a secret is due: the last one plus every. ok is false when there is no cadence or
// when no rotation is on record.
func (h History) Due(secret string, every time.Duration) (due time.Time, ok bool) {
	last, ok := h.Since(secret)
	if !ok || every <= 0 || last.Time.IsZero() {
		return time.Time{}, false
	}
	return last.Time.Add(every), true
}
