package winrm

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab/ntlm"
	"meshrotate/providers/lab/webauth"
	"meshrotate/providers/lab/wsman"
)

// serveLab runs the lab's WinRM server, which was written from the specification and not from this client.
func serveLab(t testing.TB, s *wsman.Server) string {
	t.Helper()
	if s.Auth.NTLM.Password == nil {
		s.Auth.NTLM = ntlm.Server{Domain: "LAB", Host: "RELAY01", Password: func(user string) (string, bool) {
			return testPassword, strings.EqualFold(user, "admin")
		}}
	}
	if s.Run == nil {
		s.Run = slurp
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-served; !errors.Is(err, wsman.ErrClosed) {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

// slurp reads all its input and then writes it.
func slurp(_ context.Context, p wsman.Process) uint32 {
	b, err := io.ReadAll(p.Stdin)
	if err != nil {
		return 2
	}
	if _, err := p.Stdout.Write(b); err != nil {
		return 3
	}
	_, _ = io.WriteString(p.Stderr, "#< CLIXML")
	return 7
}

func TestLab(t *testing.T) {
	own, roots := certify(t, "relay01")
	person, _ := certify(t, "operator")
	https := &tls.Config{Certificates: []tls.Certificate{own}}
	asking := &tls.Config{Certificates: https.Certificates, ClientAuth: tls.RequestClientCert}
	operator := func(*x509.Certificate) (string, bool) { return "admin", true }
	for _, c := range []struct {
		name     string
		rules    webauth.Rules
		tls      *tls.Config
		clear    bool
		config   Config
		requests int
	}{
		{"sealed ntlm", webauth.Rules{Negotiate: true}, nil, false, Config{Auth: NTLM, User: `LAB\admin`}, 8},
		{"ntlm, an account of the host", webauth.Rules{Negotiate: true}, nil, false, Config{Auth: NTLM, User: `.\admin`}, 8},
		{"ntlm over https, bound to the channel", webauth.Rules{Negotiate: true, RequireBindings: true, Certificate: own.Leaf}, https, false,
			Config{Auth: NTLM, User: `LAB\admin`}, 8},
		{"basic over https", webauth.Rules{Basic: true}, https, false, Config{Auth: Basic, User: "admin"}, 6},
		{"certificate", webauth.Rules{CertificateUser: operator}, asking, false, Config{Auth: Certificate, Certificate: &person}, 6},
		{"basic on loopback", webauth.Rules{Basic: true}, nil, true, Config{Auth: Basic, User: "admin"}, 6},
	} {
		for _, size := range []int{0, 15 << 10, 240 << 10} {
			t.Run(c.name, func(t *testing.T) {
				srv := &wsman.Server{Auth: c.rules, TLS: c.tls, AllowUnencrypted: c.clear}
				cfg := c.config
				cfg.Address, cfg.Name, cfg.Password = serveLab(t, srv), "relay01", basic("").Password
				cfg.HTTPS, cfg.TLS = c.tls != nil, &tls.Config{RootCAs: roots}
				s, err := Open(t.Context(), cfg)
				if err != nil {
					t.Fatal(err)
				}
				in := bytes.Repeat([]byte("0123456789abcdef"), size/16)
				out, err := run(t.Context(), s, in)
				if err != nil || !bytes.Equal(out.Stdout, in) || out.ExitCode != 7 || string(out.Stderr) != "#< CLIXML" {
					t.Errorf("got %d bytes, %q, exit code %d, %v", len(out.Stdout), out.Stderr, out.ExitCode, err)
				}
				if err := s.Close(t.Context()); err != nil {
					t.Error(err)
				}
				if got := s.Requests(); size <= 15<<10 && got != c.requests || int64(got) != srv.Requests() {
					t.Errorf("%d requests, the server counts %d", got, srv.Requests())
				}
			})
		}
	}
}

// TestLabFaults meets the rows of the error table again, made by somebody else's server.
func TestLabFaults(t *testing.T) {
	for _, c := range []struct {
		name   string
		action wsman.Action
		fault  wsman.Fault
		always bool
		ok     bool
		class  Class
		ran    bool
	}{
		{name: "poll again", action: wsman.Receive, fault: wsman.Fault{Kind: wsman.WSManFault, Code: codeTimedOut}, ok: true},
		{name: "Send timed out", action: wsman.Send, fault: wsman.Fault{Kind: wsman.WSManFaultAfter, Code: codeTimedOut}, ok: true},
		{name: "Send busy", action: wsman.Send, fault: wsman.Fault{Kind: wsman.WSManFaultAfter, Code: codeBusy}, ok: true},
		{name: "command gone", action: wsman.Receive, fault: wsman.Fault{Kind: wsman.WSManFault, Code: codeInvalidSelectors}, class: Unknown, ran: true},
		{name: "aborted", action: wsman.Receive, fault: wsman.Fault{Kind: wsman.WSManFault, Code: codeAborted}, class: Unknown, ran: true},
		{name: "shells", action: wsman.Create, fault: wsman.Fault{Kind: wsman.WSManFault, Code: codeShellsQuota}, ok: true},
		{name: "shells, always", action: wsman.Create, fault: wsman.Fault{Kind: wsman.WSManFault, Code: codeShellsQuota}, always: true, class: Quota},
		{name: "operations", action: wsman.Command, fault: wsman.Fault{Kind: wsman.WSManFault, Code: codeOperationsQuota}, ok: true},
		{name: "401 at login", action: wsman.Handshake, fault: wsman.Fault{Kind: wsman.Status, Status: 401}, always: true, class: Unsupported},
		{name: "401 live", action: wsman.Send, fault: wsman.Fault{Kind: wsman.Status, Status: 401}, ok: true},
		{name: "400 live", action: wsman.Command, fault: wsman.Fault{Kind: wsman.Status, Status: 400}, ok: true},
		{name: "denied", action: wsman.Create, fault: wsman.Fault{Kind: wsman.WSManFault, Code: codeAccessDenied}, class: Denied},
		{name: "clear", action: wsman.Receive, fault: wsman.Fault{Kind: wsman.ClearText}, class: Protocol, ran: true},
		{name: "signature", action: wsman.Command, fault: wsman.Fault{Kind: wsman.BadSignature}, class: Protocol, ran: true},
		{name: "another message", action: wsman.Send, fault: wsman.Fault{Kind: wsman.WrongRelatesTo}, class: Protocol, ran: true},
		{name: "refused", action: wsman.Connect, fault: wsman.Fault{Kind: wsman.Refuse}, always: true, class: Unreachable},
		{name: "cut before", action: wsman.Command, fault: wsman.Fault{Kind: wsman.CutBefore}, class: Unknown, ran: true},
		{name: "cut after", action: wsman.Send, fault: wsman.Fault{Kind: wsman.CutAfter}, class: Unknown, ran: true},
		{name: "cut in the middle", action: wsman.Receive, fault: wsman.Fault{Kind: wsman.CutMid}, class: Unknown, ran: true},
		{name: "no exit code", action: wsman.Receive, fault: wsman.Fault{Kind: wsman.DoneWithoutExitCode}, always: true, class: Protocol, ran: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := &wsman.Server{Auth: webauth.Rules{Negotiate: true}, Faults: func(e wsman.Event) wsman.Fault {
				if e.Action == c.action && (c.always || e.N == 1) {
					return c.fault
				}
				return wsman.Fault{}
			}}
			cfg := sealing(serveLab(t, srv))
			cfg.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
			s, err := Open(t.Context(), cfg)
			if err == nil {
				_, err = run(t.Context(), s, []byte("0123456789"))
				if closed := s.Close(t.Context()); closed != nil {
					t.Errorf("closing: %v", closed)
				}
			}
			if !c.ok {
				wantClass(t, err, c.class, c.ran)
			} else if err != nil {
				t.Errorf("not overcome: %v", err)
			}
		})
	}
}

func TestLabLongPoll(t *testing.T) {
	release := make(chan struct{})
	srv := &wsman.Server{Auth: webauth.Rules{Negotiate: true}, Run: func(ctx context.Context, p wsman.Process) uint32 {
		select {
		case <-release:
		case <-ctx.Done():
		}
		_, _ = io.WriteString(p.Stdout, "late")
		return 0
	}}
	polls := 0
	srv.Faults = func(e wsman.Event) wsman.Fault {
		if e.Action == wsman.Receive {
			if polls++; polls == 3 {
				close(release)
			}
		}
		return wsman.Fault{}
	}
	cfg := sealing(serveLab(t, srv))
	cfg.OperationTimeout = 500 * time.Millisecond
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	out, err := run(t.Context(), s, nil)
	if err != nil || string(out.Stdout) != "late" || polls < 3 {
		t.Errorf("got %q after %d polls, %v", out.Stdout, polls, err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLabOperationsQuota(t *testing.T) {
	srv := &wsman.Server{Auth: webauth.Rules{Negotiate: true}, Limits: wsman.Limits{OperationsPerUser: 12, ShellsPerUser: 1}}
	s, err := Open(t.Context(), sealing(serveLab(t, srv)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if _, err := run(t.Context(), s, []byte("x")); err != nil {
			t.Fatalf("run %d: %v", i, err)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
