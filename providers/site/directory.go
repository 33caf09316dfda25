package site

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"meshrotate/reconciler"
)

// Directory says which entry of Admin's relay list stands for which host.
type Directory struct {
	// Of is the entry of each host that has one. Of a host that is listed twice it is the one that was heard of last: what a
	// relay left behind when it connected anew says nothing of the one that lives.
	Of map[string]*RelaySeen
	// Ambiguous are hosts whose entry could be another host's: it proves nothing about either.
	Ambiguous []string
	// Doubts say why, of those that are listed in the domain of another, or in two.
	Doubts map[string]string
	// Others are entries that stand for none of the hosts.
	Others []RelaySeen
}

// DirectoryOf finds the hosts in Admin's list, also by the names that they gave themselves.
func DirectoryOf(seen reconciler.Seen, hosts []string) Directory {
	computers := map[string]string{}
	for _, h := range hosts {
		if m := Answer[MachineSeen](seen, Machine{Host: h}); m != nil {
			computers[h] = m.ComputerName
		}
	}
	return Answer[RelaysSeen](seen, Relays{}).Directory(hosts, computers)
}

// Directory finds the hosts in the list. Computers are the names that hosts gave themselves, where they are known.
// A nil list has no entry for anybody.
func (s *RelaysSeen) Directory(hosts []string, computers map[string]string) Directory {
	d := Directory{Of: map[string]*RelaySeen{}, Doubts: map[string]string{}}
	if s == nil {
		return d
	}
	x := index{whole: map[string][]int{}, first: map[string][]int{}, relays: s.Relays, time: s.Time, domained: map[string]bool{}, usual: map[string]bool{}}
	for _, domain := range s.Domains {
		x.usual[strings.ToLower(domain)] = true
	}
	for _, h := range hosts {
		if _, first, bare := labels(h); !bare {
			x.domained[first+" "+domainOf(h)] = true
		}
	}
	for i, r := range s.Relays {
		for _, name := range r.names() {
			whole, first, _ := labels(name)
			x.whole[whole] = appendOnce(x.whole[whole], i)
			x.first[first] = appendOnce(x.first[first], i)
		}
	}
	claims := map[int][]string{}
	found := map[string][]int{}
	for _, h := range hosts {
		entries := x.find(h)
		if _, first, _ := labels(h); computers[h] != "" && !strings.EqualFold(first, computers[h]) { // else only its domain would be dropped
			for _, i := range x.find(computers[h]) {
				entries = appendOnce(entries, i)
			}
		}
		entries = Where(entries, func(i int) bool { return !s.Relays[i].another(h, computers[h]) })
		found[h] = entries
	}
	x.settle(found)
	for _, h := range hosts {
		own, doubt := x.own(h, found[h])
		if doubt != "" {
			d.Doubts[h], own = doubt, found[h]
		}
		found[h] = own
		for _, i := range own {
			claims[i] = append(claims[i], h)
		}
	}
	for _, h := range hosts {
		entries := found[h]
		own := entries
		if slices.ContainsFunc(entries, func(i int) bool { return len(claims[i]) > 1 }) {
			own = Where(entries, func(i int) bool { return len(claims[i]) == 1 })
		}
		switch {
		case len(entries) == 0:
		case d.Doubts[h] != "", x.wholes(h, entries) > 1, len(own) < len(entries) && (len(own) == 0 || !x.living(own).IsConnected()):
			d.Ambiguous = append(d.Ambiguous, h)
		default:
			d.Of[h] = x.living(own)
		}
	}
	for i, r := range s.Relays {
		if len(claims[i]) == 0 {
			d.Others = append(d.Others, r)
		}
	}
	return d
}

// Old says that an entry which is not connected may be an old connection of a relay that has a new one elsewhere, as on a page of which
// nobody said that there is another: others are listed with an old one and a new one. Since is when the relay was restarted.
func (s *RelaysSeen) Old(r *RelaySeen, since time.Time) bool {
	if r == nil || r.IsConnected() || r.Heartbeat.After(since) {
		return false
	}
	off := map[string]bool{}
	for _, one := range s.Relays {
		if !one.IsConnected() {
			off[strings.ToLower(one.Domain+" "+one.Name)] = true
		}
	}
	return slices.ContainsFunc(s.Relays, func(one RelaySeen) bool { return one.IsConnected() && off[strings.ToLower(one.Domain+" "+one.Name)] })
}

// index finds entries by name.
type index struct {
	whole, first map[string][]int
	relays       []RelaySeen
	time         time.Time // of the answer
	domained     map[string]bool
	usual        map[string]bool     // domains that the document names
	lives        map[string]string   // in which domain a host is connected, where it is listed in no other
	members      map[string][]string // hosts that are listed in a domain
	past         map[string]bool     // domains of a DNS domain's hosts in which nobody is connected any more
}

// another says that an entry with several names is another machine's than the host's, which has told its own name: that it is called like the
// host is for people. Windows keeps 15 letters of a name for some. An address is no name, and may be one of several.
func (r RelaySeen) another(host, computer string) bool {
	machine := strings.ToLower(r.Machine)
	if _, err := netip.ParseAddr(machine); err == nil || machine == "" || computer == "" {
		return false
	}
	const kept = 15
	_, first, _ := labels(host)
	_, machine, _ = labels(machine)
	computer = strings.ToLower(computer)
	alike := func(a, b string) bool { return a == b || len(a) >= kept && len(b) >= kept && a[:kept] == b[:kept] }
	return !alike(machine, first) && !alike(machine, computer)
}

// another says that an entry has the domain of another of the hosts with the same first label.
func (x index) another(i int, host, first string) bool {
	domain := x.domain(i)
	return !itsOwn(domain, host) && x.domained[first+" "+domain]
}

// find gives every entry that stands for the host: those with its name, whatever the case, and those that have its first label where
// one of the two is a bare name, since the product may report a machine's name only, and may have told it in full before. Two names
// with different domains are different hosts.
func (x index) find(host string) []int {
	whole, first, bare := labels(host)
	found := slices.Clip(x.whole[whole]) // it is the index's
	for _, i := range x.first[first] {
		if !bare && x.another(i, host, first) {
			continue
		}
		if bare || !slices.ContainsFunc(x.relays[i].names(), func(name string) bool {
			_, other, bareToo := labels(name)
			return other == first && !bareToo // it has a domain, and another one
		}) {
			found = appendOnce(found, i)
		}
	}
	return found
}

// wholes counts the domains that entries have beside the name of a host that was declared without one.
func (x index) wholes(host string, entries []int) int {
	_, first, bare := labels(host)
	if !bare {
		return 0
	}
	var all []string
	for _, i := range entries {
		for _, name := range x.relays[i].names() {
			if whole, other, bareToo := labels(name); other == first && !bareToo && !slices.Contains(all, whole) {
				all = append(all, whole)
			}
		}
	}
	return len(all)
}

func appendOnce(all []int, i int) []int {
	if slices.Contains(all, i) {
		return all
	}
	return append(all, i)
}

// living is the entry with the latest heartbeat; one that has not come yet says nothing of an entry that is not connected. Of two that
// are as late it is the one that is connected: a heartbeat may be kept by machine, and comes over a connection, so the other is one that
// has ended. Of two that say nothing it is the worse one.
func (x index) living(entries []int) *RelaySeen {
	beat := func(r RelaySeen) time.Time {
		if !r.IsConnected() && !x.time.IsZero() && r.Heartbeat.After(x.time.Add(time.Second)) {
			return time.Time{}
		}
		return r.Heartbeat
	}
	best := x.relays[entries[0]]
	for _, i := range entries[1:] {
		r := x.relays[i]
		if beat(r).After(beat(best)) || beat(r).Equal(beat(best)) && r.IsConnected() == !beat(r).IsZero() {
			best = r
		}
	}
	return &best
}

// labels gives a host's name and its first label in lower case. An address has no labels.
func labels(host string) (whole, first string, bare bool) {
	whole = strings.ToLower(strings.TrimSuffix(host, "."))
	if last := len(whole) - 1; last >= 0 && (whole[last] >= '0' && whole[last] <= '9' || strings.Contains(whole, ":")) { // else it is none
		if _, err := netip.ParseAddr(whole); err == nil {
			return whole, whole, false
		}
	}
	first, _, dotted := strings.Cut(whole, ".")
	return whole, first, !dotted
}
