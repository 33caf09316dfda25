package serviceaccount

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/specs"
)

// member is a node as it was seen, and what it needs.
type member struct {
	node
	reach   reconciler.Reach
	service *site.ServiceSeen
	machine *site.MachineSeen
	logon   *site.LogonSeen
	stored  site.StoredLogon
	doubt   string    // another version, that a run which did not finish began to give it
	reset   time.Time // when the domain gave the account a password after this one was stored, and since then runs as it; zero: it did not
	// set: its logon is not known to be the declared one. stale: the process is older than the logon. stopped: it should run; ours: a
	// run has stopped it.
	set, stale, stopped, ours bool
	// dependents stop and start with the service; lost are those that an earlier run stopped and nobody started again.
	dependents, lost []string
}

func (m member) whole() bool {
	return m.reach == reconciler.Reached && m.service != nil && m.logon != nil
}

// other says that the service is to run as another account than it is set to.
func (m member) other() bool { return m.logon.Configured == site.No }

// same says that two are one service.
func (m member) same(o member) bool { return m.node.service() == o.node.service() }

// work is what is left to do.
type work struct {
	all           []member
	set, bounce   []member
	revive        []member
	waiting       []member // it has the logon from its next start on, and nobody restarts it
	left          []member
	pending, mint bool
	about         string    // what the declared password's store says of it
	opens         time.Time // the window in which services restart; zero where there is none, or it is open
	later         bool      // services are not restarted; not so where others know the password
	before        string    // the version that was live before
}

// touched are the services whose logon is to be set, or that are restarted.
func (w work) touched() map[site.Service]bool {
	is := map[site.Service]bool{}
	for _, m := range slices.Concat(w.set, w.bounce, w.revive) {
		is[m.node.service()] = true
	}
	return is
}

// sets is how a member's logon is set.
func (w work) sets(m member) string {
	switch {
	case !m.whole() || !m.set:
		return ""
	case w.pending || m.doubt != "" || m.other():
		return site.LogonAnew
	}
	return site.LogonSet
}

func (w work) none() bool {
	return len(w.set) == 0 && len(w.bounce) == 0 && len(w.revive) == 0 && !w.pending
}

// Plan compares what services log on with, as far as that can be known, with the declared account and version.
func (r *Rotation) Plan(in reconciler.Input) reconciler.Change {
	w := r.need(in)
	c := reconciler.Change{Secret: r.ref, Title: "account " + r.spec.Account, Before: r.before(in), Beside: site.Exposed(in.Seen, r.Reads())}
	c.Due, _ = in.History.Due(r.ref.Name, r.spec.Every.Of())
	c.Findings, w.left = r.guard(in, w)
	if f, wrong := site.KeptFinding(in, r.ref, len(w.set) > 0); r.password && wrong {
		c.Findings = append(c.Findings, f)
	}
	if f, back := site.BackFinding(in, r.ref, len(w.set) > 0); r.password && back {
		c.Findings = append(c.Findings, f)
	}
	c.Down, c.Returned = site.LeftDown(in, r.ref, site.Each(w.all, func(m member) site.Watched {
		return site.Watched{Host: m.host, Service: m.component.Service, What: m.who.Name, Seen: m.service, Machine: m.machine, Works: true}
	}))
	for i, d := range c.Down {
		if stays := func(m member) bool { return m.who.Name == d.What && m.stopped && !r.starts(w, m) }; slices.ContainsFunc(w.all, stays) {
			c.Down[i].Why = reconciler.Hinted(errors.New(d.Cause), "start it on the host: with `restart: later` no run starts it")
		}
	}
	switch blocked := reconciler.Blocked(c.Findings); {
	case blocked && w.none() && !slices.ContainsFunc(w.all, func(m member) bool { return !m.whole() }):
		c.Status, c.Reason = reconciler.Refused, r.asDeclared(w)+", and a guard objects"
	case blocked && w.none():
		c.Status, c.Reason = reconciler.Unknown, "not everything could be looked at"
	case blocked:
		c.Status, c.Reason = reconciler.Refused, r.reason(w)
	case w.none():
		c.Status, c.Before, c.Reason = reconciler.AsDeclared, r.ref.Version, r.asDeclared(w)
	default:
		c.Status, c.Reason = reconciler.Rotate, r.reason(w)
		c.Rounds = r.rounds(w)
		c.Findings = append(c.Findings, r.oneByOne(w, c.Rounds)...)
		c.Alters = alters(w, c.Rounds)
		c.Outages = r.predict(in, w)
		if len(w.set) > 0 {
			c.Undo = "until the first logon is set nothing was changed"
		}
		c.Opens = w.opening()
		c.Next = site.Each(w.waiting, func(m member) reconciler.Op { return start(m) })
		c.Tolerate, c.Left = r.tolerance, site.LeftOf(site.Each(w.left, func(m member) string { return m.host }))
		c.Unreached = site.Each(w.left, func(m member) reconciler.Step { return reconciler.Step{Phase: reconciler.Switch, Op: r.set(m)} })
	}
	return c
}

// need finds the work.
func (r *Rotation) need(in reconciler.Input) work {
	w := work{later: r.spec.Restart == later}
	if r.spec.Restart == window {
		var open bool
		w.opens, open = specs.AnyOpen(r.spec.RestartIn, in.Now)
		w.later = !open
	}
	if in.Compromised(r.ref) != "" {
		w.later, w.opens = false, time.Time{}
	}
	_, w.pending = in.History.Pending(r.ref.Name, r.ref.Version)
	w.before = cmp.Or(r.before(in), r.proven(in))
	if v := site.Answer[site.ValueSeen](in.Seen, site.Value{Secret: r.ref}); v != nil {
		w.mint, w.about = !v.Kept, v.About
	}
	for _, n := range r.nodes {
		m := member{node: n, reach: in.Seen.Reach(site.Host(n.host)), service: site.Answer[site.ServiceSeen](in.Seen, n.service()),
			machine: site.Answer[site.MachineSeen](in.Seen, n.machine()), logon: site.Answer[site.LogonSeen](in.Seen, r.logon(n))}
		if m.whole() {
			m.stored = site.StoredLogonOf(in.History, r.ref.Name, n.host, n.component.Service)
			m.dependents, m.lost = site.Stopped(in.History, r.ref.Name, n.host, n.component.Service, m.service)
			_, begun := site.StopBegan(in.History, r.ref, n.host, n.component.Service, n.who.Name)
			m.stopped = !m.service.Running()
			m.ours = m.stopped && begun
			m.doubt = r.doubt(in.History, n)
			m.reset = r.resetSince(m)
			m.set = m.logon.Configured != site.Yes || w.pending || m.doubt != "" || r.password && m.stored.Version != r.ref.Version || !m.reset.IsZero()
			waits := !m.set && !m.stopped && !m.stored.At.IsZero()
			m.stale = waits && m.service.StartedAt.Before(m.stored.At) || !m.set && m.logon.Running == site.No
			r.sort(m, &w)
		}
		w.all = append(w.all, m)
	}
	return w
}

// resetSince is when the domain gave the account a password after the declared one was stored, or was shown to work. It may be the same
// one: a sign-in shows it, and then it is stored again.
func (r *Rotation) resetSince(m member) (at time.Time) {
	known := m.stored.At
	if known.IsZero() {
		known = m.service.StartedAt
	}
	if !r.password || m.stored.Version != r.ref.Version || known.IsZero() || !m.logon.PasswordSet.After(known.Add(site.StoredSoon)) {
		return at
	}
	return m.logon.PasswordSet
}

// sort says what a member needs.
func (r *Rotation) sort(m member, w *work) {
	if m.set {
		w.set = append(w.set, m)
	}
	bounces := !w.later && (m.set || m.stale) || r.starts(*w, m)
	switch {
	case bounces:
		w.bounce = append(w.bounce, m)
	case m.set || m.stale:
		w.waiting = append(w.waiting, m)
	case len(m.lost) > 0:
		w.revive = append(w.revive, m)
	}
}

// starts says that a stopped service starts: in its own time with restart: later, unless a run has stopped it; and with a window at
// once, for a run may have been cut off in it.
func (r *Rotation) starts(w work, m member) bool {
	return m.stopped && (!w.later || m.ours || r.spec.Restart == window)
}

// before is the version that was live before, "" where a run that did not finish may have given another one to some.
func (r *Rotation) before(in reconciler.Input) string {
	if e, ok := in.History.Unfinished(r.ref.Name, r.ref.Version); ok && e.Before != "" {
		return e.Before
	}
	if v := r.inDomain(in.History); v != "" {
		return v
	}
	if slices.ContainsFunc(r.nodes, func(n node) bool { return r.doubt(in.History, n) != "" }) {
		return ""
	}
	return r.proven(in)
}

func (r *Rotation) proven(in reconciler.Input) string {
	last, _ := in.History.LastProven(r.ref.Name)
	return last.Version
}

func (r *Rotation) reason(w work) string {
	of := func(is func(member) bool) []member {
		return site.Where(w.all, func(m member) bool { return m.whole() && is(m) })
	}
	others := of(member.other)
	stale, stopped := of(func(m member) bool { return m.stale }), of(func(m member) bool { return r.starts(w, m) })
	soon := ""
	if w.later {
		soon = "; it is stored now, and takes effect at the next start" + w.opening()
	}
	switch {
	case len(others) > 0:
		return fmt.Sprintf("the spec asks for %s; %s set to run as %s%s", r.spec.Account, are(others), others[0].service.Account, soon)
	case w.pending:
		return "an earlier run began with " + r.ref.Version + " and did not finish: what a service manager has cannot be read back"
	case r.doubtful(w.set) != "":
		return r.doubtful(w.set) + soon
	case len(w.set) > 0 && !w.set[0].reset.IsZero():
		return fmt.Sprintf("the account got a password on %s, after %s was stored: whether it is that one a sign-in shows%s", w.set[0].reset.UTC().Format("2006-01-02 15:04 UTC"), r.ref.Version, soon)
	case len(w.set) > 0 && w.set[0].stored.Version != "":
		return fmt.Sprintf("the spec asks for %s; %s %s", r.ref.Version, have(w.set), w.set[0].stored.Version+soon)
	case len(w.set) > 0:
		return fmt.Sprintf("the spec asks for %s; %s a password that meshrotate has not set%s", r.ref.Version, have(w.set), soon)
	case len(stale) > 0 && !w.later:
		return fmt.Sprintf("%s is stored; %s started before that", r.ref.Version, names(stale))
	case len(stopped) > 0:
		return are(stopped) + " not running"
	case len(w.revive) > 0:
		return fmt.Sprintf("an earlier run stopped %s and did not start it again", strings.Join(w.revive[0].lost, ", "))
	}
	return "the spec asks for " + r.ref.Version
}

// opening says when a window opens.
func (w work) opening() string {
	if w.opens.IsZero() {
		return ""
	}
	return ", in the window that opens on " + w.opens.Format("Mon 2006-01-02 15:04 MST")
}

func (r *Rotation) asDeclared(w work) string {
	stopped := site.Where(w.all, func(m member) bool { return m.whole() && m.stopped })
	if waiting := slices.Concat(w.waiting, stopped); len(waiting) > 0 {
		text := "stored; takes effect at the next start of " + names(waiting) + w.opening()
		if len(stopped) > 0 {
			text += "; " + are(stopped) + " not running, and restart: later leaves the start to others"
		}
		return text
	}
	seen := site.Where(w.all, member.whole)
	away := site.Where(w.all, func(m member) bool { return !m.whole() })
	switch {
	case len(seen) == 0:
		return "nothing was seen of what runs as " + r.spec.Account
	case len(away) > 0:
		return names(seen) + verb(seen, " runs as ", " run as ") + r.spec.Account + "; " + names(away) + " not seen"
	}
	return names(seen) + verb(seen, " runs as ", " run as ") + r.spec.Account
}

// names tells of a few members by name, and of many by number.
func names(all []member) string {
	var some []string
	relays := 0
	for _, m := range all {
		if m.who.Noun != "" {
			relays++
		} else {
			some = append(some, m.who.Name)
		}
	}
	switch {
	case relays == 1 && len(all) == 1:
		some = append(some, all[0].who.Name)
	case relays > 0:
		some = append(some, fmt.Sprintf("%d relays", relays))
	}
	return strings.Join(some, " and ")
}

func are(all []member) string  { return names(all) + verb(all, " is", " are") }
func have(all []member) string { return "the service manager of " + names(all) + " has" }

func verb(all []member, one, many string) string {
	if len(all) == 1 {
		return one
	}
	return many
}
