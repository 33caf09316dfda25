// Package sqlserver is a model of SQL Server, for the lab: what a client of one can tell it and be told by it, without a
// wire. Package tds puts one on a wire.
//
// It is a test double: it exists to prove a client wrong, not to keep anything. What it does not understand is an error,
// never a silent success.
//
// Modelled: logins with SID, password, policy (length, complexity, history, lockout, expiry, must change), disabled and
// denied ones, default databases; Windows logins; users, users of contained databases, schemas, roles, grants and denials;
// sessions, their reset in a pool and the login that a reset redoes; KILL; application locks by session and by
// transaction; availability groups whose replicas have logins of their own; a small T-SQL over tables in SQLite, in
// memory: SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER and DROP TABLE, IF, WHILE, TRY and CATCH, variables,
// transactions, and the views and functions that ask who may do what; a full log and a database that is read only.
//
// Not modelled: isolation levels (one transaction that has written keeps all others waiting), collations (names and text
// compare without case, in ASCII, and trailing spaces count), precision of decimals (they are floats), overflow,
// cursors, procedures and triggers of users, MERGE, temporary tables, deadlocks, database mail and all
// else. ALTER LOGIN inside a transaction is refused, as it could not be rolled back.
package sqlserver

import (
	"crypto/rand"
	"strings"
	"sync"
	"time"
)

// Config is how an instance is. The zero Config is an instance named SQL01 with sa, that nobody can log in as.
type Config struct {
	Name string // SERVERNAME; "SQL01"
	// Data are the databases; nil makes some that belong to this instance alone.
	Data *Data
	// Policy is what the machine demands of passwords.
	Policy Policy
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Record is told what was sent, before it is carried out. Nil keeps nothing.
	Record func(Statement)
}

// Statement is the text of a batch or of a call, as it was sent.
type Statement struct {
	Time                           time.Time
	Session                        int
	Login, Host, Program, Database string
	Text                           string
	Params                         []Param
}

// Server is an instance.
type Server struct {
	config Config
	data   *Data

	mu       sync.Mutex
	logins   []*Login
	grants   []grant // of the server, by login
	sessions map[int]*Session
	locks    map[resource][]*appLock
	freed    chan struct{} // closed when an application lock is released
	refusals []Refusal
	group    *Group
	keepPool bool // a reset redoes no login
	down     bool
	edition  int // of the engine; 0 is 3
	started  time.Time
	nextID   int
}

// New makes an instance.
func New(c Config) *Server {
	if c.Name == "" {
		c.Name = "SQL01"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Data == nil {
		c.Data = NewData()
	}
	c.Policy = c.Policy.orDefault()
	s := &Server{config: c, data: c.Data, sessions: map[int]*Session{}, locks: map[resource][]*appLock{}, freed: make(chan struct{}),
		started: c.Now(), nextID: 51}
	s.logins = []*Login{{Name: "sa", SID: []byte{1}, Password: rand.Text(), Disabled: true, Roles: []string{"sysadmin"}, id: 1, created: s.started, DefaultDatabase: "master"}}
	return s
}

// Name is the instance's.
func (s *Server) Name() string { return s.config.Name }

// Data are its databases.
func (s *Server) Data() *Data { return s.data }

func (s *Server) now() time.Time { return s.config.Now().UTC() }

// RedoLogin says whether the reset of a pooled session redoes its login: on premises it does, and that is the default.
func (s *Server) RedoLogin(yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keepPool = !yes
}

// SetEdition makes EngineEdition say something else: 5 is Azure SQL Database, 8 a Managed Instance. Nothing else changes.
func (s *Server) SetEdition(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.edition = n
}

// Down ends every session and lets nobody in, or lets them in again.
func (s *Server) Down(yes bool) {
	s.mu.Lock()
	s.down = yes
	s.mu.Unlock()
	if yes {
		s.Drop(nil)
	}
}

// Up says whether connections are accepted.
func (s *Server) Up() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.down
}

// Drop ends the sessions that which chooses, all for nil, as a failure of the network does.
func (s *Server) Drop(which func(*Session) bool) {
	s.mu.Lock()
	var all []*Session
	for _, x := range s.sessions {
		all = append(all, x)
	}
	s.mu.Unlock()
	for _, x := range all {
		if which == nil || which(x) {
			x.end()
		}
	}
}

// Close ends the sessions. The databases stay: they are closed by themselves.
func (s *Server) Close() { s.Drop(nil) }

// Refusal is a login that failed, as the server's own log tells it: a client is not told the state.
type Refusal struct {
	Time         time.Time
	Number       int
	State        uint8
	Login        string
	Host, Reason string
}

// Refusals are the logins that failed.
func (s *Server) Refusals() []Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Refusal(nil), s.refusals...)
}

func same(a, b string) bool { return strings.EqualFold(a, b) }
