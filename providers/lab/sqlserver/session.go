package sqlserver

import (
	"context"
	"errors"
	"time"
)

// Session is somebody who is logged in. One request at a time is carried out in it.
type Session struct {
	ID int

	server    *Server
	login     *Login // nil for a contained user
	version   int    // of the password that it logged in with
	contained *User
	home      *Database // of a contained user
	client    Client
	started   time.Time
	life      context.Context
	kill      context.CancelFunc

	// Guarded by the server's mutex, as views of other sessions read them.
	database string
	active   time.Time
	open     int  // transactions
	busy     bool // a request runs
	ended    bool

	run      running
	prepared map[int32]prepared
	handles  int32
}

// running is what a session keeps between its requests. Only the request that runs touches it.
type running struct {
	depth              int    // of BEGIN TRANSACTION
	tran, trans        uint64 // its number, and how many there were
	before             map[*Database]snapshot
	wrote              bool // it holds the lock of the databases
	xactAbort, noCount bool
	lockTimeout        time.Duration // negative: without end
	rows, identity     int64
	lastError          int
	caught             *Error // in a CATCH block
}

// ErrDown says that nothing listens: the instance is down.
var ErrDown = errors.New("the instance is down")

// Login lets a client in, or says why not: an *Error, Errors or ErrDown.
func (s *Server) Login(c Client) (*Session, error) {
	if !s.Up() {
		return nil, ErrDown
	}
	x := &Session{server: s, client: c, started: s.now(), prepared: map[int32]prepared{}}
	x.run.lockTimeout = -1
	x.life, x.kill = context.WithCancel(context.Background())
	database, err := s.admit(x, c)
	if err != nil {
		return nil, err
	}
	if err := x.enter(database); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = s.refusal(c, errLogin(c.User), 38, "Failed to open the database specified in the login properties.")
		var e *Error
		if errors.As(err, &e) && e.Number != 916 && e.Number != 911 {
			return nil, Errors{e, errLogin(c.User)}
		}
		return nil, Errors{errOpen(database), errLogin(c.User)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x.ID = s.nextID
	s.nextID++
	s.sessions[x.ID] = x
	x.active = x.started
	return x, nil
}

// admit finds who a client is and which database it wants.
func (s *Server) admit(x *Session, c Client) (database string, err error) {
	if u, db := s.data.containedUser(c.Database, c.User); u != nil && !c.Windows {
		s.data.mu.Lock()
		ok := u.Password == c.Password
		x.version = u.version
		s.data.mu.Unlock()
		if ok {
			x.contained, x.home = u, db
			return db.Name, nil
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		return "", s.refusal(c, errLogin(c.User), 8, "Password did not match that for the user provided.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.authenticate(c)
	if err != nil {
		return "", err
	}
	x.login, x.version = l, l.version
	if c.Database == "" {
		return l.DefaultDatabase, nil
	}
	return c.Database, nil
}

// Reset is what the next user of a pooled connection asks for: the session is as new, and its login is done again.
func (x *Session) Reset() error {
	if !x.begin() {
		return ErrDown
	}
	defer x.rest()
	x.rollback()
	x.run = running{lockTimeout: -1}
	x.server.mu.Lock()
	x.freeLocks(func(*appLock) bool { return true })
	var refused error
	if !x.server.keepPool {
		refused = x.redo()
	}
	database := x.client.Database
	if database == "" && x.login != nil {
		database = x.login.DefaultDatabase
	}
	x.server.mu.Unlock()
	clear(x.prepared)
	if refused != nil {
		x.end()
		return refused
	}
	return x.enter(database)
}

// redo does the login again, in the session's name. It is called with the server's mutex held.
func (x *Session) redo() error {
	again := x.client
	reason := ""
	switch {
	case x.login == nil:
		return nil
	case x.server.login(x.login.Name) != x.login:
		reason = "the login is gone"
	case x.login.version != x.version:
		reason = "the password was changed"
	case x.login.Disabled || x.login.NoConnect || x.login.MustChange:
		reason = "the login may not connect"
	}
	if reason == "" {
		return nil
	}
	lost := classed(18056, 1, 20, "The client was unable to reuse a session with SPID %d, which had been reset for connection pooling. The failure ID is 8. This error may have been caused by an earlier operation failing.", x.ID)
	lost.Fatal = true
	return Errors{x.server.refusal(again, errLogin(again.User), 8, "redoing the login: "+reason).(*Error), lost}
}

// Close is a client's logout.
func (x *Session) Close() { x.end() }

// Done is closed when the session has ended: by its client, by KILL or by a failover.
func (x *Session) Done() <-chan struct{} { return x.life.Done() }

// Server is where the session is.
func (x *Session) Server() *Server { return x.server }

// Client is who it is.
func (x *Session) Client() Client { return x.client }

// Database is the current one.
func (x *Session) Database() string {
	x.server.mu.Lock()
	defer x.server.mu.Unlock()
	return x.database
}

// begin says that a request runs now; false when the session has ended.
func (x *Session) begin() bool {
	x.server.mu.Lock()
	defer x.server.mu.Unlock()
	x.busy = !x.ended
	x.active = x.server.now()
	return x.busy
}

// rest ends a request. What a session leaves open when it ends is rolled back by whoever comes last: this, or end.
func (x *Session) rest() {
	x.server.mu.Lock()
	x.busy, x.open = false, x.run.depth
	last := x.ended
	x.server.mu.Unlock()
	if last {
		x.rollback()
	}
}

// end takes a session off the list.
func (x *Session) end() {
	x.kill()
	x.server.mu.Lock()
	last := !x.ended && !x.busy
	x.ended = true
	delete(x.server.sessions, x.ID)
	x.freeLocks(func(*appLock) bool { return true })
	x.server.mu.Unlock()
	if last {
		x.rollback()
	}
}

// Live are the sessions of an instance, for whoever looks from outside.
func (s *Server) Live() []SessionInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []SessionInfo
	for _, x := range s.sessions {
		all = append(all, SessionInfo{ID: x.ID, Login: x.name(), Host: x.client.Host, Program: x.client.Program, Interface: x.client.Interface, Database: x.database, Started: x.started})
	}
	return all
}

// Session is the one with this number; nil when there is none.
func (s *Server) Session(id int) *Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[id]
}

// SessionInfo is a session as it is listed.
type SessionInfo struct {
	ID                                        int
	Login, Host, Program, Interface, Database string
	Started                                   time.Time
}

// name is the login's, or the contained user's. It is called with the server's mutex held.
func (x *Session) name() string {
	if x.login != nil {
		return x.login.Name
	}
	return x.contained.Name
}

// AfterEnd calls f when the session has ended, whoever ended it, unless it is stopped before.
func (x *Session) AfterEnd(f func()) (stop func() bool) { return context.AfterFunc(x.life, f) }

// InTransaction says whether one is open. It is for whoever carries out the session's requests.
func (x *Session) InTransaction() bool { return x.run.depth > 0 }

// Transaction is the number of the one that is open, or was last.
func (x *Session) Transaction() uint64 { return x.run.tran }
