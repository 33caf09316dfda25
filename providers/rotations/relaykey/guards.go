package relaykey

import (
	"fmt"
	"maps"
	"slices"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// guard collects the reasons not to go on, and the warnings. left are relays that are away and may fall behind, lost the other ones.
func (r *Rotation) guard(in reconciler.Input, admin member, relays []member, directory site.Directory) (findings []reconciler.Finding, left, lost []member) {
	findings = append(findings, r.guardValue(in)...)
	switch {
	case asked(in):
	case admin.whole() && admin.stopped:
		// A run that was cut off in the switch leaves it so. Refusing here would leave it so for ever.
		findings = append(findings, reconciler.Finding{Severity: reconciler.Warning, Code: "admin-stopped",
			Text: "Admin is stopped, so its API does not answer: which relays are connected is not known before it is started"})
	default:
		findings = append(findings, site.APIFailed(in.Seen, site.Relays{}, "nothing else proves that the relays are connected", ""))
	}
	var away, broken []member
	for _, l := range relays {
		switch {
		case l.reach == reconciler.Unreachable:
			away = append(away, l)
		case !l.whole():
			broken = append(broken, l)
		}
	}
	left, lost = site.Away(away, func(l member) string { return l.host }, r.tolerance)
	if admin.reach == reconciler.Unreachable {
		findings = append(findings, site.Problem("admin-unreachable", r.admin.host+" (Admin) cannot be reached", "a rotation without Admin would cut every relay off"))
	} else if !admin.whole() {
		broken = append([]member{admin}, broken...)
	}
	for _, l := range broken {
		findings = append(findings, site.HostFailed(in.Seen, l.host, "", ""))
	}
	settings := map[string]*site.SettingSeen{}
	for _, l := range append([]member{admin}, relays...) {
		if l.whole() {
			findings = append(findings, r.guardNode(l)...)
			settings[l.host] = l.setting
		}
	}
	findings = append(findings, site.EnvironmentsChanged(settings)...)
	return append(findings, listed(directory, relays)...), left, lost
}

// away is what is said of relays that cannot be reached. Where Admin runs with the declared key already, or will once it is started,
// no work takes anything from them.
func (w *work) away(lost []member) []reconciler.Finding {
	if len(lost) == 0 || w.none() || !w.admin.whole() || w.editAdmin || w.admin.stale {
		return site.RelaysAway(hosts(w.left), hosts(lost), "a relay that keeps the old key is cut off once Admin has the new one")
	}
	all := append(site.RelaysAway(hosts(w.left), nil, ""), site.RelaysSpared(hosts(lost), "Admin has the declared key already"))
	w.left = append(w.left, lost...)
	return all
}

// asked says that Admin answered which relays it knows.
func asked(in reconciler.Input) bool {
	reach, _ := site.APIReach(in.Seen, site.Relays{})
	return reach == reconciler.Reached
}

// guardValue looks at the declared value.
func (r *Rotation) guardValue(in reconciler.Input) []reconciler.Finding {
	v := site.Answer[site.ValueSeen](in.Seen, site.Value{Secret: r.ref})
	switch {
	case v == nil || v.Problem != "":
		text := "the value of " + r.ref.String() + " is not to be had"
		if v != nil {
			text += ": " + v.Problem
		} else if err := in.Seen[site.Values].Err; err != nil {
			text += ": " + err.Error()
		}
		hint := "look at secrets.relayKey.from and at state.seal"
		if v != nil && v.Hint != "" {
			hint = v.Hint
		}
		return []reconciler.Finding{site.Problem("value-unavailable", text, hint)}
	case v.Unfit != "":
		return []reconciler.Finding{site.Unfit(r.ref, v)}
	case v.Available && tooShort(v.Content):
		return []reconciler.Finding{site.Problem("key-too-short", fmt.Sprintf("the key of version %s has %d bytes; at least %d are wanted", r.ref.Version, v.Content.(Key).Bytes, MinBytes),
			"write `from: generated`, or put a longer key at its source")}
	case v.SameAs != "" && v.SameAs != r.ref.Version:
		return []reconciler.Finding{site.Problem("value-unchanged", fmt.Sprintf("version %s has the same value as version %s: nothing would be rotated", r.ref.Version, v.SameAs),
			"put a new value at its source, or write `from: generated`")}
	case v.SourceChanged:
		return []reconciler.Finding{site.SourceChanged(r.ref, r.spec.From.String())}
	}
	return nil
}

// guardNode looks at one host.
func (r *Rotation) guardNode(l member) []reconciler.Finding {
	var all []reconciler.Finding
	add := func(f reconciler.Finding) {
		f.Hosts = []string{l.host}
		all = append(all, f)
	}
	if l.setting.Refused != "" {
		add(site.Problem("settings-refused", fmt.Sprintf("%s: %s cannot be edited: %s", l.host, l.component.Settings, l.setting.Refused), "mend the file on the host; nothing was written"))
	}
	all = append(all, l.setting.InForce(l.host)...)
	return all
}

// preflight is what stands in the way on the hosts.
func (r *Rotation) preflight(in reconciler.Input, w work, all []member) []reconciler.Finding {
	restart := map[string]bool{w.admin.host: w.bounce}
	for _, l := range slices.Concat(w.restart, w.revive) {
		restart[l.host] = true
	}
	var findings []reconciler.Finding
	shut := site.ShutOf(in)
	if w.bounce && w.admin.stopped { // relays follow when it is ready
		shut = shut.ButOf(w.admin.service, w.admin.host)
	}
	for _, l := range all {
		if l.whole() {
			part := site.Part{Preflight: l.node.preflight, Service: l.service, Machine: l.machine, Error: l.setting.Error, Restart: restart[l.host], Replace: l.edit, Shut: shut, Fleet: l.host != w.admin.host}
			if l.stale && !l.edit {
				part.Unread = &l.setting.Base
			}
			findings = append(findings, part.Findings(in)...)
		}
	}
	return findings
}

// twins are those of some hosts that are one machine with another of them, by all that it says of itself. One that says nothing is none.
func twins(of []string, relays []member) (some []string) {
	by := map[site.MachineSeen][]string{}
	for _, l := range relays {
		if m := l.machine; slices.Contains(of, l.host) && m != nil && m.MachineGUID != "" {
			one := site.MachineSeen{ComputerName: m.ComputerName, Domain: m.Domain, MachineGUID: m.MachineGUID}
			by[one] = append(by[one], l.host)
		}
	}
	return slices.DeleteFunc(slices.Clone(of), func(host string) bool {
		for _, hosts := range by {
			if len(hosts) > 1 && slices.Contains(hosts, host) {
				return false
			}
		}
		return true
	})
}

// doubtful are relays whose entry may be another machine's, and why.
func doubtful(d site.Directory, relays []string) (findings []reconciler.Finding) {
	by := map[string][]string{}
	for _, host := range relays {
		by[d.Doubts[host]] = append(by[d.Doubts[host]], host)
	}
	for _, why := range slices.Sorted(maps.Keys(by)) {
		text, hint := site.Count(len(by[why]), "relay")+" cannot be told apart in Admin's list: their connection would prove nothing", "give the machines names of their own"
		if why != "" {
			text, hint = "the relay "+why+": that may be another machine, which is called alike", "name the domains of the document's relays, as Admin's list has them, in product.api.domains: who is in another one is then another machine"
		}
		f := site.Problem("relay-ambiguous", text, hint)
		f.Hosts = by[why]
		findings = append(findings, f)
	}
	return findings
}

// listed objects to what Admin's list and the document do not agree on.
func listed(d site.Directory, relays []member) []reconciler.Finding {
	var findings []reconciler.Finding
	same := twins(d.Ambiguous, relays)
	alike := slices.DeleteFunc(slices.Clone(d.Ambiguous), func(host string) bool { return slices.Contains(same, host) })
	if len(same) > 0 {
		f := site.Problem("relay-ambiguous", site.Count(len(same), "relay")+" cannot be told apart in Admin's list, and are one machine with another of them: by its name, its domain and its MachineGuid",
			"declare each machine once under hosts.relays; or let each name lead to a machine of its own (DNS, connect.hosts)")
		f.Hosts = same
		findings = append(findings, f)
	}
	findings = append(findings, doubtful(d, alike)...)
	names := strangers(d)
	if len(names) == 0 {
		return findings
	}
	f := site.Warning("relay-undeclared", site.Count(len(names), "connected relay")+" not in the document: a new key cuts them off", "declare them under hosts.relays", names...)
	if absent := site.Where(relays, func(l member) bool { return l.relay == nil && !slices.Contains(d.Ambiguous, l.host) }); len(absent) > 0 {
		entries := "1 connected entry under a name"
		if len(names) > 1 {
			entries = fmt.Sprintf("%d connected entries under names", len(names))
		}
		f.Text = fmt.Sprintf("Admin lists %s that no declared relay has, and %s listed: whether these are the same is not known", entries, whoIsNot(absent))
		f.Hint = "see in Admin's dashboard what they are: product.api.fields.name names the field that holds a computer's name; others are declared under hosts.relays, or a new key cuts them off"
	}
	return append(findings, f)
}

// strangers are the names of connected entries that stand for no declared relay.
func strangers(d site.Directory) (names []string) {
	for _, o := range d.Others {
		if o.IsConnected() {
			names = append(names, o.Name)
		}
	}
	return names
}
