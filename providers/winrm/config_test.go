package winrm

import (
	"context"
	"crypto/tls"
	"errors"
	"meshrotate/reconciler/secret"
	"net"
	"strings"
	"testing"
)

func TestClearConnectionsStayLocal(t *testing.T) {
	dialed := false
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		dialed = true
		return nil, errors.New("dialed")
	}
	for _, c := range []struct {
		name   string
		change func(*Config)
	}{
		{"another address", func(c *Config) { c.Address = "192.0.2.1:5985" }},
		{"any address", func(c *Config) { c.Address = "0.0.0.0:5985" }},
		{"kerberos", func(c *Config) { c.Address, c.Auth, c.Kerberos = "192.0.2.1:5985", Kerberos, &ticket{} }},
		{"certificate", func(c *Config) { c.Address, c.Auth, c.Certificate = "127.0.0.1:5985", Certificate, &tls.Certificate{} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := basic("")
			cfg.Dial = dial
			c.change(&cfg)
			_, err := Open(t.Context(), cfg)
			wantClass(t, err, Refused, false)
			var e *Error
			if errors.As(err, &e); !strings.Contains(e.Hint(), "https") || dialed {
				t.Errorf("dialed %v, hint %q", dialed, e.Hint())
			}
		})
	}
	t.Run("the peer is elsewhere", func(t *testing.T) {
		near, far := net.Pipe()
		defer func() { _ = far.Close() }()
		cfg := basic("127.0.0.1:5985")
		cfg.Dial = func(context.Context, string, string) (net.Conn, error) { return near, nil }
		_, err := Open(t.Context(), cfg)
		wantClass(t, err, Refused, false)
	})
}

func TestConfigIsChecked(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no address":        func(c *Config) { c.Address = "" },
		"no way to log in":  func(c *Config) { c.Auth = "" },
		"strange way":       func(c *Config) { c.Auth = "digest" },
		"no user":           func(c *Config) { c.User = "" },
		"no password":       func(c *Config) { c.Password = secret.Value{} },
		"empty password":    func(c *Config) { c.Password = secret.NewString("") },
		"no tokens":         func(c *Config) { c.Auth = Kerberos },
		"no certificate":    func(c *Config) { c.Auth = Certificate },
		"tiny envelope":     func(c *Config) { c.EnvelopeSize = 3000 },
		"negative timeout":  func(c *Config) { c.Grace = -1 },
		"colon in the user": func(c *Config) { c.Auth, c.User = Basic, "a:b" },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := sealing("127.0.0.1:1")
			change(&cfg)
			_, err := Open(t.Context(), cfg)
			var e *Error
			if !errors.As(err, &e) || e.Class != Refused || e.Hint() == "" {
				t.Errorf("got %v", err)
			}
		})
	}
	for address, want := range map[string]string{"relay01": "relay01:5985", "relay01:80": "relay01:80", "::1": "[::1]:5985", "[::1]": "[::1]:5985"} {
		cfg := sealing(address)
		cfg, err := cfg.complete()
		if err != nil || cfg.Address != want {
			t.Errorf("%q becomes %q instead of %q, %v", address, cfg.Address, want, err)
		}
	}
}

// What names a host stands in the head of every request.
func TestNoLineEndInAnAddress(t *testing.T) {
	for _, address := range []string{"relay01\r\nX: y:5985", "relay 01:5985", "rélais01:5985"} {
		c := sealing(address)
		c.Name = "relay01"
		if _, err := c.complete(); err == nil {
			t.Errorf("%q is taken", address)
		}
	}
	for address, want := range map[string]string{"[fe80::1%eth0]:5985": "[fe80::1]:5985", "relay01:5985": "relay01:5985", "[::1]:5985": "[::1]:5985"} {
		if got := withoutZone(address); got != want {
			t.Errorf("%s is named %s, want %s", address, got, want)
		}
	}
}
