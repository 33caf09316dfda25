package codesigning

import (
	"fmt"
	"slices"
	"strings"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// member is a relay as it was seen, and what it needs.
type member struct {
	node
	reach      reconciler.Reach
	list       *site.ListSeen
	signatures *site.SignaturesSeen
	service    *site.ServiceSeen
	machine    *site.MachineSeen
	relay      *site.RelaySeen // as Admin lists it; nil when it is not listed
	heard      bool            // Admin lists it as connected, and has heard of it of late
	// accepts are the certificates on its list that .NET finds. retired are those that are to go, as they were meant, of whatever
	// length. wanted are the members that its list is to have.
	accepts, retired, wanted []string
	// edit: its list is another one. stale: the process has not read the list as it is, as far as anybody knows. stopped: it should run.
	edit, stale, stopped bool
	// before: an earlier run has stopped it for this rotation, or may have, and nobody has proven since that it works.
	before bool
	// had are the first digits of the certificates that a stale process was proven with; nil: what it accepts is not known.
	had []string
	// dependents stop and start with the service; lost are those that an earlier run stopped and nobody started again.
	dependents, lost []string
}

// whole says that everything about the relay was seen.
func (m member) whole() bool {
	return m.reach == reconciler.Reached && m.list != nil && m.signatures != nil && m.service != nil
}

// unread says that nobody knows what its list holds.
func (m member) unread() bool { return m.list.Error != 0 || m.list.Refused != "" }

func (m member) listed() site.Listed {
	return site.Listed{Host: m.host, Relay: m.relay, Skew: site.SkewOf(m.machine)}
}

// look sorts what was seen by relay.
func (r *Rotation) look(in reconciler.Input) []member {
	listed, listing := site.DirectoryOf(in.Seen, r.hosts()), site.ListingOf(in, r.admin, r.api.ConnectedTimeout.Of())
	_, pending := in.History.Pending(r.ref.Name, r.ref.Version)
	var all []member
	for _, n := range r.relays {
		m := member{node: n, reach: in.Seen.Reach(site.Host(n.host)), list: site.Answer[site.ListSeen](in.Seen, n.list),
			signatures: site.Answer[site.SignaturesSeen](in.Seen, n.signatures), service: site.Answer[site.ServiceSeen](in.Seen, n.service),
			machine: site.Answer[site.MachineSeen](in.Seen, n.machine), relay: listed.Of[n.host]}
		m.heard = listing.Heard(m.listed())
		if m.whole() {
			m.dependents, m.lost = site.Stopped(in.History, name, n.host, n.component.Service, m.service)
			m.compare(r.spec.declared())
			reading := site.ReadingOf(in, r.ref, n.host, m.service, m.machine, m.list.Base, !m.edit)
			m.stale = m.service.Running() && reading == site.Unread
			m.stopped = !m.service.Running()
			m.before = pending && site.StoppedFor(in.History, r.ref, n.host, n.component.Service, m.edit || m.stale || m.stopped)
			if last, ok := in.History.LastProven(name); ok && m.stale {
				ref := secret.Ref{Name: name, Version: last.Version}
				if site.ProvenProcess(in.History, ref, n.host, m.service, m.machine, m.list.Path) {
					m.had = strings.Split(last.Version, "+")
				}
			}
		}
		all = append(all, m)
	}
	return all
}

// compare finds what the list is to have: what is there and declared stays as it is written.
func (m *member) compare(declared []string) {
	for _, text := range m.list.Members {
		t, ok := found(text)
		if ok && !slices.Contains(m.accepts, t) {
			m.accepts = append(m.accepts, t)
		}
		if ok && slices.Contains(declared, t) && !slices.Contains(m.wanted, text) && !m.wants(t) {
			m.wanted = append(m.wanted, text)
			continue
		}
		if t := meant(text); t != "" && !slices.Contains(declared, t) && !slices.Contains(m.retired, t) {
			m.retired = append(m.retired, t)
		}
	}
	for _, t := range declared {
		if !m.wants(t) {
			m.wanted = append(m.wanted, t)
		}
	}
	m.edit = !slices.Equal(slices.Sorted(slices.Values(m.list.Members)), slices.Sorted(slices.Values(m.wanted)))
}

// adds says that its list is to have a member that is not there.
func (m member) adds() bool {
	return slices.ContainsFunc(m.wanted, func(text string) bool { return !slices.Contains(m.list.Members, text) })
}

// wants says that a member by which .NET finds the certificate is to stay.
func (m *member) wants(thumbprint string) bool {
	return slices.ContainsFunc(m.wanted, func(text string) bool { t, ok := found(text); return ok && t == thumbprint })
}

// going are the certificates that the list lets the relay accept, and that are to go. What it does not find keeps nothing working.
func (m member) going() []string {
	return site.Where(m.retired, func(t string) bool { return slices.Contains(m.accepts, t) })
}

// inUse are the connectors that were signed with a certificate that is to go, and with none that stays.
func (m member) inUse(declared []string) map[string][]string {
	all, going := map[string][]string{}, m.going()
	for _, f := range m.signatures.Files {
		for _, s := range f.Signers {
			if t := s.SHA1; slices.Contains(going, t) && !slices.Contains(declared, t) && !slices.Contains(all[t], f.Name) {
				all[t] = append(all[t], f.Name)
			}
		}
	}
	return all
}

// losing are the connectors that the process as it runs may take and that the next start makes it refuse, by certificate: its list
// was changed since it read it, and neither that list nor the one that is to come has a certificate of theirs.
func (m member) losing(stays []string) map[string][]string {
	all, going := map[string][]string{}, m.going()
	if !m.stale {
		return all
	}
	for _, f := range m.signatures.Files {
		for _, s := range f.Signers {
			if m.mayAccept(s.SHA1) && !slices.Contains(stays, s.SHA1) && !slices.Contains(going, s.SHA1) && !slices.Contains(all[s.SHA1], f.Name) {
				all[s.SHA1] = append(all[s.SHA1], f.Name)
			}
		}
	}
	return all
}

// gone are the first digits of the certificates that the running process is known to accept, and that neither its list nor the one
// that is to come has.
func (m member) gone(stays []string) []string {
	return slices.DeleteFunc(slices.Clone(m.had), func(digits string) bool {
		is := func(t string) bool { return strings.HasPrefix(t, digits) }
		return slices.ContainsFunc(stays, is) || slices.ContainsFunc(m.going(), is)
	})
}

// mayAccept says that the running process accepts the certificate, or that nobody knows.
func (m member) mayAccept(sha1 string) bool {
	if !m.stale {
		return slices.Contains(m.accepts, sha1)
	}
	return m.had == nil || slices.ContainsFunc(m.had, func(digits string) bool { return strings.HasPrefix(sha1, digits) })
}

// signers are those of the relay's connectors that are such.
func (m member) signers(is func(sha1 string) bool) (all []string) {
	for _, f := range m.signatures.Files {
		for _, s := range f.Signers {
			if is(s.SHA1) {
				all = append(all, s.SHA1)
			}
		}
	}
	return all
}

func hosts(all []member) []string { return site.Each(all, func(m member) string { return m.host }) }

// who names one relay, and tells of several by their number.
func who(all []member) string {
	if len(all) == 1 {
		return all[0].host
	}
	return site.Count(len(all), "relay")
}

// some names a few files, and tells of the others by their number.
func some(files []string) string {
	const most = 3
	if len(files) <= most {
		return strings.Join(files, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(files[:most], ", "), len(files)-most)
}
