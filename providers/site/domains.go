package site

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Admin may list a relay with the NetBIOS name of its domain, which need not be a part of the DNS name that the document has. What the other
// relays of that DNS domain are listed in is the one evidence: whoever is listed in another domain than those, or in two, may be
// another machine that is called alike.

// domain is that of an entry, in lower case. A computer of a workgroup has that, or its own name, there, which is none.
func (x index) domain(i int) string {
	r := x.relays[i]
	domain := strings.ToLower(strings.TrimSuffix(r.Domain, "."))
	if domain == "workgroup" {
		return ""
	}
	for _, name := range r.names() {
		if _, first, _ := labels(name); domain == first {
			return ""
		}
	}
	return domain
}

// domains are the entries of a host by their domain. Those that the document names are one.
func (x index) domains(host string, entries []int) map[string][]int {
	all := map[string][]int{}
	for _, i := range entries {
		domain := x.domain(i)
		if x.usual[domain] {
			domain = usual
		}
		all[domain] = append(all[domain], i)
	}
	now := maps.Clone(all)
	maps.DeleteFunc(now, func(domain string, _ []int) bool { return x.past[domain+" "+dnsDomain(host)] })
	if len(now) > 0 {
		return now
	}
	return all
}

// usual stands for the domains that the document names.
const usual = "(declared)"

// itsOwn says that a domain is that of the host's name, or its first label: by custom that is the NetBIOS name of an Active Directory domain.
func itsOwn(domain, host string) bool {
	return domain == usual || domain != "" && (domain == domainOf(host) || domain == dnsDomain(host))
}

func dnsDomain(host string) string {
	_, domain, _ := strings.Cut(strings.ToLower(host), ".")
	return domain
}

// domainOf is the first label of a host's domain, in lower case.
func domainOf(host string) string {
	domain, _, _ := strings.Cut(dnsDomain(host), ".")
	return domain
}

// settle notes in which domain each host is connected, where it is listed in no other. A domain in which several were long ago, and nobody is
// now, is what Admin called them before.
func (x *index) settle(found map[string][]int) {
	x.lives, x.members, x.past = map[string]string{}, map[string][]string{}, map[string]bool{}
	were, are := map[string]int{}, map[string]bool{}
	for host, entries := range found {
		for domain, own := range x.domains(host, entries) {
			place := domain + " " + dnsDomain(host)
			were[place]++
			are[place] = are[place] || !x.old(own)
		}
	}
	for place, n := range were {
		x.past[place] = n > 1 && !are[place]
	}
	for host, entries := range found {
		by := x.domains(host, entries)
		for domain, own := range by {
			x.members[domain] = append(x.members[domain], host)
			if len(by) == 1 && x.living(own).IsConnected() {
				x.lives[host] = domain
			}
		}
	}
}

// peers counts the other hosts of the same DNS domain that are connected in this domain.
func (x index) peers(domain, host string) (n int) {
	for other, in := range x.lives {
		if other != host && in == domain && dnsDomain(other) == dnsDomain(host) {
			n++
		}
	}
	return n
}

// own leaves those of a host's entries that are its own by their domain. In doubt it says in which domains they are.
func (x index) own(host string, entries []int) (own []int, doubt string) {
	by := x.domains(host, entries)
	names := slices.Sorted(maps.Keys(by))
	if len(x.usual) > 0 { // then others are somebody else's
		names = slices.DeleteFunc(names, func(domain string) bool { return domain != "" && !itsOwn(domain, host) })
	}
	switch len(names) {
	case 0:
		return nil, ""
	case 1:
		return by[names[0]], x.stranger(names[0], host, by[names[0]])
	}
	first := slices.MaxFunc(names, func(a, b string) int { return cmp.Compare(x.peers(a, host), x.peers(b, host)) })
	single := !slices.ContainsFunc(names, func(domain string) bool { return domain != first && x.peers(domain, host) == x.peers(first, host) })
	at := slices.IndexFunc(names, func(domain string) bool { return itsOwn(domain, host) })
	switch {
	case single && (at < 0 || names[at] == first || x.living(by[names[at]]).IsConnected() || x.old(by[names[at]])) && !x.moved(by, first):
		return by[first], ""
	case at >= 0 && x.living(by[names[at]]).IsConnected():
		return by[names[at]], ""
	case !slices.ContainsFunc(names, func(domain string) bool {
		return x.living(by[domain]).IsConnected() != x.living(by[first]).IsConnected()
	}):
		return entries, ""
	}
	var said []string
	for _, domain := range names {
		said = append(said, fmt.Sprintf("%s, where it is %sconnected", inDomain(domain), map[bool]string{false: "not "}[x.living(by[domain]).IsConnected()]))
	}
	return nil, "is listed " + strings.Join(said, ", and ")
}

// moved says that a host was in a domain long ago, and is connected in another: it may have joined that since, or a machine there is called alike.
func (x index) moved(by map[string][]int, from string) bool {
	for domain, entries := range by {
		if domain != from && x.living(entries).IsConnected() && x.old(by[from]) {
			return true
		}
	}
	return false
}

// old says that the latest entry of some is of a connection that ended long ago.
func (x index) old(entries []int) bool {
	const long = 10 * time.Minute
	r := x.living(entries)
	return !r.IsConnected() && (x.time.IsZero() || r.Heartbeat.Before(x.time.Add(-long)))
}

// stranger says of a host that is connected in one domain alone that more of the others are listed in another.
func (x index) stranger(domain, host string, entries []int) string {
	if domain == "" || itsOwn(domain, host) || !x.living(entries).IsConnected() || x.peers(domain, host) > 0 {
		return ""
	}
	others := func(in string) int {
		return len(Where(x.members[in], func(h string) bool { return h != host && dnsDomain(h) == dnsDomain(host) }))
	}
	for _, other := range slices.Sorted(maps.Keys(x.members)) {
		if other != "" && others(other) > max(1, others(domain)) {
			return "is listed " + inDomain(domain) + ", and others of " + dnsDomain(host) + " " + inDomain(other)
		}
	}
	return ""
}

func inDomain(domain string) string {
	switch domain {
	case "":
		return "without a domain"
	case usual:
		return "in a domain of product.api.domains"
	}
	return "in " + strings.ToUpper(domain)
}
