// Package tds puts the lab's SQL Server on a wire, or on a pipe in memory: the protocol of SQL Server (MS-TDS) in the
// server's role, versions 7.2 to 7.4 and 8.0.
//
// It is a test double: it exists to prove a client wrong. What it serves is package sqlserver's model.
//
// Spoken: packets of any size, PRELOGIN, TLS inside PRELOGIN (1.2, as in SQL Server 2019) for the login alone or for all,
// TLS before everything (TDS 8.0, strict), LOGIN7 with SQL and NTLM sign-in, with a token of Entra, and with a change of the
// password, batches, calls of procedures by name and by number, transaction requests, attention, the reset of a pooled connection.
//
// Not spoken: MARS, session recovery, federated sign-in in which the server says where tokens are, Always Encrypted, bulk load,
// table-valued parameters, XML, CLR types, variants, distributed transactions, routing, versions before 7.2.
//
// Nothing blocks in a system call of its own and no mutex is held while something is waited for: with Dial it also lives
// in a bubble of testing/synctest.
package tds

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"syscall"

	"meshrotate/providers/lab/ntlm"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/lab/wsman"
)

// Encryption is what a server wants.
type Encryption int

// The modes. Off is first: a server without a certificate cannot do more.
const (
	Off      Encryption = iota // no TLS at all
	On                         // the client decides; the login packet is always encrypted
	Required                   // everything is encrypted
	Strict                     // TLS comes first, and nothing else is taken
)

// The actions of events, beside wsman.Connect. An event's CommandLine is the text of a batch or the procedure's name.
const (
	Prelogin    wsman.Action = "Prelogin"
	Login       wsman.Action = "Login"
	Batch       wsman.Action = "Batch"
	Call        wsman.Action = "Call"
	Transaction wsman.Action = "Transaction"
	Attention   wsman.Action = "Attention"
)

// Server answers clients of one instance. Set its fields before Serve or Dial.
type Server struct {
	Instance *sqlserver.Server
	// Listener is who answers now at the name of an availability group, nil for nobody; it stands in for Instance.
	Listener   func() *sqlserver.Server
	Encryption Encryption
	// Certificate is needed unless Encryption is Off.
	Certificate tls.Certificate
	// NTLM says who of the domain may sign in; its zero knows nobody.
	NTLM ntlm.Server
	// Kerberos takes a client's token and returns the user, as webauth.Kerberos does; nil: nobody signs in with a ticket.
	Kerberos func(token []byte) (user string, reply []byte, err error)
	// Tokens says whose a token of Entra is; nil: nobody signs in with one.
	Tokens func(token string) (user string, err error)
	// Faults is asked before each step what goes wrong with it; nil: nothing does. Refuse, the cuts and the hangs are
	// known here, and a delay.
	Faults func(wsman.Event) wsman.Fault
	// Traffic is told each message after decryption, without the headers of its packets. Nil keeps nothing.
	Traffic func(fromClient bool, message []byte)

	mu     sync.Mutex
	counts map[wsman.Action]int
	conns  map[*conn]bool
	ln     net.Listener
	closed bool
}

// Serve accepts connections until the server closes.
func (s *Server) Serve(ln net.Listener) error {
	s.mu.Lock()
	s.ln = ln
	closed := s.closed
	s.mu.Unlock()
	if closed {
		_ = ln.Close()
		return net.ErrClosed
	}
	for {
		nc, err := ln.Accept()
		if err != nil {
			return err
		}
		if f := s.happen(wsman.Event{Action: wsman.Connect}); f.Kind == wsman.Refuse || s.up() == nil {
			reset(nc)
			continue
		} else if c := s.track(nc); c != nil {
			go c.serve(f)
		}
	}
}

// Dial connects without a wire.
func (s *Server) Dial(ctx context.Context) (net.Conn, error) { return s.DialAs(ctx, "", 0) }

// DialAs is Dial for a process with a name: the events of its nth connection tell both.
func (s *Server) DialAs(ctx context.Context, client string, nth int) (net.Conn, error) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	f := s.happen(wsman.Event{Action: wsman.Connect, Client: client, Connection: nth})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if f.Kind == wsman.Refuse || s.up() == nil {
		return nil, refused
	}
	ours, theirs := net.Pipe()
	c := s.track(theirs)
	if c == nil {
		return nil, refused
	}
	c.client, c.nth = client, nth
	go c.serve(f)
	return ours, nil
}

// up is the instance that answers; nil when none does.
func (s *Server) up() *sqlserver.Server {
	i := s.Instance
	if s.Listener != nil {
		i = s.Listener()
	}
	if i == nil || !i.Up() {
		return nil
	}
	return i
}

// Close ends all connections and the listener.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	ln := s.ln
	var all []*conn
	for c := range s.conns {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		c.abort()
	}
	if ln != nil {
		return ln.Close()
	}
	return nil
}

// track makes a connection known; nil when the server has closed.
func (s *Server) track(nc net.Conn) *conn {
	c := &conn{s: s, instance: s.up(), raw: nc, size: defaultPacket}
	c.life, c.end = context.WithCancel(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || c.instance == nil {
		_ = nc.Close()
		return nil
	}
	if s.conns == nil {
		s.conns = map[*conn]bool{}
	}
	s.conns[c] = true
	return c
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// happen counts an event and asks what goes wrong with it.
func (s *Server) happen(e wsman.Event) wsman.Fault {
	s.mu.Lock()
	if s.counts == nil {
		s.counts = map[wsman.Action]int{}
	}
	s.counts[e.Action]++
	e.N = s.counts[e.Action]
	s.mu.Unlock()
	if s.Faults == nil {
		return wsman.Fault{}
	}
	return s.Faults(e)
}

// reset closes a connection as one is that nobody reads any more.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}
