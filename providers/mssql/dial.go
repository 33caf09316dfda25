package mssql

import (
	"context"
	"errors"
	"net"
	"sync"
)

// line dials for one attempt to sign in, and keeps what it has opened so that a deadline can close it.
type line struct {
	config Config

	mu     sync.Mutex
	open   []net.Conn
	closed bool
	login  bool // a login may have been sent
}

// HostName makes the driver leave names to this dialer: its own look-up has no deadline.
func (l *line) HostName() string { return l.config.Host }

func (l *line) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := l.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if l.config.Trust.Unverified && l.config.Dial == nil && !loopback(hostOf(conn.RemoteAddr())) {
		conn.Close()
		return nil, errExposed
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		conn.Close()
		return nil, net.ErrClosed
	}
	l.open = append(l.open, conn)
	l.login = l.login || l.config.Trust.Unverified // there may be no handshake to wait for
	return conn, nil
}

func hostOf(addr net.Addr) string {
	host, _, _ := net.SplitHostPort(addr.String())
	return host
}

func (l *line) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if l.config.Dial != nil {
		return l.config.Dial(ctx, network, address)
	}
	dial := new(net.Dialer).DialContext
	if !l.config.MultiSubnetFailover || network != "tcp" {
		return dial(ctx, network, address)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return nil, err
	}
	return race(ctx, addresses, func(ctx context.Context, address string) (net.Conn, error) {
		return dial(ctx, network, net.JoinHostPort(address, port))
	})
}

// race dials all addresses at once and keeps the first that answers, as a listener over several subnets wants.
func race(ctx context.Context, addresses []string, dial func(context.Context, string) (net.Conn, error)) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan result)
	for _, address := range addresses {
		go func() {
			conn, err := dial(ctx, address)
			results <- result{conn, err}
		}()
	}
	var won net.Conn
	var lost []error
	for range addresses {
		r := <-results
		switch {
		case r.err != nil:
			lost = append(lost, r.err)
		case won == nil:
			won = r.conn
			cancel()
		default:
			r.conn.Close()
		}
	}
	if won != nil {
		return won, nil
	}
	return nil, errors.Join(lost...)
}

// close ends whatever was opened, and whatever will be.
func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, conn := range l.open {
		conn.Close()
	}
}

// proven notes that the server is the right one, after which the driver sends the login.
func (l *line) proven() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.login = true
}

// sent says whether a login may have reached the server.
func (l *line) sent() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.login
}
