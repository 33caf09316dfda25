package mssql

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	mssql "github.com/microsoft/go-mssqldb"

	"meshrotate/reconciler/secret"
)

var canary = secret.NewString("CANARY-9d1c")

func TestProbe(t *testing.T) {
	own, other := certificate(t, "127.0.0.1"), certificate(t, "127.0.0.1")
	for _, c := range []struct {
		reason  string
		server  *server
		change  func(*Config)
		verdict Verdict
		why     Why
		logins  int32 // that the server saw
	}{
		{"a good password", &server{login: accepted}, nil, Accepted, "", 1},
		{"TDS 8.0", &server{login: accepted, strict: true}, func(c *Config) { c.Trust.Strict = true }, Accepted, "", 1},
		{"the pinned certificate", &server{login: accepted, cert: own}, func(c *Config) { c.Trust = Trust{Pin: own.Leaf} }, Accepted, "", 1},
		{"the certificate's own name", &server{login: accepted}, func(c *Config) { c.Trust.ServerName = "sql01.example.test" }, Accepted, "", 1},
		{"a wrong password", &server{login: tokens(18456)}, nil, Rejected, WrongPassword, 1},
		{"a disabled login", &server{login: tokens(18470)}, nil, Rejected, Disabled, 1},
		{"an expired password", &server{login: tokens(18487)}, nil, Rejected, Expired, 1},
		{"a password to change first", &server{login: tokens(18488)}, nil, Rejected, MustChange, 1},
		{"locked out says nothing of the password", &server{login: tokens(18486)}, nil, Unknown, LockedOut, 1},
		{"the wrong database, the right password", &server{login: tokens(4060, 18456)}, nil, Unknown, NoDatabase, 1},
		{"a secondary", &server{login: tokens(983, 18456)}, nil, Unknown, Unavailable, 1},
		{"the firewall of Azure", &server{login: tokens(40615)}, nil, Unknown, Firewall, 1},
		{"an error that nobody knows", &server{login: tokens(18456, 99999)}, nil, Unknown, Refused, 1},
		{"Windows sign-in only", &server{login: tokens(18452)}, nil, Unknown, Refused, 1},
		{"a reset after the login", &server{}, nil, Unknown, Unreachable, 1},
		{"an answer that is no TDS", &server{login: func() []byte { return []byte("HTTP/1.1 400 Bad Request") }}, nil, Unknown, Unreachable, 1},

		{"a certificate of somebody else", &server{login: accepted}, func(c *Config) { c.Trust.Roots = pool(other) }, Unknown, Untrusted, 0},
		{"the same before TDS 8.0", &server{login: accepted, strict: true}, func(c *Config) { c.Trust = Trust{Roots: pool(other), Strict: true} }, Unknown, Untrusted, 0},
		{"another name", &server{login: accepted}, func(c *Config) { c.Trust.ServerName = "sql02.example.test" }, Unknown, Untrusted, 0},
		{"another certificate than the pinned one", &server{login: accepted}, func(c *Config) { c.Trust = Trust{Pin: other.Leaf} }, Unknown, Untrusted, 0},
		{"the system's roots do not know it", &server{login: accepted}, func(c *Config) { c.Trust = Trust{} }, Unknown, Untrusted, 0},
		{"no encryption", &server{login: accepted, plain: true}, nil, Unknown, NotEncrypted, 0},
		{"no encryption, which loopback may do without", &server{login: accepted, plain: true}, func(c *Config) { c.Trust = Trust{Unverified: true} }, Accepted, "", 1},
		{"any certificate, likewise", &server{login: accepted}, func(c *Config) { c.Trust = Trust{Unverified: true} }, Accepted, "", 1},
		{"not on loopback", &server{}, func(c *Config) { c.Host, c.Trust = "192.0.2.1", Trust{Unverified: true} }, Unknown, Unfit, 0},
		{"no password", &server{}, func(c *Config) { c.Password = secret.Value{} }, Unknown, Unfit, 0},
		{"a login with a backslash is no Windows account", &server{login: tokens(18456)}, func(c *Config) { c.User = `DOM\svc` }, Rejected, WrongPassword, 1},
	} {
		t.Run(c.reason, func(t *testing.T) {
			s := c.server.start(t)
			config := s.config()
			if c.change != nil {
				c.change(&config)
			}
			got := Probe(t.Context(), config)
			if got.Verdict != c.verdict || got.Why != c.why || s.logins.Load() != c.logins {
				t.Errorf("%v, and the server saw %d logins", got, s.logins.Load())
			}
			var failed *SignInError
			if got.Err != nil && (!errors.As(got.Err, &failed) || failed.Hint() == "" && got.Why != Unfit && c.reason != "an error that nobody knows") {
				t.Errorf("no hint: %v", got)
			}
			if login := s.last.Load(); login != nil && !bytes.Contains(*login, text16(config.User)) {
				t.Error("the login did not sign in by its name and password")
			}
			if strings.Contains(fmt.Sprintf("%v %+v %#v %v", got, got, got, config), "CANARY") {
				t.Errorf("the answer shows the password: %v", got)
			}
		})
	}
}

func tokens(numbers ...int32) func() []byte {
	return func() []byte { return refused(numbers...) }
}

// TestDeadlines: the driver waits for ever for a server that says nothing; a deadline ends that at its moment.
func TestDeadlines(t *testing.T) {
	for reason, serve := range map[string]func(net.Conn){
		"no answer to the first packet": func(conn net.Conn) { _, _, _ = readPacket(conn); _, _, _ = readPacket(conn) },
		"half an answer": func(conn net.Conn) {
			_, _, _ = readPacket(conn)
			_, _ = conn.Write([]byte{4, 1, 0})
			_, _, _ = readPacket(conn)
		},
		"no TLS": func(conn net.Conn) {
			_, _, _ = readPacket(conn)
			writePacket(conn, []byte{0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 16, 0, 0, 0, 0, 0, 1})
			for {
				if _, _, err := readPacket(conn); err != nil {
					return
				}
			}
		},
	} {
		t.Run(reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var served sync.WaitGroup
				config := Config{Host: "sql01", User: "mesh_a", Password: canary}
				config.Dial = func(context.Context, string, string) (net.Conn, error) {
					near, far := net.Pipe()
					served.Go(func() { serve(far); far.Close() })
					return near, nil
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				began := time.Now()
				got := Probe(ctx, config)
				if took := time.Since(began); got.Verdict != Unknown || got.Why != TimedOut || took != 10*time.Second {
					t.Errorf("%v after %v", got, took)
				}
				served.Wait() // the connection was closed, or this would not end
			})
		})
	}
}

func TestACancelledProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		config := Config{Host: "sql01", User: "mesh_a", Password: canary}
		config.Dial = func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			go func() { _, _, _ = readPacket(far); cancel(); _, _, _ = readPacket(far) }()
			return near, nil
		}
		if got := Probe(ctx, config); got.Verdict != Unknown || got.Why != TimedOut || !errors.Is(got.Err, context.Canceled) {
			t.Errorf("%v", got)
		}
	})
}

func TestGuard(t *testing.T) {
	s := (&server{login: tokens(18456)}).start(t)
	var g Guard
	for i, want := range []Why{WrongPassword, WrongPassword, Spared, Spared} {
		if got := g.Probe(t.Context(), s.config()); got.Why != want || (want == Spared) != (got.Verdict == Unknown) {
			t.Errorf("probe %d: %v", i, got)
		}
	}
	another := s.config()
	if another.User = "MESH_A"; g.Probe(t.Context(), another).Why != Spared {
		t.Error("the same login in other letters was tried")
	}
	if another.User = "mesh_b"; g.Probe(t.Context(), another).Why != WrongPassword {
		t.Error("another login was spared")
	}
	if n := s.logins.Load(); n != 3 {
		t.Errorf("the server saw %d logins", n)
	}
}

// A session is opened under the same rule, and shares the count with probes.
func TestGuardOfSessions(t *testing.T) {
	s := (&server{login: tokens(18456)}).start(t)
	var g Guard
	g.Probe(t.Context(), s.config())
	for i, want := range []Why{WrongPassword, Spared} {
		_, err := g.Open(t.Context(), s.config())
		var failed *SignInError
		if !errors.As(err, &failed) || failed.Why != want {
			t.Errorf("session %d: %v", i, err)
		}
	}
	if n := s.logins.Load(); n != 2 {
		t.Errorf("the server saw %d logins", n)
	}
}

// What the server did not count is not counted here, and a login that gets in starts anew.
func TestGuardCountsAsTheServerDoes(t *testing.T) {
	var g Guard
	s := (&server{login: tokens(18456)}).start(t)
	config := s.config()
	untrusted := config
	untrusted.Trust = Trust{}
	for range 5 {
		if got := g.Probe(t.Context(), untrusted); got.Why != Untrusted {
			t.Fatalf("%v", got)
		}
	}
	for range 3 {
		s.login = tokens(18456)
		if got := g.Probe(t.Context(), config); got.Why != WrongPassword {
			t.Fatalf("%v", got)
		}
		s.login = accepted
		if got := g.Probe(t.Context(), config); got.Verdict != Accepted {
			t.Fatalf("%v", got)
		}
	}
}

// Probes at the same time do not pass the limit together.
func TestGuardAtOnce(t *testing.T) {
	s := (&server{login: tokens(18456)}).start(t)
	var g Guard
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { g.Probe(t.Context(), s.config()) })
	}
	all.Wait()
	if n := s.logins.Load(); n != 2 {
		t.Errorf("the server saw %d logins", n)
	}
}

func TestErrorsComeInGroups(t *testing.T) {
	e := fromDriver(mssql.Error{Number: 18456, State: 1, Message: "Login failed for user 'mesh_a'.", All: []mssql.Error{{Number: 4060}, {Number: 18456}}}, true)
	if v, why := e.verdict(); v != Unknown || why != NoDatabase {
		t.Errorf("%v %v", v, why)
	}
	if !errors.Is(e, Offline) || !errors.Is(e, Login) || errors.Is(e, Policy) || !strings.Contains(e.Hint(), "SID") || !strings.Contains(e.Error(), "4060") || !strings.Contains(e.Error(), "mesh_a") {
		t.Errorf("%v, hint: %s", e, e.Hint())
	}
	for n, m := range meanings {
		if m.class == "" || m.text == "" {
			t.Errorf("%d says nothing", n)
		}
		if m.class == Login && m.why == "" {
			t.Errorf("%d refuses a sign-in without a reason", n)
		}
	}
}
