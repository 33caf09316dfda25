package site

import (
	"fmt"
	"strings"
	"time"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// AlterLogin gives a login a password: a version of a secret. It looks before it says that it failed: a reply that was lost,
// and a policy that does not take a password twice, are answered by a sign-in.
type AlterLogin struct {
	Server string     `json:"-"`
	Login  string     `json:"login"`
	Secret secret.Ref `json:"secret"`
	// Database is where it is a user with a password of its own, "" for a login.
	Database string `json:"database,omitempty"`
	// Enable says that it was retired: with the password it may sign in again.
	Enable bool `json:"enable,omitempty"`
	// Unlock ends its lockout: services that an earlier run left with a dead password have locked it out.
	Unlock bool `json:"unlock,omitempty"`
	// Idle says that nobody may be signed in with it: whoever is would be refused at the next reset of their connection.
	Idle bool `json:"idle,omitempty"`
	// Awaited says that services are stopped for it which cannot work without this server: when no answer comes, it is asked for
	// longer what became of it.
	Awaited bool `json:"awaited,omitempty"`
	// Begun is another version that an earlier run may have given to it, "" for none.
	Begun string `json:"begun,omitempty"`
	// Turns says that it takes the place of another login: what it had is not what was live.
	Turns bool `json:"turns,omitempty"`
	// Instead are the logins whose place it takes, as WriteReplaced has them.
	Instead string `json:"instead,omitempty"`
}

func (o AlterLogin) Kind() string              { return "alter-login" }
func (o AlterLogin) Target() reconciler.Target { return SQL(o.Server) }
func (o AlterLogin) Key() string               { return "alter login " + o.Login }
func (o AlterLogin) Holds() string {
	if o.Turns {
		return ""
	}
	return "the login " + o.Login
}
func (o AlterLogin) Says() reconciler.Phrase {
	do := "set the password of " + o.Login
	if o.Database != "" {
		do += ", a user of " + o.Database
	}
	if o.Enable && o.Database == "" {
		do += ", enable it"
	}
	if o.Unlock {
		do += ", unlock it"
	}
	return reconciler.Phrase{Do: do + " on", Apart: do, Who: o.Server, Noun: "instance"}
}
func (o AlterLogin) Merge(other reconciler.Op) (reconciler.Op, error) {
	return same(o, other)
}

// Foresees is which login the version is for: the next run goes on with it; and that it may be found enabled.
func (o AlterLogin) Foresees() []state.Fact {
	all := []state.Fact{{Field: LoginOf, Value: o.Login}, {Field: LeavingLogins, Value: o.Instead}, brought(o.Login)}
	if o.Enable && o.Database == "" {
		all = append(all, EnablingOn(o.Server, o.Login, true))
	}
	return all
}

// Facts of the ledger: LoginOf names the login of the version under way, RetiredLogin with a login's name that it was disabled,
// RetiringLogin with one that a run was to disable it which may have died.
const (
	LoginOf       = "login"
	RetiredLogin  = "retired login"
	RetiringLogin = "login being retired"
)

// Stamp is how a server's clock is noted.
const Stamp = "2006-01-02T15:04:05.000"

// PasswordSet is what the ledger keeps of a sign-in that was proven on an instance: when the password that it took was set there.
func PasswordSet(instance, login, at string) state.Fact {
	return state.Fact{Field: passwordSet(instance, login), Value: at}
}

func passwordSet(instance, login string) string {
	return "password of " + strings.ToLower(login) + " on " + strings.ToLower(instance)
}

// VersionOn is what the ledger keeps of the same sign-in: which version the login has on a server, by the document's name for it.
func VersionOn(server, login, version string) state.Fact {
	return state.Fact{Host: server, Field: "version of " + strings.ToLower(login), Value: version}
}

// SetAnew says that the password was set on the instance after this secret was proven there last. A server may tell the same moment
// by another zone's clock after its own has changed: whole quarters of an hour are no difference.
func SetAnew(h state.History, secret, instance string, l *LoginSeen) bool {
	text, _ := h.Fact(secret, "", passwordSet(instance, l.Name))
	return setAnew(text, l.PasswordSet)
}

// setAnew says that two moments of one server's clock are two. One that cannot be read is none.
func setAnew(then, now string) bool {
	was, err := time.Parse(Stamp, then)
	is, err2 := time.Parse(Stamp, now)
	return err == nil && err2 == nil && is.Sub(was)%(15*time.Minute) != 0
}

// ProveLogin signs in on a connection of its own, with the very string that a host has or is to get: the one that was read
// there, with this version of the secret and this login in it. It demands to be that login, in that database.
type ProveLogin struct {
	Server   string     `json:"-"`
	On       string     `json:"on"` // the host
	Path     string     `json:"path"`
	Setting  string     `json:"setting"`
	Form     Form       `json:"form"`
	Secret   secret.Ref `json:"secret"`
	Database string     `json:"database,omitempty"`
	// Contained: the login is a user of that database.
	Contained bool `json:"contained,omitempty"`
	Who
}

// Foresees is that the login may be found in the strings: somebody else may have set its password.
func (o ProveLogin) Foresees() []state.Fact { return []state.Fact{brought(o.Form.User)} }

func (o ProveLogin) Kind() string              { return "prove-login" }
func (o ProveLogin) Target() reconciler.Target { return SQL(o.Server) }
func (o ProveLogin) Key() string {
	return "prove login of " + o.On + " " + o.Setting + " " + o.Path
}
func (o ProveLogin) Says() reconciler.Phrase {
	p := o.says("a fresh sign-in of " + o.Form.User + " with the string of")
	p.Apart = "a fresh sign-in of " + o.Form.User + " with its string"
	return p
}
func (o ProveLogin) Merge(other reconciler.Op) (reconciler.Op, error) {
	return same(o, other)
}

// ProveLoginFrom is ProveLogin from the host itself, by the client that Windows has there: over the host's own network.
type ProveLoginFrom struct {
	Host      string     `json:"-"`
	Path      string     `json:"path"`
	Setting   string     `json:"setting"`
	Form      Form       `json:"form"`
	Secret    secret.Ref `json:"secret"`
	Database  string     `json:"database,omitempty"`
	Contained bool       `json:"contained,omitempty"`
	Who
}

func (o ProveLoginFrom) Kind() string              { return "prove-login-from" }
func (o ProveLoginFrom) Target() reconciler.Target { return Host(o.Host) }
func (o ProveLoginFrom) Key() string               { return "prove login " + o.Setting + " " + o.Path }
func (o ProveLoginFrom) Says() reconciler.Phrase {
	return o.says("a fresh sign-in of " + o.Form.User + ", on its own host, with the string of")
}
func (o ProveLoginFrom) Merge(other reconciler.Op) (reconciler.Op, error) {
	return same(o, other)
}

// ProveAccount signs in to an instance as a login, with a version of a secret: what a replica would do after a failover.
type ProveAccount struct {
	Server string     `json:"-"`
	Login  string     `json:"login"`
	Secret secret.Ref `json:"secret"`
}

func (o ProveAccount) Kind() string              { return "prove-account" }
func (o ProveAccount) Target() reconciler.Target { return SQL(o.Server) }
func (o ProveAccount) Key() string               { return "prove account " + o.Login }
func (o ProveAccount) Says() reconciler.Phrase {
	return reconciler.Phrase{Do: "a fresh sign-in of " + o.Login + " on", Who: o.Server, Noun: "instance"}
}
func (o ProveAccount) Merge(other reconciler.Op) (reconciler.Op, error) {
	return same(o, other)
}

// ProveSessions waits until a service of a host has a session of its own as this login: one that is younger than the
// service's restart, if this run restarted it, and no process of another service that it has started there. Whoever stays signed in as the login that was replaced, there or on the other host that
// had it, is told of: that need not be the service.
type ProveSessions struct {
	Server  string          `json:"-"`
	Login   string          `json:"login"`
	On      string          `json:"on"` // the host
	Service string          `json:"service"`
	Timeout reconciler.Span `json:"timeout"`
	// Replaced is that login, "" for none, and Beside the other host, with its service: when that one's own process has sessions as the
	// login that was replaced, and none as this one, nothing is proven.
	Replaced string `json:"replaced,omitempty"`
	Beside   string `json:"beside,omitempty"`
	With     string `json:"with,omitempty"`
	// Serves: with this proof the login is in force, and Leaves are those that were replaced until now, as WriteReplaced has them. Known
	// are those that others know by then, as WriteKnown has them.
	Serves bool   `json:"serves,omitempty"`
	Leaves string `json:"leaves,omitempty"`
	Known  string `json:"known,omitempty"`
	// Woken are retired logins that an earlier run has left enabled, as WriteKnown has them: what it foresaw ends with this proof.
	Woken string `json:"woken,omitempty"`
	Who
}

// Facts are who is in force at a moment, and who was replaced.
func (o ProveSessions) Facts(now time.Time) []state.Fact {
	if !o.Serves {
		return nil
	}
	all := ReadReplaced(o.Leaves)
	for i := range all {
		if all[i].Since.IsZero() {
			all[i].Since = now
		}
	}
	facts := []state.Fact{{Field: ServingLogin, Value: o.Login}, {Field: ReplacedLogins, Value: WriteReplaced(all)}, {Field: KnownLogins, Value: o.Known}}
	for _, k := range ReadKnown(o.Woken) {
		facts = append(facts, EnablingOn(k.Server, k.Login, true))
	}
	return facts
}

func (o ProveSessions) Kind() string              { return "prove-sessions" }
func (o ProveSessions) Target() reconciler.Target { return SQL(o.Server) }
func (o ProveSessions) Key() string               { return "prove sessions of " + o.On }
func (o ProveSessions) Says() reconciler.Phrase {
	return o.says("a session as " + o.Login + " from")
}
func (o ProveSessions) Merge(other reconciler.Op) (reconciler.Op, error) {
	b, ok := other.(ProveSessions)
	if !ok || b.Login != o.Login || b.Service != o.Service || b.Replaced != o.Replaced || b.With != o.With || b.Serves != o.Serves || b.Leaves != o.Leaves || b.Known != o.Known || b.Woken != o.Woken || b.Who != o.Who {
		return nil, errDifferent
	}
	o.Timeout = max(o.Timeout, b.Timeout)
	return o, nil
}

// RetireLogin disables a login that nobody is signed in with. A user with a password of its own cannot be disabled: it gets a
// password that nobody knows.
type RetireLogin struct {
	Server string `json:"-"`
	Login  string `json:"login"`
	// Database is where it is such a user, "" for a login.
	Database string `json:"database,omitempty"`
	// InUse: it is disabled though somebody is signed in with it. Such a session stays until it ends.
	InUse bool `json:"inUse,omitempty"`
}

// Foresees is which login may be found disabled.
func (o RetireLogin) Foresees() []state.Fact {
	return []state.Fact{{Field: RetiringLogin + " " + strings.ToLower(o.Login), Value: o.Login}}
}

func (o RetireLogin) Kind() string              { return "retire-login" }
func (o RetireLogin) Target() reconciler.Target { return SQL(o.Server) }
func (o RetireLogin) Key() string               { return "retire login " + o.Login }
func (o RetireLogin) Holds() string             { return "the login " + o.Login }
func (o RetireLogin) Says() reconciler.Phrase {
	do := fmt.Sprintf("disable %s on", o.Login)
	if o.Database != "" {
		do = fmt.Sprintf("give %s, a user of %s, a password that nobody knows on", o.Login, o.Database)
	}
	return reconciler.Phrase{Do: do, Who: o.Server, Noun: "instance"}
}
func (o RetireLogin) Merge(other reconciler.Op) (reconciler.Op, error) {
	return same(o, other)
}
