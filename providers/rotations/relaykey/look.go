package relaykey

import (
	"strings"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// member is a node as it was seen, and what it needs.
type member struct {
	*node   // shared: ten thousand members are copied often
	reach   reconciler.Reach
	setting *site.SettingSeen
	service *site.ServiceSeen
	machine *site.MachineSeen
	relay   *site.RelaySeen // as Admin lists it; nil for Admin, or when it is not listed
	// edit: the file holds another key. stale: the process has not read the file as it is, as far as anybody knows. stopped: it
	// should run.
	edit, stale, stopped bool
	// before: an earlier run has restarted it for this rotation, and did not get to its proof.
	before  bool
	reading site.Reading
	// dependents stop and start with the service; lost are those that an earlier run stopped and nobody started again.
	dependents, lost []string
}

// whole says that everything about the node was seen.
func (l member) whole() bool {
	return l.reach == reconciler.Reached && l.setting != nil && l.service != nil
}

// overridden says that something wins over its file.
func (l member) overridden() bool { return l.setting != nil && len(l.setting.Overrides) > 0 }

// sure says that it is proven which key its process has: it has read its file, and nothing else is known that it may read instead.
func (l member) sure() bool {
	return l.reading == site.Read && !l.overridden() && len(l.setting.Doubts) == 0
}

// after says that the process started after the last change of its file, and not in the moment of it, as far as clocks tell: then it
// may have read what was there before.
func (l member) after() bool { return l.service.StartedAt.After(l.setting.Changed) }

// look sorts what was seen by node. Listed is which entry of Admin's list stands for which relay.
func (r *Rotation) look(in reconciler.Input) (admin member, relays []member, listed site.Directory) {
	seen := in.Seen
	_, pending := in.History.Pending(r.ref.Name, r.ref.Version)
	listed = site.DirectoryOf(seen, r.hosts())
	all := make([]member, 0, len(r.nodes))
	for i := range r.nodes {
		n := &r.nodes[i]
		l := member{
			node:    n,
			reach:   seen.Reach(site.Host(n.host)),
			setting: site.Answer[site.SettingSeen](seen, n.setting),
			service: site.Answer[site.ServiceSeen](seen, n.service),
			machine: site.Answer[site.MachineSeen](seen, n.machine),
		}
		if l.whole() {
			l.setting = weak(l.setting)
			l.dependents, l.lost = site.Stopped(in.History, name, n.host, n.component.Service, l.service)
			l.edit = l.setting.Version != r.ref.Version
			l.reading = site.ReadingOf(in, r.ref, n.host, l.service, l.machine, l.setting.Base, !l.edit)
			l.stale = l.service.Running() && l.reading == site.Unread
			l.stopped = !l.service.Running()
			l.before = pending && site.StoppedFor(in.History, r.ref, n.host, n.component.Service, l.edit || l.stale || l.stopped)
		}
		if n.who.Noun != "" {
			l.relay = listed.Of[n.host]
		}
		all = append(all, l)
	}
	return all[0], all[1:], listed
}

// short is a live key that nobody knows and that is too short to be one.
const short = "short"

func weak(s *site.SettingSeen) *site.SettingSeen {
	if s.Version == site.Unknown && tooShort(s.Content) {
		weak := *s
		weak.Version = short
		return &weak
	}
	return s
}

func tooShort(content any) bool {
	k, ok := content.(Key)
	return ok && k.Bytes < MinBytes
}

// hosts names nodes.
func hosts(nodes []member) []string { return site.Each(nodes, func(l member) string { return l.host }) }

// connected says that Admin lists the relay as connected.
func (l member) connected() bool { return l.relay.IsConnected() }

// who says whom a step is about: "Admin and 13 relays", "relay-07".
func who(admin bool, relays []member) string {
	var parts []string
	if admin {
		parts = append(parts, "Admin")
	}
	switch len(relays) {
	case 0:
	case 1:
		parts = append(parts, relays[0].host)
	default:
		parts = append(parts, site.Count(len(relays), "relay"))
	}
	return strings.Join(parts, " and ")
}
