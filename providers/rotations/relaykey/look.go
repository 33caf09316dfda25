package relaykey

import (
	"fmt"
	"strings"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// live is a node as it was seen, and what it needs.
type live struct {
	node
	reach   reconciler.Reach
	setting *site.SettingSeen
	service *site.ServiceSeen
	machine *site.MachineSeen
	relay   *site.RelaySeen // as Admin lists it; nil for Admin, or when it is not listed
	// edit: the file holds another key. stale: the process is older than the file. stopped: it should run.
	edit, stale, stopped bool
}

// whole says that everything about the node was seen.
func (l live) whole() bool {
	return l.reach == reconciler.Reached && l.setting != nil && l.service != nil
}

// connected says that Admin lists the relay as connected.
func (l live) connected() bool {
	return l.relay != nil && l.relay.Connected != nil && *l.relay.Connected
}

// look sorts what was seen by node.
func (r *Rotation) look(seen reconciler.Seen) (admin live, relays []live) {
	listed := r.directory(seen)
	all := make([]live, 0, len(r.relays)+1)
	for _, n := range r.nodes() {
		l := live{
			node:    n,
			reach:   seen.Reach(site.Host(n.host)),
			setting: site.Answer[site.SettingSeen](seen, n.setting),
			service: site.Answer[site.ServiceSeen](seen, n.service),
			machine: site.Answer[site.MachineSeen](seen, n.machine),
		}
		if l.whole() {
			l.edit = l.setting.Version != r.ref.Version
			l.stale = l.service.Running() && l.service.StartedAt.Before(l.setting.Modified)
			l.stopped = !l.service.Running()
		}
		if n.label != "Admin" {
			l.relay = listed.Of[n.host]
		}
		all = append(all, l)
	}
	return all[0], all[1:]
}

// directory finds the relays in Admin's list.
func (r *Rotation) directory(seen reconciler.Seen) site.Directory {
	var hosts []string
	computers := map[string]string{}
	for _, n := range r.relays {
		hosts = append(hosts, n.host)
		if m := site.Answer[site.MachineSeen](seen, n.machine); m != nil {
			computers[n.host] = m.ComputerName
		}
	}
	return site.Answer[site.RelaysSeen](seen, site.Relays{}).Directory(hosts, computers)
}

// hosts names nodes.
func hosts(nodes []live) []string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.host
	}
	return names
}

// count is how people read a number of things: "1 relay", "13 relays".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// who says whom a step is about: "Admin and 13 relays", "relay-07".
func who(admin bool, relays []live) string {
	var parts []string
	if admin {
		parts = append(parts, "Admin")
	}
	switch len(relays) {
	case 0:
	case 1:
		parts = append(parts, relays[0].host)
	default:
		parts = append(parts, count(len(relays), "relay"))
	}
	return strings.Join(parts, " and ")
}
