package serviceaccount

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// guard collects the reasons not to go on, and the warnings. left are relays that the policy lets fall behind.
func (r *Rotation) guard(in reconciler.Input, w work) (all []reconciler.Finding, left []member) {
	if r.password {
		all = append(all, r.guardValue(in, w)...)
	}
	count := r.tolerance.Count
	said, touched, shut := map[string]bool{}, w.touched(), site.ShutOf(in)
	for _, m := range w.all {
		switch {
		case m.whole():
			part := site.Part{Preflight: m.preflight(), Service: m.service, Machine: m.machine, Restart: touched[m.node.service()],
				Stays: !slices.ContainsFunc(w.bounce, m.same), Shut: shut, Sets: w.sets(m)}
			all = append(all, part.Findings(in)...)
			continue
		case m.reach == reconciler.Unreachable && m.who.Noun != "" && r.tolerance.Names[m.host]:
			left = append(left, m)
		case m.reach == reconciler.Unreachable && m.who.Noun != "" && r.tolerance.Of[m.host] && count > 0:
			count--
			left = append(left, m)
		case !said[m.host]:
			all = append(all, site.HostFailed(in.Seen, m.host, m.who.Name, "from the change in the domain on it cannot restart with the old password"))
		}
		said[m.host] = true
	}
	if len(left) > 0 {
		all = append(all, site.Warning("relay-left-behind", fmt.Sprintf("%s cannot be reached and may be left behind; the next run finishes them", names(left)), "", hosts(left)...))
	}
	all = append(all, r.guardReady(in, w)...)
	return append(all, r.guardLogons(w)...), left
}

// guardReady asks now what is waited for once Admin has started again. An Admin that is not well may be so for want of its account.
func (r *Rotation) guardReady(in reconciler.Input, w work) []reconciler.Finding {
	i := slices.IndexFunc(w.all, admin)
	if i < 0 || !r.hasAPI {
		return nil
	}
	service := w.all[i].service
	starts := slices.ContainsFunc(w.bounce, admin)
	if reach, _ := site.APIReach(in.Seen, r.readyNow()); reach != reconciler.Reached && starts && service.Running() && in.Now.Sub(service.StartedAt) > r.api.ReadyTimeout.Of() {
		return []reconciler.Finding{site.APIFailed(in.Seen, r.readyNow(), "nothing would tell that Admin is ready again", "")}
	}
	wait := site.Awaiting{Trial: r.readyNow(), Admin: service, Timeout: r.api.ReadyTimeout.Of(), Used: starts, Cure: true}
	if f, vain := wait.Finding(in); vain {
		return []reconciler.Finding{f}
	}
	return nil
}

// guardLogons looks at the account where its logon is to be set, once for all hosts that say the same.
func (r *Rotation) guardLogons(w work) []reconciler.Finding {
	var all []reconciler.Finding
	say := func(f func(code reconciler.FindingID, text, hint string, hosts ...string) reconciler.Finding, is func(member) bool, code reconciler.FindingID, text, hint string) {
		if some := site.Where(w.set, func(m member) bool { return m.service.Installed && is(m) }); len(some) > 0 {
			all = append(all, f(code, names(some)+": "+text, hint, hosts(some)...))
		}
	}
	account := r.spec.Account
	say(site.Problem, func(m member) bool { return m.logon.Exists == site.No }, "account-unknown", "the host finds no account "+account, "correct its name in the document, or make it in the domain")
	say(site.Problem, func(m member) bool { return m.logon.Locked == site.Yes }, "account-locked", account+" is locked out or disabled", "find out who tries a wrong password, unlock it, and plan again")
	say(site.Problem, func(m member) bool { return m.logon.Right == site.No }, "logon-right-missing", account+" may not log on as a service there",
		"grant it \"Log on as a service\" on the host (secpol.msc, Local Policies, User Rights Assignment) or by group policy, then plan again")
	say(site.Warning, func(m member) bool {
		return m.logon.Right == "" && m.logon.Exists != site.No && (m.other() || m.stopped)
	}, "logon-right-unknown", "whether "+account+" may log on as a service is decided by a group of the domain", "the rotation finds it out by a logon, before a service stops")
	for _, was := range accounts(site.Where(w.set, member.other)) {
		say(site.Warning, func(m member) bool { return m.other() && m.service.Account == was && m.logon.Running == site.Yes }, "account-changes",
			fmt.Sprintf("it runs as %s, and is set to run as %s from its next start on", account, was), "find out who has set that: the rotation sets it back")
		changes := func(m member) bool { return m.other() && m.service.Account == was && m.logon.Running != site.Yes }
		login := "" // whether it has one is not looked up: it may be a group's, and SQL Server is not asked for a service's account
		if slices.ContainsFunc(w.set, func(m member) bool { return changes(m) && m.who.Noun == "" }) {
			login = ", give it a login and the same roles where Windows signs in to SQL Server"
		}
		say(site.Warning, changes, "account-changes", fmt.Sprintf("it is set to run as %s, and an account is more than a name", was),
			"before you apply: let "+account+" read and write the product's files"+login+"; and know that what was sealed for "+was+" alone (DPAPI, CurrentUser) becomes unreadable")
	}
	return all
}

// accounts are what services are set to, each once.
func accounts(all []member) []string {
	var some []string
	for _, m := range all {
		if !slices.Contains(some, m.service.Account) {
			some = append(some, m.service.Account)
		}
	}
	return some
}

// patience is how long a password that was refused is not tried again: longer than a domain usually counts.
const patience = 30 * time.Minute

// guardValue looks at the declared password.
func (r *Rotation) guardValue(in reconciler.Input, w work) []reconciler.Finding {
	v := site.Answer[site.ValueSeen](in.Seen, site.Value{Secret: r.ref})
	switch {
	case v == nil || v.Problem != "":
		text, hint := "the value of "+r.ref.String()+" is not to be had", "look at secrets.serviceAccounts, from, and at state.seal"
		if v != nil {
			text, hint = text+": "+v.Problem, cmp.Or(v.Hint, hint)
		} else if err := in.Seen[site.Values].Err; err != nil {
			text += ": " + err.Error()
		}
		return []reconciler.Finding{site.Problem("value-unavailable", text, hint)}
	case v.Unfit != "":
		return []reconciler.Finding{site.Problem("value-unfit", "the password of version "+r.ref.Version+" cannot be used: "+v.Unfit, "put the right value at its source")}
	case v.SameAs != "" && v.SameAs != r.ref.Version:
		return []reconciler.Finding{site.Problem("value-unchanged", fmt.Sprintf("version %s has the same password as version %s: nothing would be rotated", r.ref.Version, v.SameAs),
			"put the new password at its source")}
	}
	if r.changes(w) && !slices.Contains(v.Others, w.before) {
		return []reconciler.Finding{site.Problem("password-not-kept", fmt.Sprintf("%s is to change its own password, and the one that it has is not kept here (version %q)", r.spec.Account, w.before),
			"declare the password that it has as a version, with `changedBy: others`, and apply that first; the next version can then be changed by kpasswd")}
	}
	at, refused := site.LogonRefusedAt(in.History, r.ref.Name, r.ref.Version)
	refused = refused && !r.changes(w) // until it is changed it is refused rightly
	if refused && w.unchangedSince(at) {
		return []reconciler.Finding{site.Problem("logon-refused", fmt.Sprintf("version %s was refused for %s on %s, and the account has no other password since: each try counts towards a lockout", r.ref.Version, r.spec.Account, at.UTC().Format("2006-01-02 15:04 UTC")),
			"put the right one at its source and declare a new version; or set this one in the domain, and plan again")}
	}
	if until := at.Add(patience); refused && len(w.set) > 0 && in.Now.Before(until) {
		return []reconciler.Finding{site.Problem("logon-refused", fmt.Sprintf("version %s was refused for %s at %s: each try counts towards a lockout", r.ref.Version, r.spec.Account, at.UTC().Format("15:04 UTC")),
			fmt.Sprintf("if it is wrong, put the right one at its source and declare a new version; if the account was not ready, plan again after %s", until.UTC().Format("15:04 UTC")))}
	}
	if v.SourceChanged {
		return []reconciler.Finding{site.SourceChanged(r.ref, r.spec.From.String())}
	}
	return nil
}

// unchangedSince says that the domain gave the account its password so long before a refusal that every controller had it: it would be
// refused again.
func (w work) unchangedSince(refusal time.Time) bool {
	return len(w.set) > 0 && !slices.ContainsFunc(w.set, func(m member) bool {
		return m.logon.PasswordSet.IsZero() || refusal.Sub(m.logon.PasswordSet) <= patience
	})
}

func hosts(all []member) []string {
	var some []string
	for _, m := range all {
		if !slices.Contains(some, m.host) {
			some = append(some, m.host)
		}
	}
	slices.SortFunc(some, strings.Compare)
	return some
}
