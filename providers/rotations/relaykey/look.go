package relaykey

import (
	"fmt"
	"strings"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// member is a node as it was seen, and what it needs.
type member struct {
	node
	reach   reconciler.Reach
	setting *site.SettingSeen
	service *site.ServiceSeen
	machine *site.MachineSeen
	relay   *site.RelaySeen // as Admin lists it; nil for Admin, or when it is not listed
	// edit: the file holds another key. stale: the process has not read the file as it is, as far as anybody knows. stopped: it
	// should run.
	edit, stale, stopped bool
	reading              site.Reading
	// dependents stop and start with the service; lost are those that an earlier run stopped and nobody started again.
	dependents, lost []string
}

// whole says that everything about the node was seen.
func (l member) whole() bool {
	return l.reach == reconciler.Reached && l.setting != nil && l.service != nil
}

// sure says that it is proven which key its process has.
func (l member) sure() bool { return l.reading == site.Read }

// connected says that Admin lists the relay as connected.
func (l member) connected() bool {
	return l.relay != nil && l.relay.Connected != nil && *l.relay.Connected
}

// heardSince says that Admin lists the relay as connected, and has heard of it after a stop that began then was over.
func (l member) heardSince(stop time.Time) bool {
	return l.connected() && l.relay.Heartbeat.After(stop.Add(l.component.StopTimeout.Of()))
}

// look sorts what was seen by node.
func (r *Rotation) look(in reconciler.Input) (admin member, relays []member) {
	seen := in.Seen
	listed := r.directory(seen)
	all := make([]member, 0, len(r.relays)+1)
	for _, n := range r.nodes() {
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
			l.reading = site.ReadingOf(in.History, r.ref, n.host, l.service, l.machine, l.setting.Base)
			l.stale = l.service.Running() && l.reading == site.Unread
			l.stopped = !l.service.Running()
		}
		if n.who.Noun != "" {
			l.relay = listed.Of[n.host]
		}
		all = append(all, l)
	}
	return all[0], all[1:]
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
func hosts(nodes []member) []string {
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
		parts = append(parts, count(len(relays), "relay"))
	}
	return strings.Join(parts, " and ")
}
