package relaykey

import (
	"fmt"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// guard collects the reasons not to go on, and the warnings.
func (r *Rotation) guard(in reconciler.Input, admin member, relays []member) (findings []reconciler.Finding, left []member) {
	findings = append(findings, r.guardValue(in)...)
	switch {
	case in.Seen.Reach(site.API) == reconciler.Reached:
	case admin.whole() && admin.stopped:
		// A run that was cut off in the switch leaves it so. Refusing here would leave it so for ever.
		findings = append(findings, reconciler.Finding{Severity: reconciler.Warning, Code: "admin-stopped",
			Text: "Admin is stopped, so its API does not answer: which relays are connected is not known before it is started"})
	default:
		findings = append(findings, problem("admin-api", "the Admin API did not answer: nothing else proves that the relays are connected",
			"look at the Admin host and at connect.adminApi; `meshrotate status` shows the error"))
	}
	tolerance := r.policy.Unreachable.Count
	var lost, broken []member
	for _, l := range relays {
		switch {
		case l.reach == reconciler.Unreachable && l.toleratedByPolicy:
			left = append(left, l)
		case l.reach == reconciler.Unreachable && tolerance > 0:
			tolerance--
			left = append(left, l)
		case l.reach == reconciler.Unreachable:
			lost = append(lost, l)
		case !l.whole():
			broken = append(broken, l)
		}
	}
	if len(lost) > 0 {
		f := problem("relay-unreachable", count(len(lost), "relay")+" cannot be reached: a relay that keeps the old key is cut off once Admin has the new one",
			"bring them back, or let the policy leave them behind: policy.unreachable.tolerate names them, policy.unreachable.count allows a number; the next run finishes them")
		f.Hosts = hosts(lost)
		findings = append(findings, f)
	}
	if len(left) > 0 {
		findings = append(findings, reconciler.Finding{Severity: reconciler.Warning, Code: "relay-left-behind", Hosts: hosts(left),
			Text: count(len(left), "relay") + " cannot be reached and may be left behind; the next run finishes them"})
	}
	if admin.reach == reconciler.Unreachable {
		findings = append(findings, problem("admin-unreachable", r.admin.host+" (Admin) cannot be reached", "a rotation without Admin would cut every relay off"))
	} else if !admin.whole() {
		broken = append([]member{admin}, broken...)
	}
	for _, l := range broken {
		f := problem("host-failed", l.host+" could not be looked at", "the error is above; fix it and plan again")
		if err := in.Seen[site.Host(l.host)].Err; err != nil {
			f.Text = fmt.Sprintf("%s could not be looked at: %v", l.host, err)
		}
		findings = append(findings, f)
	}
	for _, l := range append([]member{admin}, relays...) {
		if l.whole() {
			findings = append(findings, r.guardNode(l)...)
		}
	}
	return append(findings, r.listed(in)...), left
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
		return []reconciler.Finding{problem("value-unavailable", text, hint)}
	case v.Unfit != "":
		return []reconciler.Finding{site.Unfit(r.ref, v)}
	case v.Available && tooShort(v.Content):
		return []reconciler.Finding{problem("key-too-short", fmt.Sprintf("the key of version %s has %d bytes; at least %d are wanted", r.ref.Version, v.Content.(Key).Bytes, MinBytes),
			"write `from: generated`, or put a longer key at its source")}
	case v.SameAs != "" && v.SameAs != r.ref.Version:
		return []reconciler.Finding{problem("value-unchanged", fmt.Sprintf("version %s has the same value as version %s: nothing would be rotated", r.ref.Version, v.SameAs),
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
	if f, off := site.ClockFinding(l.host, l.machine); off {
		add(f)
	}
	if !l.service.Installed {
		add(problem("service-missing", fmt.Sprintf("%s: there is no service %s", l.host, l.component.Service), "install it, take the host out of the document, or name the service under product"))
	} else if l.service.StartMode == "disabled" {
		add(problem("service-disabled", fmt.Sprintf("%s: the service %s is disabled", l.host, l.component.Service), "enable it, or take the host out of the document"))
	}
	if l.setting.Refused != "" {
		add(problem("settings-refused", fmt.Sprintf("%s: %s cannot be edited: %s", l.host, l.component.Settings, l.setting.Refused), "mend the file on the host; nothing was written"))
	}
	for _, o := range l.setting.Overrides {
		add(problem("setting-overridden", fmt.Sprintf("%s: %s is overridden by %s: an edit of %s would change nothing, or break at the next restart", l.host, l.setting.Key, o, l.component.Settings),
			"remove the override and plan again"))
	}
	if l.setting.UsersCanRead {
		add(reconciler.Finding{Severity: reconciler.Warning, Code: "file-readable",
			Text: fmt.Sprintf("%s: ordinary users may read %s, which holds the key", l.host, l.component.Settings), Hint: "take Users out of the file's ACL"})
	}
	return all
}

// listed objects to what Admin's list and the document do not agree on.
func (r *Rotation) listed(in reconciler.Input) []reconciler.Finding {
	d := r.directory(in.Seen)
	var findings []reconciler.Finding
	if len(d.Ambiguous) > 0 {
		f := problem("relay-ambiguous", count(len(d.Ambiguous), "relay")+" cannot be told apart in Admin's list: their connection would prove nothing",
			"give the machines names of their own")
		f.Hosts = d.Ambiguous
		findings = append(findings, f)
	}
	var names []string
	for _, o := range d.Others {
		if o.Connected != nil && *o.Connected {
			names = append(names, o.Name)
		}
	}
	if len(names) > 0 {
		findings = append(findings, reconciler.Finding{Severity: reconciler.Warning, Code: "relay-undeclared", Hosts: names,
			Text: count(len(names), "connected relay") + " not in the document: a new key cuts them off", Hint: "declare them under hosts.relays"})
	}
	return findings
}

func problem(code, text, hint string) reconciler.Finding {
	return reconciler.Finding{Severity: reconciler.Error, Code: code, Text: text, Hint: hint}
}
