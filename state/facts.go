package state

import "slices"

// facts are those of one secret that hold.
type facts map[factKey]fact

type factKey struct{ host, field string }

type fact struct {
	value string
	at    int // the place of the entry that told it in the ledger
	// passing: told with Started, so it holds until the rotation is proven or back.
	passing bool
	run     string // that told it
}

// add takes what an entry tells. Told again, a fact replaces what was told before, whatever it was told with: what it
// replaced does not come back when a rotation ends. What goes back ends what it told itself: what holds of a host that an earlier
// rotation left behind holds still.
func (f *facts) add(e *Entry, at int, open bool) {
	if e.Step == "" && (e.Outcome == Proven || e.Outcome == Back && !open) {
		for key, known := range *f {
			if known.passing && (e.Outcome == Proven || known.run == e.Run) && !e.unfinishedOn(key.host) {
				delete(*f, key)
			}
		}
	}
	for _, told := range e.Facts {
		if *f == nil {
			*f = facts{}
		}
		(*f)[factKey{told.Host, told.Field}] = fact{told.Value, at, e.Outcome == Started, e.Run}
	}
}

// unfinishedOn says that nothing is at an end on a host: it was left behind, or something of it is down still, be it that the document no longer
// names it.
func (e *Entry) unfinishedOn(host string) bool {
	return slices.Contains(e.Left, host) || slices.ContainsFunc(e.Outages, func(o Outage) bool { return o.Host == host && !o.Since.IsZero() })
}

// Fact is what the ledger knows about a host ("" for none), told with an entry about a secret. What was told with a
// Started entry holds until the secret's next Proven or Back; anything else until it is told again.
func (h History) Fact(secret, host, field string) (value string, ok bool) {
	r := h.secrets[secret]
	if r == nil {
		return "", false
	}
	known, ok := r.facts[factKey{host, field}]
	return known.value, ok
}

// LastFact is what was told of it last, with whichever secret.
func (h History) LastFact(host, field string) (value string) {
	last := -1
	for _, r := range h.secrets {
		if known, ok := r.facts[factKey{host, field}]; ok && known.at > last {
			value, last = known.value, known.at
		}
	}
	return value
}
