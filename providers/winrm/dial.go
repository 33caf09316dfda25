package winrm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// connect makes sure that there is a connection that is logged in, and can take a request.
func (s *Session) connect(ctx context.Context) error {
	if ctx.Err() != nil {
		return s.lost(ctx, opConnect, ctx.Err())
	}
	if s.conn != nil && s.conn.usable() {
		return nil
	}
	s.drop()
	for {
		err := s.connectOnce(ctx)
		if err == nil || !s.cfg.Guard.again(s.cfg.Name, err) {
			return err
		}
	}
}

// connectOnce is one login on one new connection.
func (s *Session) connectOnce(ctx context.Context) error {
	if err := s.cfg.Guard.admit(ctx, &s.cfg); err != nil {
		return s.refusedByGuard(ctx, err)
	}
	c, err := s.dial(ctx)
	if err != nil {
		return err
	}
	s.conn = c
	if err := s.login(ctx, c); err != nil {
		s.drop()
		return err
	}
	return nil
}

// dial opens the connection and, for HTTPS, verifies the host.
func (s *Session) dial(ctx context.Context) (*connection, error) {
	ctx, cancel := s.limited(ctx)
	defer cancel()
	if err := s.checkClear(ctx); err != nil {
		return nil, err
	}
	raw, err := s.cfg.Dial(ctx, "tcp", s.cfg.Address)
	if err != nil {
		return nil, s.lost(ctx, opConnect, err)
	}
	c := &connection{
		Conn: raw, raw: raw, host: withoutZone(s.cfg.Address),
		limit:     s.cfg.OperationTimeout + s.cfg.Grace,
		maxAnswer: s.cfg.EnvelopeSize + answerSlack,
		sealed:    !s.cfg.HTTPS && s.cfg.Auth == NTLM,
		now:       s.cfg.Now,
		used:      s.cfg.Now(),
	}
	if s.mustBeLocal() && !isLoopback(raw.RemoteAddr()) {
		_ = raw.Close()
		return nil, s.fail(opConnect, Refused, &insecureError{s.cfg.Auth})
	}
	if s.cfg.HTTPS {
		secured := tls.Client(raw, s.tls())
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return nil, s.tlsError(ctx, err)
		}
		c.Conn = secured
	}
	return c, nil
}

// withoutZone is an address as HTTP names it: the zone of an IPv6 address means something on this machine alone (RFC 6874).
func withoutZone(address string) string {
	host, port, err := net.SplitHostPort(address)
	if before, _, zoned := strings.Cut(host, "%"); err == nil && zoned {
		return net.JoinHostPort(before, port)
	}
	return address
}

// limited is for what is done before a connection can be used.
func (s *Session) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, s.cfg.ConnectTimeout, notWithin(s.cfg.ConnectTimeout))
}

// notWithin is a connection that took longer.
type notWithin time.Duration

func (e notWithin) Error() string {
	return fmt.Sprintf("no connection within %s: %v", time.Duration(e), context.DeadlineExceeded)
}
func (notWithin) Unwrap() error { return context.DeadlineExceeded }

// tls is the configuration for this host. Certificates stay verified: complete has seen to it.
func (s *Session) tls() *tls.Config {
	cfg := s.cfg.TLS.Clone()
	if cfg == nil {
		cfg = &tls.Config{}
	}
	cfg.ServerName = s.cfg.Name
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	cfg.DynamicRecordSizingDisabled = true // nothing is read before it is whole, and every record is a write of its own
	if s.cfg.Auth == Certificate {
		// Windows asks for a client's certificate by renegotiation, after it has read the request. TLS 1.3 has none,
		// and crypto/tls does not do what replaces it.
		cfg.Certificates = []tls.Certificate{*s.cfg.Certificate}
		cfg.Renegotiation = tls.RenegotiateOnceAsClient
		cfg.MaxVersion = tls.VersionTLS12
	}
	return cfg
}

func (s *Session) tlsError(ctx context.Context, err error) error {
	var chain *tls.CertificateVerificationError
	switch {
	case ctx.Err() != nil:
		return s.lost(ctx, opConnect, err)
	case errors.As(err, &chain):
		return s.fail(opConnect, TLS, &chainError{chain})
	case errors.Is(err, io.EOF), isLoss(err) && !isAlert(err):
		return s.lost(ctx, opConnect, err)
	}
	return s.fail(opConnect, TLS, err)
}

// isAlert says that one side ended TLS with an alert, which crypto/tls dresses as a network error.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error")
}

// mustBeLocal says that messages would be readable on the network.
func (s *Session) mustBeLocal() bool { return !s.cfg.HTTPS && s.cfg.Auth != NTLM }

// checkClear refuses a clear connection to a name or an address beyond loopback, before it is made.
func (s *Session) checkClear(ctx context.Context) error {
	if !s.mustBeLocal() {
		return nil
	}
	host, _, err := net.SplitHostPort(s.cfg.Address)
	if err != nil {
		return s.fail(opConnect, Refused, err)
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return s.lost(ctx, opConnect, err)
	}
	for _, a := range addrs {
		if !a.Unmap().IsLoopback() {
			return s.fail(opConnect, Refused, &insecureError{s.cfg.Auth})
		}
	}
	return nil
}

func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

func addresses(c *x509.Certificate) []string {
	var all []string
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	return all
}
