package site

import (
	"strings"
	"time"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// SQL is an instance of SQL Server as a target, by the name that the document has for it.
func SQL(name string) reconciler.Target {
	return reconciler.Target{Kind: reconciler.SQLTarget, Name: name}
}

// Instance asks an instance who it is, what this program may do there, and who is signed in. Answer: *InstanceSeen.
type Instance struct{ Server, Database string }

func (r Instance) Target() reconciler.Target { return SQL(r.Server) }
func (r Instance) Key() string               { return "instance " + r.Database }

// Login asks about a login of an instance. Answer: *LoginSeen.
type Login struct{ Server, Name string }

func (r Login) Target() reconciler.Target { return SQL(r.Server) }
func (r Login) Key() string               { return "login " + strings.ToLower(r.Name) }

// SignIn asks whether the connection string that a host has signs in, on a connection of its own. It is asked after the
// host was looked at. Answer: *SignInSeen.
type SignIn struct {
	Server  string
	Setting Setting
	// Always also asks whether the declared version of the secret is taken with the Login, "" for the string's own. Without
	// it that is asked only when the string itself was rejected: a wrong password counts against the login.
	Always bool
	Login  string
}

func (r SignIn) Target() reconciler.Target { return SQL(r.Server) }
func (r SignIn) Key() string               { return "sign-in " + r.Setting.Host + " " + r.Setting.Key() }

// Follows is the host whose string it is.
func (r SignIn) Follows() reconciler.Target { return r.Setting.Target() }

// Account asks whether an instance takes a version of a secret for a login: what a failover to it would find. What is not there yet, and
// a login that had wrong passwords, is not tried. Answer: *SignInSeen.
type Account struct {
	Server string
	Login  string
	Secret secret.Ref
}

func (r Account) Target() reconciler.Target { return SQL(r.Server) }
func (r Account) Key() string               { return "account " + r.Login }

// Follower is a read that can be answered only after another target was looked at.
type Follower interface{ Follows() reconciler.Target }

// InstanceSeen answers Instance.
type InstanceSeen struct {
	// Name is the instance's own, Login who this program is there.
	Name, Login string
	// MayAlter says that it may alter any login, MayView that it sees everybody's sessions.
	MayAlter, MayView bool
	Database          DatabaseSeen
	// Replicas are the instances of the availability group that the database is in, by their own names.
	Replicas []string
	Sessions []SessionSeen
	// Logins are those of SQL Server itself that this program may see, of which little is known. One that was replaced need not be
	// declared any more.
	Logins []LoginSeen
}

// DatabaseSeen is a database of an instance.
type DatabaseSeen struct {
	Exists, Contained, ReadOnly bool
	Grouped                     bool   // it is in an availability group
	State                       string // ONLINE, RESTORING, …
	// Users are those of a contained database that have a password of their own, as far as this program may see them. MayAlterUsers says
	// that it may alter them, and sees all of them; UsersWhy why they could not be looked at.
	Users         []string
	MayAlterUsers bool
	UsersWhy      string
}

// SessionSeen is who is signed in, with how many sessions.
type SessionSeen struct {
	Login, Host, Program string
	Process              int // its id on the host, as the client told it; 0 when it did not
	Count                int
	// Newest is when the youngest of them signed in, by our clock.
	Newest time.Time
}

// Facts leave the sessions out: they come and go, and a saved plan would never be true again.
func (s *InstanceSeen) Facts() []reconciler.Fact {
	db := "missing"
	if s.Database.Exists {
		db = strings.ToLower(s.Database.State)
		if s.Database.Contained {
			db += ", contained"
		}
		if s.Database.ReadOnly {
			db += ", read-only"
		}
	}
	facts := []reconciler.Fact{{Field: "instance", Value: s.Name}, {Field: "database", Value: db}, {Field: "signed in as", Value: s.Login}}
	if len(s.Replicas) > 0 {
		facts = append(facts, reconciler.Fact{Field: "replicas", Value: strings.Join(s.Replicas, ", ")})
	}
	return facts
}

// Find is one of all the logins, or of the users of the contained database, which come first at a sign-in there; nil when it is not
// seen, and may be there: of another kind, or out of this program's sight. Whoever may alter any of them sees all of them.
func (s *InstanceSeen) Find(name string) *LoginSeen {
	if s == nil {
		return nil
	}
	for _, user := range s.Database.Users {
		if strings.EqualFold(user, name) {
			return &LoginSeen{Name: user, Exists: true, Contained: true}
		}
	}
	for i, l := range s.Logins {
		if strings.EqualFold(l.Name, name) {
			return &s.Logins[i]
		}
	}
	if s.MayAlter && (!s.Database.Contained || s.Database.MayAlterUsers) {
		return &LoginSeen{Name: name}
	}
	return nil
}

// BySID is the login with this SID, nil for none.
func (s *InstanceSeen) BySID(sid string) *LoginSeen {
	for i, l := range s.Logins {
		if sid != "" && l.SID == sid {
			return &s.Logins[i]
		}
	}
	return nil
}

// Of are the sessions of a login.
func (s *InstanceSeen) Of(login string) []SessionSeen {
	var some []SessionSeen
	if s == nil {
		return nil
	}
	for _, x := range s.Sessions {
		if strings.EqualFold(x.Login, login) {
			some = append(some, x)
		}
	}
	return some
}

// LoginSeen answers Login.
type LoginSeen struct {
	Name   string
	Exists bool
	// SID tells the login from another of the same name: users of databases are tied to it. Hex.
	SID     string
	Windows bool // a Windows account: it has no password here
	// Contained: it is no login but a user of the contained database, with a password there. It goes where the database goes.
	Contained bool
	Disabled  bool
	// Locked, Expired and MustChange keep a right password from being taken.
	Locked, Expired, MustChange bool
	Database                    string // its default
	// Failures are the wrong passwords since the last right one.
	Failures int
	// PasswordSet is when its password was set, by the server's clock; "" when that may not be asked.
	PasswordSet string
}

func (s *LoginSeen) Facts() []reconciler.Fact {
	v := "missing"
	if s.Exists {
		v = s.SID
		for _, state := range []struct {
			is   bool
			word string
		}{{s.Windows, "Windows"}, {s.Contained, "contained"}, {s.Disabled, "disabled"}, {s.Locked, "locked"}, {s.Expired, "expired"}, {s.MustChange, "must change"}} {
			if state.is {
				v += " " + state.word
			}
		}
	}
	return []reconciler.Fact{{Field: "login " + s.Name, Value: v}}
}

// What a sign-in came to. The zero verdict says nothing about the password.
const (
	Accepted = "accepted"
	Rejected = "rejected"
)

// SignInSeen answers SignIn.
type SignInSeen struct {
	// On is the host and the setting that the string stands in.
	On string
	// Verdict is Accepted, Rejected or "", Why what stood in the way, Hint what a person can do.
	Verdict, Why, Hint string
	// Spared: it was not tried, as that could lock the login out, or the login is locked out already.
	Spared bool
	// Instance, Login, User and Database are where one was and as whom, of an accepted one.
	Instance, Login, User, Database string
	// May is what it may do in the database, in words; empty when that was not told.
	May []string
	// PasswordSet is LoginSeen's.
	PasswordSet string
	// Declared is the verdict for the declared version, and DeclaredWhy what stood in its way; both "" when it was not tried.
	Declared, DeclaredWhy string
	// DeclaredHint is what a person can do about that, "" where it follows from what is rotated.
	DeclaredHint string
}

// Facts are the verdict, and where it was given.
func (s *SignInSeen) Facts() []reconciler.Fact {
	v := s.Verdict
	if v == "" {
		v = "unknown"
	}
	if s.Verdict == Accepted {
		v += ": " + s.Login + " at " + s.Instance + " in " + s.Database
	}
	if s.Declared != "" {
		v += ", the declared one " + s.Declared
	}
	return []reconciler.Fact{{Field: "sign-in of " + s.On, Value: v}}
}
