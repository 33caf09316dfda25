package state

import (
	"time"
)

// LastProven is the latest rotation of a secret that was proven and not taken back later. It says when the secret was
// last rotated; it does not say that its version is still live, for a later rotation may have been cut off, or be
// ahead: see Vouched.
func (h History) LastProven(secret string) (Entry, bool) {
	whole := h.whole(secret)
	back := map[string]bool{}
	for i := len(whole) - 1; i >= 0; i-- {
		switch e := whole[i]; e.Outcome {
		case Back:
			back[e.Version] = true
		case Proven:
			if !back[e.Version] {
				return e, true
			}
		case Started:
			delete(back, e.Version) // it takes back one rotation, the one that was started last
		}
	}
	return Entry{}, false
}

// LeftBehind is the latest rotation that changed something and came to an end, whatever that was: the hosts that it left behind have
// not what the others have, until a later one finishes them. One that went back left them as they were.
func (h History) LeftBehind(secret string) (last Entry, ok bool) {
	for _, e := range h.whole(secret) {
		if e.Outcome != Started && e.Outcome != Back {
			last, ok = e, true
		}
	}
	return last, ok
}

// Replaced is the rotation that proved another version after this one had been live, which it was once it was proven, or ahead.
func (h History) Replaced(secret, version string) (by Entry, ok bool) {
	live := false
	for _, e := range h.whole(secret) {
		switch ended := e.Outcome == Proven || e.Outcome == Ahead; {
		case e.Version == version && ended:
			live, ok = true, false
		case live && e.Outcome == Proven:
			by, ok = e, true
		}
	}
	return by, ok
}

// Pending is the start of a rotation that the next run goes on from: it is under way, was cut off, is ahead, or nobody
// knows. Its effects may or may not have happened. Proven ends it. Back ends it unless it was pending before the run that
// went back: what such a run found half done it left half done.
func (h History) Pending(secret, version string) (Entry, bool) {
	r := h.secrets[secret]
	if r == nil {
		return Entry{}, false
	}
	e, ok := r.open[version]
	return e, ok
}

// Vouched is the version that the ledger can vouch for: the latest word on the secret is that a rotation was proven, or
// that everything is back as it was before it. After a start without an outcome, a failure, or something that has no way
// back, ok is false: look, or do it again. It is meant for secrets that cannot be read back.
func (h History) Vouched(secret string) (version string, ok bool) {
	whole := h.whole(secret)
	if len(whole) == 0 {
		return "", false
	}
	switch last := whole[len(whole)-1]; last.Outcome {
	case Proven:
		return last.Version, last.Version != ""
	case Back:
		if len(h.secrets[secret].open) > 0 {
			return "", false // it came back to something that another run left half done
		}
		before := beforeIt(whole)
		return before, before != ""
	}
	return "", false
}

// CutOff says that the latest rotation of a secret has no ending: its run is at work, or died. What it had sent may still be
// at work on a host.
func (h History) CutOff(secret string) bool {
	whole := h.whole(secret)
	return len(whole) > 0 && whole[len(whole)-1].Outcome == Started
}

// beforeIt is the version that was live before the rotation of which the last entry says Back, "" when that is not
// known. The entry that began it knows, even if the last one does not say. What came back to a rotation that was ahead
// came back to something that nobody can name.
func beforeIt(whole []Entry) string {
	last := whole[len(whole)-1]
	before := last.Before
	for i := len(whole) - 2; i >= 0; i-- {
		switch e := whole[i]; {
		case e.Outcome == Proven:
			return before
		case e.Outcome == Ahead || e.Outcome == Unknown:
			return ""
		case e.Outcome == Started && e.Version == last.Version && before == "":
			before = e.Before
		}
	}
	return before
}

// Outages are those that were last measured for a secret from their beginning to their end, in a run that proved it; nil when
// none ever were. What may have been shorter, goes on, or began before that run was not measured.
func (h History) Outages(secret string) []Outage {
	whole := h.whole(secret)
	for i := len(whole) - 1; i >= 0; i-- {
		var all []Outage
		for _, o := range whole[i].Outages {
			if whole[i].Outcome == Proven && o.Measured > 0 && o.Since.IsZero() && o.UpBy.IsZero() && !o.Earlier && !o.AtMost && !o.AtLeast && !o.Found {
				all = append(all, o)
			}
		}
		if len(all) > 0 {
			return all
		}
	}
	return nil
}

// LastWord is what rotations of the secret said last about something that was down. ok is false when nothing was said about it
// since everything was proven.
func (h History) LastWord(secret, what string) (w Word, ok bool) {
	if r := h.secrets[secret]; r != nil {
		w, ok = r.words[what]
	}
	return w, ok
}

// Since is the rotation that brought the version of LastProven. A later run that finished it on hosts that were left
// behind does not make the value any younger.
func (h History) Since(secret string) (Entry, bool) {
	last, ok := h.LastProven(secret)
	if !ok {
		return Entry{}, false
	}
	since := last
	whole := h.whole(secret)
	for i := len(whole) - 1; i >= 0; i-- {
		e := whole[i]
		if e.Outcome == Proven && e.Version != last.Version {
			break
		}
		if e.Outcome == Proven {
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
