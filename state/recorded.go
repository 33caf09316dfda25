package state

import (
	"slices"
)

// Recorded is the entry as every ledger returns it: its time in UTC, its hosts sorted and each once, without what is not
// recorded. It shares nothing with e.
func (e Entry) Recorded() Entry {
	e.Time = e.Time.UTC().Round(0) // no monotonic clock: that is of this process
	if !ascending(e.Hosts) {
		e.Hosts = slices.Compact(slices.Sorted(slices.Values(e.Hosts)))
	} else {
		e.Hosts = clone(e.Hosts)
	}
	e.Link = ""
	e.Facts, e.Left, e.Outages = clone(e.Facts), clone(e.Left), clone(e.Outages)
	for i := range e.Outages {
		e.Outages[i].Members, e.Outages[i].Unseen, e.Outages[i].With = nil, nil, ""
		e.Outages[i].Since = e.Outages[i].Since.UTC().Round(0)
		e.Outages[i].UpBy = e.Outages[i].UpBy.UTC().Round(0)
	}
	return e
}

// ascending says that a set is in order already, each once: a fleet is not sorted for every entry.
func ascending(names []string) bool {
	for i := 1; i < len(names); i++ {
		if names[i-1] >= names[i] {
			return false
		}
	}
	return true
}

// clone is nil for what is empty: written or not, nothing is nothing.
func clone[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return slices.Clone(s)
}
