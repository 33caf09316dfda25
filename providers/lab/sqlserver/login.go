package sqlserver

import (
	"crypto/rand"
	"slices"
	"strings"
	"time"
)

// Login is a principal of the instance. Whoever sets one up sets fields; a client uses ALTER LOGIN.
type Login struct {
	Name, Password  string
	SID             []byte // made when it is nil
	DefaultDatabase string // "master"
	Windows         bool   // DOMAIN\user: no password here
	Disabled        bool
	NoPolicy        bool // CHECK_POLICY = OFF
	Expires         bool // CHECK_EXPIRATION = ON
	MustChange      bool
	NoConnect       bool     // DENY CONNECT SQL
	Roles           []string // sysadmin, securityadmin, …

	id                int
	created, modified time.Time
	changed           time.Time // when the password was
	version           int       // counts the changes of the password
	history           []string  // old passwords, newest first
	failures          int
	missed            time.Time // the last wrong password
	locked            time.Time
}

// old are the passwords that may not come again, the present one included.
func (l *Login) old(n int) []string {
	all := append([]string{l.Password}, l.history...)
	return all[:min(n, len(all))]
}

// SetLogin adds a login, or changes it, as an administrator does elsewhere: without a policy. alter sees the login as it
// is, or a new one.
func (s *Server) SetLogin(name string, alter func(*Login)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.login(name)
	if l == nil {
		l = s.add(&Login{Name: name})
	}
	before, renamed := l.Password, l.Name
	alter(l)
	if l.Password != before {
		l.remember(before, s.now())
	}
	if l.Name != renamed {
		l.modified = s.now()
	}
}

// RemoveLogin drops a login.
func (s *Server) RemoveLogin(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logins = slices.DeleteFunc(s.logins, func(l *Login) bool { return same(l.Name, name) })
}

// LookLogin is a copy of a login, and whether there is one. Locked says whether it is locked now.
func (s *Server) LookLogin(name string) (l Login, locked, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.login(name)
	if p == nil {
		return l, false, false
	}
	return *p, s.isLocked(p), true
}

func (s *Server) add(l *Login) *Login {
	if l.SID == nil {
		l.SID = make([]byte, 16)
		_, _ = rand.Read(l.SID) // never fails
	}
	if l.DefaultDatabase == "" {
		l.DefaultDatabase = "master"
	}
	l.id = 256 + len(s.logins)
	for _, x := range s.logins {
		l.id = max(l.id, x.id+1)
	}
	l.created = s.now()
	l.modified, l.changed = l.created, l.created
	s.logins = append(s.logins, l)
	return l
}

func (s *Server) login(name string) *Login {
	for _, l := range s.logins {
		if same(l.Name, name) {
			return l
		}
	}
	return nil
}

// remember notes that the password was changed.
func (l *Login) remember(before string, now time.Time) {
	l.history = append([]string{before}, l.history...)
	l.version++
	l.changed, l.modified = now, now
}

func (s *Server) isLocked(l *Login) bool {
	return !l.locked.IsZero() && s.now().Before(l.locked.Add(s.config.Policy.Lockout))
}

// missed counts a wrong password.
func (s *Server) missed(l *Login) {
	p, now := s.config.Policy, s.now()
	if l.NoPolicy || p.Attempts < 0 {
		return
	}
	if now.Sub(l.missed) > p.Lockout { // the number stays readable until then
		l.failures = 0
	}
	l.failures++
	l.missed = now
	if l.failures >= p.Attempts {
		l.locked, l.failures = now, 0
	}
}

func (l *Login) inRole(role string) bool {
	return slices.ContainsFunc(l.Roles, func(r string) bool { return same(r, role) })
}

// Client is who logs in, and with what.
type Client struct {
	User, Password string
	NewPassword    string // changes the password with the login
	Windows        bool   // User has been authenticated by the domain already
	Database       string // "" is the login's default
	Host, Program  string
	Address        string
	ProcessID      int
	Interface      string // the client library's name
	ReadOnly       bool   // application intent
	Encrypted      bool
}

// refusal makes the answer to a login that failed, and logs the state that the client is not told.
func (s *Server) refusal(c Client, e *Error, state uint8, reason string) error {
	s.refusals = append(s.refusals, Refusal{Time: s.now(), Number: e.Number, State: state, Login: c.User, Host: c.Host, Reason: reason})
	return e
}

// authenticate finds who it is. It is called with the mutex held.
func (s *Server) authenticate(c Client) (*Login, error) {
	l := s.login(c.User)
	switch {
	case l == nil || l.Windows != c.Windows:
		return nil, s.refusal(c, errLogin(c.User), 5, "Could not find a login matching the name provided.")
	case c.Windows && l.Disabled:
		return nil, s.refusal(c, classed(18470, 1, 14, "Login failed for user '%s'. Reason: The account is disabled.", c.User), 1, "disabled")
	case c.Windows:
		return s.mayConnect(c, l)
	case s.isLocked(l):
		return nil, s.refusal(c, classed(18486, 1, 14, "Login failed for user '%s' because the account is currently locked out. The system administrator can unlock it. ", c.User), 1, "locked")
	case l.Password != c.Password && l.Disabled:
		return nil, s.refusal(c, errLogin(c.User), 7, "An error occurred while evaluating the password. The login is disabled.")
	case l.Password != c.Password:
		s.missed(l)
		return nil, s.refusal(c, errLogin(c.User), 8, "Password did not match that for the login provided.")
	case l.Disabled:
		return nil, s.refusal(c, classed(18470, 1, 14, "Login failed for user '%s'. Reason: The account is disabled.", c.User), 1, "disabled")
	}
	l.failures = 0
	if c.NewPassword != "" {
		if e := s.change(l, c.NewPassword); e != nil {
			return nil, s.refusal(c, e, e.State, "the new password was refused")
		}
		l.MustChange = false
	}
	switch {
	case l.MustChange:
		return nil, s.refusal(c, classed(18488, 1, 14, "Login failed for user '%s'.  Reason: The password of the account must be changed.", c.User), 18, "must change")
	case l.Expires && s.now().Sub(l.changed) > s.config.Policy.Age:
		return nil, s.refusal(c, classed(18487, 1, 14, "Login failed for user '%s'.  Reason: The password of the account has expired.", c.User), 1, "expired")
	}
	return s.mayConnect(c, l)
}

func (s *Server) mayConnect(c Client, l *Login) (*Login, error) {
	if l.NoConnect {
		return nil, s.refusal(c, errLogin(c.User), 12, "Login-based server access validation failed with an infrastructure error.")
	}
	return l, nil
}

// change sets a password, when the policy lets it.
func (s *Server) change(l *Login, password string) *Error {
	if e := s.config.Policy.check(l, password); e != nil {
		return e
	}
	before := l.Password
	l.Password = password
	l.remember(before, s.now())
	return nil
}

// Miss is somebody who signs in n times with a wrong password.
func (s *Server) Miss(name string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.login(name); l != nil {
		for range n {
			s.missed(l)
		}
	}
}

// Age makes the password of a login as old as it is told.
func (s *Server) Age(name string, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.login(name); l != nil {
		l.changed = s.now().Add(-d)
	}
}

// quoteName is how T-SQL quotes an identifier.
func quoteName(s string) string { return "[" + strings.ReplaceAll(s, "]", "]]") + "]" }
