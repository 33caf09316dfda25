package site

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// StartSeen is whether a service, once stopped, starts again as it runs now. The zero StartSeen knows of nothing that is against it.
type StartSeen struct {
	// Lacks are what its start would not find, or not read.
	Lacks []Lack
	// Changed is what was written since its process has read it: nobody has tried that yet.
	Changed []Changed
	// Registration is a digest of what the service manager keeps of it.
	Registration string
	// Registered is when it was written last, by the host's clock; zero where that is not known.
	Registered time.Time
}

// Lack is why a start would fail, with the Windows error that it would end with.
type Lack struct {
	Code uint32
	Text string
}

// Changed is something that a service reads at its start.
type Changed struct {
	What string
	At   time.Time // by the host's clock
	// Own: it is the settings file that the document names.
	Own bool
	// Kept: the time of its last write is older than the process. A copy may keep that; or its rights alone were changed.
	Kept bool
}

// Says is what was changed, and when.
func (c Changed) Says() string {
	return c.What + " was changed on " + c.when() + ", after the process before had started"
}

func (c Changed) when() string { return c.At.UTC().Format("2006-01-02 15:04:05 UTC") }

// Program is how a change of a service's program begins; the names of its files follow.
const Program = "its program "

// Registration is what the service manager keeps of a service.
const Registration = "its registration (command line, variables, account)"

func registrationOf(service string) string { return "registration of " + service }

// StartedWith is what a run tells the ledger of a service that it has started.
func StartedWith(host, service, registration string) []state.Fact {
	if registration == "" {
		return nil
	}
	return []state.Fact{{Host: host, Field: registrationOf(service), Value: registration}}
}

// lacking are reasons why the service would not start again.
func (s *PreflightSeen) lacking() []obstacle {
	var all []obstacle
	for _, l := range s.Start.Lacks {
		all = append(all, obstacle{"service-cannot-start", fmt.Sprintf("stopped, service %s would not start again (Windows error %d): %s", s.Preflight.Service, l.Code, l.Text),
			"put that right on the host"})
	}
	return all
}

// changed is what the service would start with for the first time; mild is what refuses nothing. The account's logon is another matter
// where a run of ours has set it, or this one does.
func (p Part) changed(in reconciler.Input, s *PreflightSeen) (all []obstacle, mild []reconciler.Finding) {
	for _, c := range s.Start.Changed {
		set := reconciler.Step{Phase: reconciler.Switch, Op: SetLogon{Host: s.Host, Service: s.Preflight.Service}}
		registration := c.What == Registration
		if c.Own || registration && (p.Sets == LogonAnew || setsLogon(in, s.Host, s.Preflight.Service) == LogonAnew || p.ours(in, set, c.At)) {
			continue
		}
		if c.Kept {
			mild = append(mild, Warning("service-changed", fmt.Sprintf("%s: something about %s of service %s was changed on %s, after its process had started: its rights, or all of it by a copy, which keeps the time of the last write",
				s.Host, strings.TrimPrefix(c.What, "its "), s.Preflight.Service, c.when()), "where it was replaced, restart the service at a time of your choosing, and see that it works", s.Host))
			continue
		}
		if registration && !differs(in, s, set) {
			mild = append(mild, p.sameAgain(in, s, c))
			continue
		}
		all = append(all, obstacle{"service-changed", fmt.Sprintf("service %s may not start as it runs: %s was changed on %s, after its process had started, and nobody has tried it since",
			s.Preflight.Service, c.What, c.when()), p.tryIt()})
	}
	return all, mild
}

// tryIt is what contents the guard. It must not lead into what the guard is there to avoid.
func (p Part) tryIt() string {
	hint := "see that what was changed there is meant, and that no other finding is about it; then restart the service at a time of your choosing, and see that it works"
	if p.Service != nil && !Passwordless(p.Service.Account) {
		hint += " (where the password of its account was changed, set it in the service manager before)"
	}
	return hint
}

// differs says that the registration is another than the one that a run of ours started the service with. Much writes a registration
// and changes nothing that a start needs: a policy that is applied again, what is to be done after a failure. Where runs of ours set
// the logon, one that was cut off may have done so, or have put it back.
func differs(in reconciler.Input, s *PreflightSeen, set reconciler.Step) bool {
	known := in.History.LastFact(s.Host, registrationOf(s.Preflight.Service))
	return known != "" && s.Start.Registration != "" && known != s.Start.Registration && !in.History.Took(set.Name())
}

// sameAgain is what is said of a registration that was written and is not known to differ.
func (p Part) sameAgain(in reconciler.Input, s *PreflightSeen, c Changed) reconciler.Finding {
	host, service := s.Host, s.Preflight.Service
	text := fmt.Sprintf("%s: %s of service %s was written on %s, after its process had started", host, c.What, service, c.when())
	known := in.History.LastFact(host, registrationOf(service))
	switch {
	case known == "" || known != s.Start.Registration:
		return Warning("service-changed", text+", and no run of ours knows what it was", "see that what was changed there is meant: a restart brings it into force", host)
	case p.Service == nil || !Passwordless(p.Service.Account):
		return Warning("service-changed", text+": it reads as it did, but for the password, which nobody can read", "where that was set, see that it is right", host)
	}
	f := Warning("service-changed", text+", and reads as it did", "", host)
	f.Severity = reconciler.Note
	return f
}

// newer is the settings file where it was edited by hand: a run of ours writes it while its service is stopped, never after the start.
// It parses, and its owner's guards judge what they need of it: people edit such files at all times, so this alone refuses nothing.
func (s *PreflightSeen) newer() []obstacle {
	var all []obstacle
	for _, c := range s.Start.Changed {
		if c.Own {
			all = append(all, obstacle{"settings-newer", fmt.Sprintf("%s was changed on %s, after service %s had started: a restart brings all of it into force",
				c.What, c.when(), s.Preflight.Service), "see that what was changed there is meant"})
		}
	}
	return all
}

// ours says that a step of an earlier run did what the host notes at this moment.
func (p Part) ours(in reconciler.Input, step reconciler.Step, at time.Time) bool {
	at = at.Add(-skewOf(p.Machine))
	return slices.ContainsFunc(in.History.StepDoneOf(step.Name(), p.Preflight.Host), func(done state.Entry) bool {
		began, ok := in.History.StepBegan(done.Secret, done.Version, step.Name(), p.Preflight.Host)
		return ok && at.After(began.Add(-SkewError)) && at.Before(done.Time.Add(SkewError))
	})
}

// setsLogon is how a plan sets a service's logon before anybody stops it. In a later round it is too late: whoever stops the service in
// the first would start it with what it has now.
func setsLogon(in reconciler.Input, host, service string) (how string) {
	how, round := logonComing(in, host, service)
	if round > 0 {
		return ""
	}
	return how
}

func logonComing(in reconciler.Input, host, service string) (how string, round int) {
	for _, c := range in.Coming {
		if c.Target == Host(host) && c.Fact.Field == LogonComing(service) {
			return c.Fact.Value, c.Round
		}
	}
	return "", 0
}

// alone is what to do first about an account by which a service would not start, where this plan gives the service another logon too late.
func alone(in reconciler.Input, host, service, hint string) string {
	if _, round := logonComing(in, host, service); round > 0 {
		return "the document gives the service another logon, and it would be stopped for something else before it has that: apply the accounts alone first, with `meshrotate apply --only`, and then the rest"
	}
	return hint
}

// LogonComing is the field of the fact that a service's logon is set by a plan.
func LogonComing(service string) string { return "logon of " + service }

// How a plan sets a logon: where none of ours is known to be there, or where one of ours, or another account's, is there since the
// process started.
const (
	LogonSet  = "set"
	LogonAnew = "set anew"
)

// Shut are the accounts by which a service could not log on, and how that is told.
type Shut map[string]string

// refusals are the Windows errors of a start whose account may not log on.
var refusals = []uint32{1069, 1326, 1327, 1330, 1331, 1385, 1793, 1907, 1909}

// shutOut is what is found where an account could not log on.
const shutOut = "service-cannot-start"

// refusedFor is for how long a start that ended with 1069 is not tried again with the same password: longer than a domain usually counts
// wrong ones. A few of them lock an account out, and all that runs as it.
const refusedFor = 30 * time.Minute

// StartRefused is what a run tells the ledger of a start that was refused for the service's account, by our clock.
func StartRefused(host, service string, at time.Time) []state.Fact {
	return []state.Fact{{Host: host, Field: startRefused(service), Value: at.UTC().Format(time.RFC3339)}}
}

func startRefused(service string) string { return "start refused of " + service }

// shutOutBefore says of a service that is to start that its account could not log on when that was tried last. It is tried again later,
// for nothing is lost by that then: whoever has mended the account has it started, and what else waits for it knows then; or at once, where
// somebody has written the service's registration since, as who sets its password does. Where the plan gives it another logon, and too
// late, nobody is to mend what it has: until then each try would only be a wrong password more.
func (p Part) shutOutBefore(in reconciler.Input, seen *PreflightSeen) (f reconciler.Finding, is bool) {
	s := p.Service
	if !p.Restart || s == nil || s.State != "stopped" || !slices.Contains(refusals, s.ExitCode) {
		return f, false
	}
	host := p.Preflight.Host
	at, err := time.Parse(time.RFC3339, in.History.LastFact(host, startRefused(s.Name)))
	how, round := logonComing(in, host, s.Name)
	written := err == nil && seen.Start.Registered.Add(-skewOf(p.Machine)).After(at)
	if round > 0 && !written && p.Sets == "" {
		return Problem(shutOut, fmt.Sprintf("%s: %s could not log on when service %s was started last (Windows error %d): it is not tried again with what the service manager has", host, s.Account, s.Name, s.ExitCode),
			alone(in, host, s.Name, ""), host), true
	}
	stays := !p.Fleet && how == "" // a relay of many may wait for the next run
	if until := at.Add(refusedFor); err == nil && !written && in.Now.Before(until) && p.Sets == "" && stays {
		const clock = "15:04:05 UTC"
		return Problem(shutOut, fmt.Sprintf("%s: %s could not log on when service %s was started at %s (Windows error %d): it is not tried again before %s, as wrong passwords lock an account out",
			host, s.Account, s.Name, at.UTC().Format(clock), s.ExitCode, until.UTC().Format(clock)),
			"mend the account (unlock it, or set its password in the service manager), and start the service there; then apply", host), true
	}
	f = Warning(shutOut, fmt.Sprintf("%s: %s could not log on when service %s was started last (Windows error %d): it is tried again", host, s.Account, s.Name, s.ExitCode),
		"see first that the account is mended: unlocked, and its password set in the service manager", host)
	f.Cure = true
	return f, true
}

// ShutOf looks through all services that were seen. One whose logon the plan sets is about to be mended.
func ShutOf(in reconciler.Input) Shut {
	all := Shut{}
	for target, look := range in.Seen {
		for _, r := range look.Results {
			s, ok := r.(*ServiceSeen)
			if !ok || s.State != "stopped" || !slices.Contains(refusals, s.ExitCode) || setsLogon(in, target.Name, s.Name) != "" {
				continue
			}
			text := fmt.Sprintf("%s could not start service %s as %s (Windows error %d)", target.Name, s.Name, s.Account, s.ExitCode)
			if key := logonOn(target.Name, s.Account); all[key] == "" || text < all[key] {
				all[key] = text
			}
		}
	}
	return all
}

// ButOf leaves out what is known of the account of a service that is started before anything is stopped for the same secret: if it does
// not start, nothing is.
func (a Shut) ButOf(s *ServiceSeen, host string) Shut {
	some := maps.Clone(a)
	delete(some, logonOn(host, s.Account))
	return some
}

// logonOn is an account as all hosts know it, or a host's own.
func logonOn(host, account string) string {
	if strings.HasPrefix(account, `.\`) {
		account = host + account[1:]
	}
	return strings.ToLower(account)
}

// of is why a service that runs is not to be stopped.
func (a Shut) of(in reconciler.Input, s *ServiceSeen, host string) []obstacle {
	text := a[logonOn(host, s.Account)]
	if text == "" {
		return nil
	}
	return []obstacle{{shutOut, fmt.Sprintf("stopped, service %s would not start again (Windows error 1069): its account could not log on: %s", s.Name, text),
		alone(in, host, s.Name, "mend the account (unlock it, or set its password in the service manager), and start the service that is stopped")}}
}
