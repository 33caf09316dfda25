package sqllogin

import (
	"slices"
	"strings"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// holder is a node as it was seen, and what it needs.
type holder struct {
	node
	reach   reconciler.Reach
	setting *site.SettingSeen
	service *site.ServiceSeen
	machine *site.MachineSeen
	signIn  *site.SignInSeen // nil when nobody could ask
	says    site.Connection
	// edit: the file holds another version, or another login. stale: the process has not read the file as it is, as far as anybody
	// knows. stopped: it should run.
	edit, stale, stopped bool
	reading              site.Reading
	// dependents stop and start with the service; lost are those that an earlier run stopped and nobody started again.
	dependents, lost []string
}

// whole says that everything about the host was seen.
func (h holder) whole() bool {
	return h.reach == reconciler.Reached && h.setting != nil && h.service != nil
}

func (h holder) declared(version string) bool { return h.whole() && h.setting.Version == version }

// rejected says that the server refuses the password in the string; accepted that it takes it.
func (h holder) rejected() bool { return h.signIn != nil && h.signIn.Verdict == site.Rejected }
func (h holder) accepted() bool { return h.signIn != nil && h.signIn.Verdict == site.Accepted }

// instance is an instance of SQL Server as it was seen.
type instance struct {
	server    string
	look      reconciler.Look
	seen      *site.InstanceSeen // nil when it did not answer
	logins    map[string]*site.LoginSeen
	tolerated bool
	account   *site.SignInSeen
	has       string // the version of the target's password that was proven there last, by the ledger
}

func (i instance) same(o instance) bool { return i.server == o.server }

func (i instance) login(name string) *site.LoginSeen { return i.logins[strings.ToLower(name)] }

// find is what is known of a login that need not be declared, nil for nothing.
func (i instance) find(name string) *site.LoginSeen {
	if l := i.login(name); l != nil {
		return l
	}
	return i.seen.Find(name)
}

// sight is everything that was seen.
type sight struct {
	holders   []holder // Admin, Engine
	instances []instance
	value     *site.ValueSeen
	pending   bool
	begun     []string // versions that earlier runs have begun with and not ended
	// target is the login that is to have the declared version, "" when none can. old is the one that is in force, where a file has it still.
	target, old string
	// behind are the instances on which the version that is live was never proven.
	behind []instance
}

func (s sight) admin() holder  { return s.holders[0] }
func (s sight) engine() holder { return s.holders[1] }

func (s sight) whole() bool { return s.admin().whole() && s.engine().whole() }

// declared says that both files hold the version.
func (s sight) declared(version string) bool {
	return s.admin().declared(version) && s.engine().declared(version)
}

// refused says that a string in force does not work, or may not be tried any more.
func (s sight) refused() bool {
	return slices.ContainsFunc(s.holders, func(h holder) bool { return h.rejected() || h.signIn != nil && h.signIn.Spared })
}

// contained says that the login is a user of the database with a password of its own.
func (s sight) contained(login string) bool {
	l := s.main().login(login)
	return l != nil && l.Contained
}

// parted says that the two strings differ in who signs in, or with what.
func (s sight) parted() bool {
	a, e := s.admin(), s.engine()
	return !strings.EqualFold(a.says.User, e.says.User) || a.setting.Version != e.setting.Version
}

// edits says that a file is to be swapped: both services stop for that.
func (s sight) edits() bool {
	return slices.ContainsFunc(s.holders, func(h holder) bool { return h.edit })
}

// halfChanged says that a run may have changed the password and got no further: then nobody else need have done it.
func (s sight) halfChanged() bool { return len(s.begun) > 0 }

// reached are the instances that answered, each once: a listener leads to one of the replicas.
func (s sight) reached() []instance {
	var some []instance
	known := map[string]int{}
	for _, i := range s.instances {
		if i.seen == nil {
			continue
		}
		key := strings.ToLower(i.seen.Name)
		if at, again := known[key]; again {
			some[at] = i // by its own name it is the same one after a failover
			continue
		}
		known[key] = len(some)
		some = append(some, i)
	}
	return some
}

// unseen are the instances that did not answer.
func (s sight) unseen() (servers []string) {
	for _, i := range s.instances {
		if i.seen == nil {
			servers = append(servers, i.server)
		}
	}
	return servers
}

// sessions are those of a login on every instance: a secondary may be readable.
func (s sight) sessions(login string) (all []site.SessionSeen) {
	for _, i := range s.reached() {
		all = append(all, i.seen.Of(login)...)
	}
	return all
}

// main is the instance that the strings lead to.
func (s sight) main() instance {
	if len(s.instances) == 0 {
		return instance{}
	}
	return s.instances[0]
}

// replicasFirst are the instances in the order of their change: as long as the server of the strings has the old password,
// nobody is in need of the new one.
func (w work) replicasFirst() []instance {
	var first, last []instance
	for _, i := range w.reached() {
		if w.isMain(i) {
			last = append(last, i)
		} else {
			first = append(first, i)
		}
	}
	return append(first, last...)
}

// isMain says that the strings lead to the instance now.
func (s sight) isMain(i instance) bool {
	return s.main().seen != nil && i.seen != nil && strings.EqualFold(i.seen.Name, s.main().seen.Name)
}

// look sorts what was seen.
func (r *Rotation) look(in reconciler.Input) sight {
	s := sight{value: site.Answer[site.ValueSeen](in.Seen, site.Value{Secret: r.ref})}
	_, s.pending = in.History.Pending(name, r.ref.Version)
	s.begun = in.History.Begun(name)
	for _, n := range r.nodes {
		h := holder{node: n, reach: in.Seen.Reach(site.Host(n.host)), setting: site.Answer[site.SettingSeen](in.Seen, n.setting),
			service: site.Answer[site.ServiceSeen](in.Seen, n.service), machine: site.Answer[site.MachineSeen](in.Seen, n.machine)}
		if r.spec.Mode != integrated {
			h.signIn = site.Answer[site.SignInSeen](in.Seen, n.signIn)
		}
		if h.whole() {
			h.says, _ = h.setting.Content.(site.Connection)
			h.dependents, h.lost = site.Stopped(in.History, name, n.host, n.component.Service, h.service)
			h.stopped = !h.service.Running()
			h.reading = site.ReadingOf(in, r.ref, n.host, h.service, h.machine, h.setting.Base, h.declared(r.ref.Version))
			h.stale = !h.stopped && h.reading == site.Unread
		}
		s.holders = append(s.holders, h)
	}
	for i, server := range r.servers {
		x := instance{server: server, look: in.Seen[site.SQL(server)], logins: map[string]*site.LoginSeen{},
			seen: site.Answer[site.InstanceSeen](in.Seen, site.Instance{Server: server, Database: r.database})}
		for _, t := range r.spec.Tolerate {
			x.tolerated = x.tolerated || i > 0 && strings.EqualFold(t, server)
		}
		x.account = site.Answer[site.SignInSeen](in.Seen, r.account(server))
		for _, l := range r.spec.logins() {
			x.logins[strings.ToLower(l)] = site.Answer[site.LoginSeen](in.Seen, site.Login{Server: server, Name: l})
		}
		s.instances = append(s.instances, x)
	}
	r.choose(in, &s)
	for i, x := range s.instances {
		s.instances[i].has, _ = in.History.Fact(name, x.server, site.VersionOn(x.server, s.target, "").Field)
	}
	for i, h := range s.holders {
		s.holders[i].edit = h.whole() && s.target != "" && (h.setting.Version != r.ref.Version || !strings.EqualFold(h.says.User, s.target))
	}
	s.behind = r.leftBehind(in, s)
	return s
}

// choose finds the login for the declared version, and the one that is in force.
//
// Of a pair it is the one that already has it, by a file; or that an earlier run began with, by the ledger, unless a file names that
// one with another version: the run had another mode or another pair, and the login is in force; or else the one that no file names and
// nobody is signed in with; after a run that left the files half swapped, that no running service has.
func (r *Rotation) choose(in reconciler.Input, s *sight) {
	for _, h := range s.holders {
		if h.whole() && !h.declared(r.ref.Version) {
			s.old = h.says.User
			break
		}
	}
	if r.spec.Mode != alternating {
		s.target = r.spec.Login
		return
	}
	for _, h := range s.holders {
		if h.declared(r.ref.Version) && r.ours(h.says.User) {
			s.target = h.says.User
		}
	}
	if begun, ok := in.History.Fact(name, "", site.LoginOf); s.target == "" && s.pending && ok && r.ours(begun) && !r.named(*s, begun) {
		s.target = begun
	}
	for _, inUse := range []func(sight, string) bool{r.named, r.running} {
		for _, l := range r.spec.Logins {
			if s.target == "" && !inUse(*s, l) && len(s.sessions(l)) == 0 {
				s.target = l
			}
		}
		if len(s.begun) == 0 {
			break // nobody left the files half swapped
		}
	}
}

// ours says that a login is declared.
func (r *Rotation) ours(login string) bool {
	for _, l := range r.spec.logins() {
		if strings.EqualFold(l, login) {
			return true
		}
	}
	return false
}

// running says that a service may run with the login: its file names it, and it is not stopped.
func (r *Rotation) running(s sight, login string) bool {
	for _, h := range s.holders {
		if !h.whole() || !h.stopped && strings.EqualFold(h.says.User, login) {
			return true
		}
	}
	return false
}

// named says that a file names the login.
func (r *Rotation) named(s sight, login string) bool {
	for _, h := range s.holders {
		if h.whole() && strings.EqualFold(h.says.User, login) {
			return true
		}
	}
	return false
}
