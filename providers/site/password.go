package site

import (
	"fmt"
	"slices"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// StoredSoon is how long after a service's registration was written its account's password may have been set without doubt about their
// order: the clocks are two, and who does both needs a while.
const StoredSoon = 5 * time.Minute

// password is that the account of a service that runs got another password since, which nobody has given to the service manager: what
// that keeps nobody can read, but its registration is written with it. It refuses where that is sure. A run of ours knows what it stored.
func (p Part) password(in reconciler.Input, seen *PreflightSeen) (all []obstacle, sure bool) {
	s, host := p.Service, p.Preflight.Host
	set, registered := seen.PasswordSet, seen.Start.Registered
	switch {
	case set.IsZero(), Passwordless(s.Account), s.StartedAt.IsZero(), !set.After(s.StartedAt.Add(SkewError)):
		return nil, false
	case p.Sets != "" || setsLogon(in, host, s.Name) != "", !registered.IsZero() && !set.After(registered):
		return nil, false
	}
	step := reconciler.Step{Phase: reconciler.Switch, Op: SetLogon{Host: host, Service: s.Name}}
	if slices.ContainsFunc(in.History.StepDoneOf(step.Name(), host), func(done state.Entry) bool { return done.Time.Add(StoredSoon).After(set) }) {
		return nil, false
	}
	sure = !registered.IsZero() && set.After(registered.Add(StoredSoon))
	text := fmt.Sprintf("the password of %s was set on %s, after service %s had started", s.Account, set.UTC().Format("2006-01-02 15:04:05 UTC"), s.Name)
	if sure {
		text += ", and its registration was not written since: with the one that the service manager keeps, it would not start again (Windows error 1069)"
	} else {
		text += ": whether the service manager keeps that one cannot be read"
	}
	return []obstacle{{"password-newer", text, alone(in, host, s.Name, "give the service manager the new one (services.msc, Log On), or declare it in the document as that account's; "+
		"where it has it already, restart the service at a time of your choosing: that it runs again contents the guard")}}, sure
}
