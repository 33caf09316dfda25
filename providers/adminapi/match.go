package adminapi

import (
	"net/netip"
	"strings"
)

// Index finds relays by host.
type Index struct{ whole, first map[string][]Relay }

// Index prepares for many calls of Find.
func (r Relays) Index() Index {
	x := Index{whole: make(map[string][]Relay, len(r.List)), first: make(map[string][]Relay, len(r.List))}
	for _, relay := range r.List {
		whole, first, _ := labels(relay.Name)
		x.whole[whole] = append(x.whole[whole], relay)
		x.first[first] = append(x.first[first], relay)
	}
	return x
}

// Find gives every entry that stands for the host: those with its name, whatever the case; without any, those that
// have its first label where one of the two is a bare name, since the product may report a machine's name only. Two
// names with different domains are different hosts. More than one entry means that the product lists a host twice,
// or that a bare name fits several: the caller must not pick the one that it likes.
func (x Index) Find(host string) []Relay {
	whole, first, bare := labels(host)
	if found := x.whole[whole]; len(found) > 0 {
		return found
	}
	var found []Relay
	for _, relay := range x.first[first] {
		if _, _, bareToo := labels(relay.Name); bare || bareToo {
			found = append(found, relay)
		}
	}
	return found
}

// labels gives a host's name and its first label in lower case. An address has no labels.
func labels(host string) (whole, first string, bare bool) {
	whole = strings.ToLower(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(whole); err == nil {
		return whole, whole, false
	}
	first, _, dotted := strings.Cut(whole, ".")
	return whole, first, !dotted
}
