package site

import (
	"net/netip"
	"slices"
	"strings"
)

// Directory says which entry of Admin's relay list stands for which host.
type Directory struct {
	// Of is the entry of each host that has one. Of a host that is listed twice it says the worse of both.
	Of map[string]*RelaySeen
	// Ambiguous are hosts whose entry could be another host's: it proves nothing about either.
	Ambiguous []string
	// Others are entries that stand for none of the hosts.
	Others []RelaySeen
}

// Directory finds the hosts in the list. Computers are the names that hosts gave themselves, where they are known.
// A nil list has no entry for anybody.
func (s *RelaysSeen) Directory(hosts []string, computers map[string]string) Directory {
	d := Directory{Of: map[string]*RelaySeen{}}
	if s == nil {
		return d
	}
	x := index{whole: map[string][]int{}, first: map[string][]int{}, relays: s.Relays}
	for i, r := range s.Relays {
		whole, first, _ := labels(r.Name)
		x.whole[whole] = append(x.whole[whole], i)
		x.first[first] = append(x.first[first], i)
	}
	claims := map[int][]string{}
	found := map[string][]int{}
	for _, h := range hosts {
		entries := x.find(h)
		if len(entries) == 0 && computers[h] != "" {
			entries = x.find(computers[h])
		}
		found[h] = entries
		for _, i := range entries {
			claims[i] = append(claims[i], h)
		}
	}
	for _, h := range hosts {
		entries := found[h]
		switch {
		case len(entries) == 0:
		case slices.ContainsFunc(entries, func(i int) bool { return len(claims[i]) > 1 }):
			d.Ambiguous = append(d.Ambiguous, h)
		default:
			d.Of[h] = x.worst(entries)
		}
	}
	for i, r := range s.Relays {
		if len(claims[i]) == 0 {
			d.Others = append(d.Others, r)
		}
	}
	return d
}

// index finds entries by name.
type index struct {
	whole, first map[string][]int
	relays       []RelaySeen
}

// find gives every entry that stands for the host: those with its name, whatever the case; without any, those that
// have its first label where one of the two is a bare name, since the product may report a machine's name only. Two
// names with different domains are different hosts.
func (x index) find(host string) []int {
	whole, first, bare := labels(host)
	if found := x.whole[whole]; len(found) > 0 {
		return found
	}
	var found []int
	for _, i := range x.first[first] {
		if _, _, bareToo := labels(x.relays[i].Name); bare || bareToo {
			found = append(found, i)
		}
	}
	return found
}

// worst is one entry for several: connected where all of them are, with the oldest heartbeat.
func (x index) worst(entries []int) *RelaySeen {
	w := x.relays[entries[0]]
	for _, i := range entries[1:] {
		r := x.relays[i]
		if w.Connected != nil && (r.Connected == nil || !*r.Connected) {
			w.Connected = r.Connected
		}
		if r.Heartbeat.Before(w.Heartbeat) {
			w.Heartbeat = r.Heartbeat
		}
	}
	return &w
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
