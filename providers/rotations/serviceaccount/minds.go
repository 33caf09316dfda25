package serviceaccount

import (
	"fmt"
	"strings"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// logonFailure is ERROR_SERVICE_LOGON_FAILED: what a service that could not start for want of its account's password ended with.
const logonFailure = 1069

// MindReads are what tells whether a service would start again.
func (r *Rotation) MindReads() []reconciler.Read {
	var reads []reconciler.Read
	for _, n := range r.nodes {
		reads = append(reads, n.service())
	}
	return reads
}

// Minds are the services that would not start, or not start again: one with the same password was refused, or the ledger knows that theirs is the
// one before a change in the domain, which a run has seen or has given to another.
func (r *Rotation) Minds(in reconciler.Input) (all []reconciler.Minded) {
	for _, n := range r.nodes {
		s := site.Answer[site.ServiceSeen](in.Seen, n.service())
		if s == nil || !strings.EqualFold(s.Account, r.spec.Account) {
			continue
		}
		stopped, again := "", ""
		if s.Running() {
			stopped, again = "stopped, ", " again"
		}
		say := func(text, hint string) {
			f := site.Problem("service-cannot-start", fmt.Sprintf("%s: %sservice %s %s (Windows error 1069)", n.host, stopped, n.component.Service, text), hint, n.host)
			all = append(all, reconciler.Minded{Service: n.component.Service, Starts: true, Finding: f})
		}
		if why := r.dead(in, n); why != "" {
			say("would not start"+again+": "+why, "apply without --only, which sets the password that the account has; or set it on the host")
		} else if v := r.doubt(in.History, n); v != "" {
			say(fmt.Sprintf("may not start%s: a run that did not finish began with version %s of %s, and %s is declared", again, v, r.spec.Account, r.ref.Version),
				"apply without --only, or with --only serviceaccount first: that sets the password again")
		} else if r.due(in, n) {
			say(fmt.Sprintf("may not start%s: version %s of %s is declared and not proven, and the domain may have that password already", again, r.ref.Version, r.spec.Account),
				"apply without --only, or with --only serviceaccount first: that sets the password. While the domain has it not yet, declare the version before")
		}
	}
	return all
}

// dead is why the password that a service has is taken to be no longer valid, "" for no reason.
func (r *Rotation) dead(in reconciler.Input, n node) string {
	stored := func(n node) string {
		return site.StoredLogonOf(in.History, r.ref.Name, n.host, n.component.Service).Version
	}
	_, pending := in.History.Pending(r.ref.Name, r.ref.Version)
	if r.password && stored(n) != r.ref.Version && site.AcceptedLogon(in.History, r.ref.Name) == r.ref.Version {
		return fmt.Sprintf("%s has logged on with version %s since, and this one is not known to have it", r.spec.Account, r.ref.Version)
	}
	for _, o := range r.nodes {
		s := site.Answer[site.ServiceSeen](in.Seen, o.service())
		switch {
		case s != nil && s.State == "stopped" && s.ExitCode == logonFailure && strings.EqualFold(s.Account, r.spec.Account) && stored(o) == stored(n):
			if o.host == n.host && o.component.Service == n.component.Service {
				return "it was refused at its last start"
			}
			return fmt.Sprintf("%s on %s has the same account, and was refused", o.component.Service, o.host)
		case r.password && pending && stored(o) == r.ref.Version && stored(n) != r.ref.Version:
			return fmt.Sprintf("an earlier run gave %s on %s version %s of %s, and this one has another", o.component.Service, o.host, r.ref.Version, r.spec.Account)
		}
	}
	return ""
}

// due says that a service may have the password before the declared one, which the domain may have: unless we are the one who changes it
// there, and have not begun.
func (r *Rotation) due(in reconciler.Input, n node) bool {
	last, _ := in.History.LastProven(r.ref.Name)
	_, pending := in.History.Pending(r.ref.Name, r.ref.Version)
	return r.password && last.Version != r.ref.Version && (r.spec.ChangedBy != kpasswd || pending) &&
		site.StoredLogonOf(in.History, r.ref.Name, n.host, n.component.Service).Version != r.ref.Version
}
