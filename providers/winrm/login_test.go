package winrm

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"meshrotate/providers/negotiate"
)

type ticket struct {
	token string
	err   error
	spns  []string
}

func (k *ticket) Token(_ context.Context, spn string) ([]byte, error) {
	k.spns = append(k.spns, spn)
	return []byte(k.token), k.err
}

func TestUnreachable(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	_ = ln.Close()
	for name, change := range map[string]func(*Config){
		"refused": func(*Config) {},
		"dns": func(c *Config) {
			c.Dial = func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.DNSError{Err: "no such host", Name: "relay01", IsNotFound: true}
			}
		},
		"timeout": func(c *Config) {
			c.ConnectTimeout = time.Millisecond
			c.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := sealing(addr)
			change(&cfg)
			_, err := Open(t.Context(), cfg)
			wantClass(t, err, Unreachable, false)
		})
	}
}

func TestRefusedLogin(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*server, *Config)
		class  Class
		tries  int // handshake requests
		reason string
	}{
		{"wrong password, ntlm", func(s *server, _ *Config) { s.password = "other" }, Credential, 2, "never loop"},
		{"wrong password, basic", func(s *server, c *Config) { s.password, s.sealed, c.Auth, c.User = "other", false, Basic, "admin" }, Credential, 1, "never loop"},
		{"refused ticket", func(s *server, c *Config) {
			s.sealed, s.wantToken, c.Auth, c.Kerberos = false, "good", Kerberos, &ticket{token: "bad"}
		}, Ticket, 1, "the KDC gave it, so the credential is right"},
		{"refused credential at the kdc", func(s *server, c *Config) {
			s.sealed, c.Auth, c.Kerberos = false, Kerberos, &ticket{err: &negotiate.CredentialError{Mechanism: "Kerberos", Detail: "wrong password or key"}}
		}, Credential, 0, "asking again may lock the account out"},
		{"no name in kerberos", func(s *server, c *Config) {
			s.sealed, c.Auth, c.Kerberos = false, Kerberos, &ticket{err: &negotiate.ServiceError{SPN: "HTTP/relay01"}}
		}, Ticket, 0, "this host's own trouble"},
		{"kdc not reached", func(s *server, c *Config) {
			s.sealed, c.Auth, c.Kerberos = false, Kerberos, &ticket{err: &negotiate.ServiceError{Unreachable: true}}
		}, Unreachable, 0, "passes"},
		{"no ticket, and nobody knows why", func(s *server, c *Config) {
			s.sealed, c.Auth, c.Kerberos = false, Kerberos, &ticket{err: errors.New("something else")}
		}, Ticket, 0, "nobody has refused the credential"},
		{"no kdc", func(s *server, c *Config) {
			s.sealed, c.Auth, c.Kerberos = false, Kerberos, &ticket{err: &Error{Class: Unreachable, Host: "kdc", Doing: "ask", Err: errors.New("gone")}}
		}, Unreachable, 0, "the source knows better"},
		{"basic not offered", func(s *server, c *Config) {
			s.sealed, s.password, s.offers, c.Auth, c.User = false, "other", []string{"Negotiate", "Kerberos"}, Basic, "admin"
		}, Unsupported, 1, "the password was not looked at"},
		{"ntlm not offered", func(s *server, _ *Config) { s.challenge, s.offers = nil, []string{"Kerberos"}; s.wantToken = "none" }, Unsupported, 1, "no challenge comes"},
		{"forbidden", func(s *server, _ *Config) { s.troubles = map[string]trouble{"Handshake": {status: 403}} }, Denied, 1, "permanent"},
		{"no such page", func(s *server, _ *Config) { s.troubles = map[string]trouble{"Handshake": {status: 404}} }, Unsupported, 1, "no WinRM"},
		{"service down", func(s *server, _ *Config) { s.troubles = map[string]trouble{"Handshake": {status: 503}} }, Unreachable, 1, "later, maybe"},
		{"load balancer", func(s *server, _ *Config) { s.troubles = map[string]trouble{"Handshake": {status: 502}} }, Unreachable, 1, "later, maybe"},
		{"server error", func(s *server, _ *Config) { s.troubles = map[string]trouble{"Handshake": {status: 500}} }, Protocol, 1, "no answer to a login"},
		{"cut", func(s *server, _ *Config) { s.troubles = map[string]trouble{"Handshake 2": {cut: "before"}} }, Unreachable, 2, "nothing was run"},
		{"accepted without a challenge", func(s *server, _ *Config) { s.troubles = map[string]trouble{"Handshake 1": {status: 200}} }, Protocol, 1, "somebody pretends"},
		{"no sealing granted", func(s *server, _ *Config) {
			s.challenge = func(b []byte) []byte { b[20] &^= 0x20; return b }
		}, Protocol, 1, "a downgrade to clear text"},
		{"40 bits", func(s *server, _ *Config) {
			s.challenge = func(b []byte) []byte { b[23] &^= 0x20; return b }
		}, Protocol, 1, "a downgrade"},
		{"short challenge", func(s *server, _ *Config) {
			s.challenge = func(b []byte) []byte { return b[:60] }
		}, Protocol, 1, "malformed"},
		{"altered challenge", func(s *server, _ *Config) {
			s.challenge = func(b []byte) []byte { b[len(b)-12] ^= 1; return b }
		}, Credential, 2, "the message integrity code shows it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := &server{t: t, sealed: true}
			cfg := sealing("")
			cfg.Guard = &Guard{}
			c.change(srv, &cfg)
			cfg.Address = srv.start(nil)
			_, err := Open(t.Context(), cfg)
			wantClass(t, err, c.class, false)
			if got := srv.count("Handshake"); got != c.tries {
				t.Errorf("%d login requests instead of %d: %s", got, c.tries, c.reason)
			}
			if refused := cfg.Guard.Err() != nil; refused != (c.class == Credential) {
				t.Errorf("the guard is closed: %v", refused)
			}
		})
	}
}
