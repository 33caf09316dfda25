package lab

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"

	"meshrotate/providers/lab/ntlm"
	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/lab/tds"
)

// issued are the server's certificate and its authority's: one for all labs of a process, as making one takes a moment. In memory
// the certificate is trusted itself, as one that a server has made for itself is: there are many sign-ins, and a chain takes a while.
var issued = sync.OnceValues(func() (c struct {
	server    tls.Certificate
	own       []byte // as PEM
	authority []byte
}, err error) {
	c.server, c.authority, err = tds.Issue("localhost", "*.lab.example")
	if err == nil {
		c.own = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.server.Certificate[0]})
	}
	return c, err
})

// serveSQL puts the instance on loopback, or on pipes.
func (l *Lab) serveSQL() error {
	q := &l.database
	c, err := issued()
	if err != nil {
		return err
	}
	rules := ntlm.Server{Lenient: true, Domain: Domain, Host: "SQL01", Password: func(user string) (string, bool) { return l.Password, user == User }}
	serve := func(host string, instance *sqlserver.Server, listener func() *sqlserver.Server) (s *tds.Server, address string, err error) {
		s = &tds.Server{Instance: instance, Listener: listener, Encryption: tds.Required, Certificate: c.server, NTLM: rules, Faults: l.sqlFault(host), Traffic: l.sqlMessage}
		if l.config.Memory {
			return s, "", nil
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, "", fmt.Errorf("listen for SQL Server: %w", err)
		}
		go func() { _ = s.Serve(ln) }() // ends with Close
		return s, ln.Addr().String(), nil
	}
	if q.ca = c.authority; l.config.Memory {
		q.ca = c.own
	}
	for _, r := range q.instances() {
		if r.wire, r.Address, err = serve(r.Name, r.Instance, nil); err != nil {
			return err
		}
	}
	q.wire, q.address = q.replicas[0].wire, q.replicas[0].Address
	if q.group != nil {
		q.wire, q.address, err = serve(SQLListener, nil, q.group.Primary)
	}
	return err
}

// closeSQL ends the services' connections, then the server.
func (l *Lab) closeSQL() {
	q := &l.database
	if q.wire == nil {
		return
	}
	q.admin.stop(nil)
	q.engine.stop(nil)
	_ = q.wire.Close()
	for _, r := range q.instances() {
		_ = r.wire.Close()
		r.Instance.Close()
	}
	for _, r := range q.standbys {
		r.Instance.Data().Close()
	}
	q.replicas[0].Instance.Data().Close()
}

// TrafficSQL is told every message to and from SQL Server, after decryption.
func (l *Lab) TrafficSQL(seen func(fromClient bool, message []byte)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.traffic = seen
}

func (l *Lab) sqlMessage(fromClient bool, message []byte) {
	l.mu.Lock()
	seen := l.traffic
	l.mu.Unlock()
	if seen != nil {
		seen(fromClient, message)
	}
}

// wireOf is the replica's that a name is of, or else the instance's or the group's listener.
func (q *sqlSide) wireOf(host string) *tds.Server {
	for _, r := range q.instances() {
		if host == r.Name {
			return r.wire
		}
	}
	return q.wire
}

// DialSQL connects to the replica that the address names, or else to the instance or the group's listener. A Client that is killed loses the connection.
func (c *Client) DialSQL(ctx context.Context, network, address string) (net.Conn, error) {
	refused := &net.OpError{Op: "dial", Net: network, Addr: memoryAddr{}, Err: syscall.ECONNREFUSED}
	if c.life.Err() != nil {
		return nil, refused
	}
	host, _, _ := net.SplitHostPort(address)
	wire := c.lab.database.wireOf(host)
	c.mu.Lock()
	c.dialed[host]++
	nth := c.dialed[host]
	c.mu.Unlock()
	conn, err := wire.DialAs(ctx, c.Name, nth)
	if err != nil {
		return nil, err
	}
	if c.life.Err() != nil {
		_ = conn.Close()
		return nil, refused
	}
	stop := context.AfterFunc(c.life, func() { _ = conn.Close() })
	return &memoryConn{Conn: conn, life: c.life, reset: new(atomic.Bool), stop: stop}, nil
}
