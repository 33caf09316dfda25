package lab

import (
	"errors"
	"sync"
	"time"

	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/winhost"
)

// The pool of .NET's driver does not ask the server again for a while after a login that failed: 5 s, and twice as long
// each time, up to a minute (PoolBlockingPeriod).
const (
	firstBlock = 5 * time.Second
	lastBlock  = time.Minute
)

// databaseClient is a service's connection to its database: the pool of a process, with one connection in it. It signs in by
// the driver, over TDS; or asks the model, so that a lab in memory with thousands of starts stays cheap (Config.Drivers).
type databaseClient struct {
	lab           *Lab
	host, program string

	mu      sync.Mutex
	process *machine.Process
	life    int // counts the processes
	began   time.Time
	running bool
	text    string
	session connection
	wait    time.Duration // of the last block
	blocked time.Time
	retry   *time.Timer
}

// start is a new process, which logs in with the string that it has read.
func (d *databaseClient) start(p *machine.Process, text string) {
	d.stop(nil)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.life++
	d.process, d.running, d.began, d.text, d.wait, d.blocked = p, true, time.Now(), text, 0, time.Time{}
	d.connect()
}

// stop is the end of a process and of its sessions; nil is whichever there is. The end of an old process may be told after the
// next one has started.
func (d *databaseClient) stop(p *machine.Process) {
	d.mu.Lock()
	if p != nil && d.process != p {
		d.mu.Unlock()
		return
	}
	session := d.session
	d.running, d.session = false, nil
	if d.retry != nil {
		d.retry.Stop()
	}
	d.mu.Unlock()
	if session != nil {
		session.Close()
	}
}

// since is when the process started, zero while there is none.
func (d *databaseClient) since() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.running {
		return time.Time{}
	}
	return d.began
}

// healthy says whether the database answers: the connection in the pool, reset, or a new one. The health check of the
// product does this.
func (d *databaseClient) healthy() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.running {
		return false
	}
	if d.session != nil && d.session.Reset() == nil {
		return true
	}
	d.session = nil
	return d.connect()
}

// connect logs in, unless the pool is blocked. A process that is let in nowhere tries again. It is called with the mutex
// held.
func (d *databaseClient) connect() bool {
	now := time.Now()
	if now.Before(d.blocked) {
		return false
	}
	c, err := clientOf(d.text)
	if c.Windows {
		c.User = `LAB\svc-im` // who the services run as
	}
	c.Host, c.Program, c.ProcessID = d.host, d.program, int(d.process.PID)
	if err == nil {
		d.session, err = d.login(c, d.text)
	}
	life := d.life
	if err != nil {
		d.session = nil
		d.wait = min(max(2*d.wait, firstBlock), lastBlock)
		d.blocked = now.Add(d.wait)
		d.retry = time.AfterFunc(d.wait, func() { d.again(life) })
		return false
	}
	d.wait = 0
	session := d.session
	session.AfterEnd(func() { d.lost(life, session) })
	return true
}

// Unreach keeps the host from SQL Server, as a firewall does that leaves connections alone which are there, or lets it there again.
func (h *Host) Unreach(yes bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.noSQL = yes
}

func (h *Host) unreached() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.noSQL
}

// errNetwork is the client's own number for a server that is not found.
const errNetwork = 53

// What Windows Sockets says of a packet that is dropped, and of a port where nobody listens.
const timedOut, refused = 10060, 10061

// portFrom is what a connection from a host to SQL Server's port meets.
func (l *Lab) portFrom(h *Host) uint32 {
	switch {
	case h.unreached():
		return timedOut
	case l.SQLInstance() == nil:
		return refused
	}
	return 0
}

// signInFrom is a fresh sign-in from a host, by the client that Windows has.
func (l *Lab) signInFrom(h *Host, text string) winhost.SQLAnswer {
	instance := l.SQLInstance()
	c, err := clientOf(text)
	if h.unreached() || err != nil || instance == nil {
		return winhost.SQLAnswer{Numbers: []int32{errNetwork}}
	}
	c.Host, c.Program = h.Machine.Name, "meshrotate"
	s, err := instance.Login(c)
	if err != nil {
		answer := winhost.SQLAnswer{Numbers: []int32{errNetwork}}
		var one *sqlserver.Error
		var many sqlserver.Errors
		switch {
		case errors.As(err, &many):
			answer.Numbers = nil
			for _, e := range many {
				answer.Numbers = append(answer.Numbers, int32(e.Number))
			}
		case errors.As(err, &one):
			answer.Numbers = []int32{int32(one.Number)}
		}
		return answer
	}
	defer s.Close()
	return winhost.SQLAnswer{Accepted: true, Instance: instance.Name(), Login: c.User, User: c.User, Database: s.Database()}
}

// login asks whoever answers now. Windows signs in by itself, and there is none here.
func (d *databaseClient) login(c sqlserver.Client, text string) (connection, error) {
	s := d.lab.SQLInstance()
	on := d.lab.EngineHost
	if d.program == AdminService {
		on = d.lab.Admin
	}
	switch {
	case s == nil || on.unreached():
		return nil, sqlserver.ErrDown
	case d.lab.drivers() && !c.Windows:
		return d.lab.drive(c, serverOf(text))
	}
	return s.Login(c)
}

// lost is when a session ends that the process did not end itself: a process that works connects again.
func (d *databaseClient) lost(life int, session connection) {
	d.mu.Lock()
	defer d.mu.Unlock()
	session.Close() // the client's side, which has not read of it
	if d.running && d.life == life && d.session == session {
		d.session = nil
		d.connect()
	}
}

func (d *databaseClient) again(life int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running && d.life == life && d.session == nil {
		d.connect()
	}
}
