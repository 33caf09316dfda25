package winrm

import (
	"context"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// breaking is a connection that ends before this write, counted over all of them: nothing of the request leaves.
type breaking struct {
	net.Conn
	writes *atomic.Int32
	at     func(n int32) bool
}

func (b breaking) Write(p []byte) (int, error) {
	if n := b.writes.Add(1); b.at(n) {
		_ = b.Conn.Close()
		return 0, &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
	}
	return b.Conn.Write(p)
}

// The whole talk is Create, Command, Send, Receive, Delete: one write each.
func TestAConnectionThatEndedBeforeTheRequestWasSent(t *testing.T) {
	for _, c := range []struct {
		reason string
		at     func(int32) bool
		ok     bool
		class  Class
		ran    bool
		counts map[string]int
	}{
		{reason: "before Create", at: func(n int32) bool { return n == 1 }, ok: true},
		{reason: "before Command", at: func(n int32) bool { return n == 2 }, ok: true},
		{reason: "before Send: the process waits for its input", at: func(n int32) bool { return n == 3 }, ok: true},
		{reason: "before Receive", at: func(n int32) bool { return n == 4 }, ok: true},
		{reason: "before Command, twice: it did not start", at: func(n int32) bool { return n == 2 || n == 3 }, class: Unreachable,
			counts: map[string]int{"Command": 0}},
		{reason: "before Send, twice: the process is left alone", at: func(n int32) bool { return n == 3 || n == 4 }, class: Unknown, ran: true,
			counts: map[string]int{"Send": 0, "Delete": 1}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			srv := &server{t: t}
			cfg := basic(srv.start(nil))
			var writes atomic.Int32
			cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
				return breaking{conn, &writes, c.at}, err
			}
			s, err := Open(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			out, err := run(t.Context(), s, []byte("x"))
			if closed := s.Close(t.Context()); closed != nil {
				t.Errorf("closing: %v", closed)
			}
			if !c.ok {
				wantClass(t, err, c.class, c.ran)
			} else if err != nil || string(out.Stdout) != "x" {
				t.Errorf("%q, %v", out.Stdout, err)
			} else if srv.count("Command") != 1 || srv.count("Send") != 1 {
				t.Error("something was sent twice")
			}
			for action, want := range c.counts {
				if got := srv.count(action); got != want {
					t.Errorf("%d times %s instead of %d", got, action, want)
				}
			}
		})
	}
}

// A host ends the login of a process that waits for its input, and the connection in the middle of the next login.
func TestAConnectionThatEndsInALoginBetween(t *testing.T) {
	for _, c := range []struct {
		reason   string
		troubles map[string]trouble
		ok       bool
		sends    int
	}{
		{"once", map[string]trouble{"Send 1": {status: 401}, "Handshake 3": {cut: "before"}}, true, 2},
		{"twice", map[string]trouble{"Send 1": {status: 401}, "Handshake 3": {cut: "before"}, "Handshake 4": {cut: "before"}}, true, 2},
		{"before the output is received", map[string]trouble{"Receive 1": {status: 401}, "Handshake 3": {cut: "before"}, "Handshake 5": {cut: "before"}}, true, 1},
		{"in the second request of the login", map[string]trouble{"Receive 1": {status: 401}, "Handshake 4": {cut: "before"}}, true, 1},
		{"before Delete", map[string]trouble{"Delete 1": {status: 401}, "Handshake 4": {cut: "before"}}, true, 1},
		{"before Signal", map[string]trouble{"Signal 1": {status: 401}, "Handshake 3": {cut: "before"}}, true, 1},
		{"again and again", map[string]trouble{"Send 1": {status: 401}, "Handshake 3": {cut: "before"}, "Handshake 4": {cut: "before"},
			"Handshake 5": {cut: "before"}}, false, 1},
	} {
		t.Run(c.reason, func(t *testing.T) {
			srv := &server{t: t, sealed: true, troubles: c.troubles}
			cfg := sealing(srv.start(nil))
			cfg.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
			s, err := Open(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			out, err := run(t.Context(), s, []byte("x"))
			if closed := s.Close(t.Context()); closed != nil {
				t.Errorf("closing: %v", closed)
			}
			if c.ok && (err != nil || string(out.Stdout) != "x") {
				t.Errorf("%q, %v", out.Stdout, err)
			} else if !c.ok {
				wantClass(t, err, Unknown, true)
			}
			if srv.count("Send") != c.sends || srv.count("Command") != 1 {
				t.Errorf("%d Sends, want %d; %d Commands", srv.count("Send"), c.sends, srv.count("Command"))
			}
		})
	}
}
