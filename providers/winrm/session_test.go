package winrm

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// run does what a plan does on a host: one command, its input, all its output.
func run(ctx context.Context, s *Session, in []byte) (Output, error) {
	p, err := s.Start(ctx, "powershell.exe -NoProfile")
	if err != nil {
		return Output{}, err
	}
	if err := p.Send(ctx, in, true); err != nil {
		return Output{}, err
	}
	var all Output
	for !all.Done {
		out, err := p.Receive(ctx)
		if err != nil {
			return all, err
		}
		all.Stdout, all.Stderr = append(all.Stdout, out.Stdout...), append(all.Stderr, out.Stderr...)
		all.Done, all.ExitCode = out.Done, out.ExitCode
	}
	return all, nil
}

func TestWholeConversation(t *testing.T) {
	in := bytes.Repeat([]byte("canary 0123456789 äöü\r\n"), 700)
	for _, c := range []struct {
		name     string
		sealed   bool
		config   func(string) Config
		requests int
		reason   string
	}{
		{"basic", false, basic, 6, "Create, Command, Send, Receive, Signal, Delete"},
		{"sealed ntlm", true, sealing, 8, "two more for the handshake"},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := &server{t: t, sealed: c.sealed}
			s, err := Open(t.Context(), c.config(srv.start(nil)))
			if err != nil {
				t.Fatal(err)
			}
			out, err := run(t.Context(), s, in)
			if err != nil || !bytes.Equal(out.Stdout, in) || out.ExitCode != 0 || len(out.Stderr) != 0 {
				t.Errorf("got %d bytes, exit code %d, %v", len(out.Stdout), out.ExitCode, err)
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if s.Requests() != c.requests {
				t.Errorf("%d requests instead of %d: %s", s.Requests(), c.requests, c.reason)
			}
			if err := s.Close(t.Context()); err != nil {
				t.Errorf("closing again: %v", err)
			}
		})
	}
}

func TestSendIsCutIntoChunks(t *testing.T) {
	srv := &server{t: t}
	cfg := basic(srv.start(nil))
	cfg.EnvelopeSize = 8192
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close(t.Context()) }()
	in := bytes.Repeat([]byte{0, 1, 2, 0xff, '<'}, 2000)
	out, err := run(t.Context(), s, in)
	if err != nil || !bytes.Equal(out.Stdout, in) {
		t.Errorf("got %d bytes, %v", len(out.Stdout), err)
	}
	chunk := (8192 - 2600) * 3 / 4
	if want := (len(in) + chunk - 1) / chunk; srv.count("Send") != want {
		t.Errorf("%d Sends instead of %d", srv.count("Send"), want)
	}
	for _, e := range srv.envelopes {
		if len(e) > 8192 {
			t.Errorf("an envelope has %d bytes", len(e))
		}
	}
	ends := strings.Count(strings.Join(srv.envelopes, ""), `End="true"`)
	if ends != 1 {
		t.Errorf("%d Sends end the input", ends)
	}
}

func TestSendOfNothing(t *testing.T) {
	srv := &server{t: t}
	s, err := Open(t.Context(), basic(srv.start(nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close(t.Context()) }()
	p, err := s.Start(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Send(t.Context(), nil, false); err != nil || srv.count("Send") != 0 {
		t.Errorf("nothing to send took %d requests, %v", srv.count("Send"), err)
	}
	if err := p.Send(t.Context(), nil, true); err != nil || srv.count("Send") != 1 {
		t.Errorf("the end of input took %d requests, %v", srv.count("Send"), err)
	}
}

func TestExitCode(t *testing.T) {
	for _, c := range []struct {
		text, reason string
		want         uint32
		fails        bool
	}{
		{"<rsp:ExitCode>3</rsp:ExitCode>", "any code is the process's business", 3, false},
		{"<rsp:ExitCode>4294967295</rsp:ExitCode>", "unsigned, 32 bits", 1<<32 - 1, false},
		{"<rsp:ExitCode>-1</rsp:ExitCode>", "not what Windows writes", 0, true},
		{"<rsp:ExitCode></rsp:ExitCode>", "done without exit code", 0, true},
		{" ", "done without exit code", 0, true},
		{"<rsp:ExitCode>1</rsp:ExitCode><rsp:ExitCode>0</rsp:ExitCode>", "contradiction", 0, true},
	} {
		t.Run(c.reason, func(t *testing.T) {
			srv := &server{t: t, exit: c.text}
			s, err := Open(t.Context(), basic(srv.start(nil)))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close(t.Context()) }()
			out, err := run(t.Context(), s, []byte("x"))
			if c.fails {
				wantClass(t, err, Protocol, true)
			} else if err != nil || out.ExitCode != c.want {
				t.Errorf("exit code %d, %v", out.ExitCode, err)
			}
		})
	}
}

func TestCommandLines(t *testing.T) {
	srv := &server{t: t}
	s, err := Open(t.Context(), basic(srv.start(nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close(t.Context()) }()
	for _, line := range []string{"", strings.Repeat("x", 8192), strings.Repeat("😀", 4096), "a\x00b", "a\nb", "\xff"} {
		_, err := s.Start(t.Context(), line)
		wantClass(t, err, Refused, false)
	}
	for _, line := range []string{strings.Repeat("x", 8191), `a "b" <c> & d ]]> 'e' {{shell}} ä`} {
		if _, err := s.Start(t.Context(), line); err != nil {
			t.Error(err)
		}
		got := srv.envelopes[len(srv.envelopes)-1]
		r := strings.NewReplacer("&quot;", `"`, "&lt;", "<", "&gt;", ">", "&amp;", "&")
		if sent := r.Replace(find(`<rsp:Command>([^<]*)</rsp:Command>`, got)); sent != line {
			t.Errorf("sent %.60q instead of %.60q", sent, line)
		}
	}
}

func TestCancellationClosesTheSocket(t *testing.T) {
	for _, action := range []string{"Handshake", "Create", "Receive"} {
		t.Run(action, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			srv := &server{t: t, sealed: true, troubles: map[string]trouble{action: {hang: true}}, hangs: cancel}
			cfg := sealing(srv.start(nil))
			began := time.Now()
			s, err := Open(ctx, cfg)
			if err == nil {
				_, err = run(ctx, s, []byte("x"))
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v", took) // generous: a busy machine is no failure, waiting for the timeout is
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			if action == "Receive" {
				wantClass(t, err, Unknown, true)
				if s.conn != nil {
					t.Error("the connection is still there")
				}
				_ = s.Close(t.Context())
			} else {
				wantClass(t, err, Canceled, false)
			}
		})
	}
}

// expiring is a context whose end is a deadline's.
type expiring struct{ context.Context }

func (e expiring) Err() error {
	if e.Context.Err() != nil {
		return context.DeadlineExceeded
	}
	return nil
}

func TestDeadline(t *testing.T) {
	srv := &server{t: t, troubles: map[string]trouble{"Receive": {code: codeTimedOut}}}
	cfg := basic(srv.start(nil))
	now := time.Now()
	cfg.Now = func() time.Time { return now } // every answer comes at once
	ctx, expire := context.WithCancelCause(t.Context())
	pauses := 0
	cfg.Sleep = func(ctx context.Context, _ time.Duration) error {
		if pauses++; pauses == 3 {
			expire(context.DeadlineExceeded)
		}
		return ctx.Err()
	}
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	_, err = run(expiring{ctx}, s, []byte("x"))
	wantClass(t, err, Unknown, true)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if n := srv.count("Receive"); n != 3 || pauses != 3 {
		t.Errorf("%d Receives and %d pauses: it polls again, and is no hot loop", n, pauses)
	}
	if err := s.Close(t.Context()); err != nil || srv.count("Delete") != 1 {
		t.Errorf("the shell was not deleted: %v", err)
	}
}

func TestSilentHostIsGivenUp(t *testing.T) {
	srv := &server{t: t, troubles: map[string]trouble{"Receive": {hang: true}}}
	cfg := basic(srv.start(nil))
	cfg.OperationTimeout, cfg.Grace = 20*time.Millisecond, 20*time.Millisecond
	s, err := Open(t.Context(), cfg)
	for try := 1; err != nil && try < 50; try++ { // a busy machine may not answer in so short a time
		s, err = Open(t.Context(), cfg)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close(t.Context()) }()
	_, err = run(t.Context(), s, []byte("x"))
	wantClass(t, err, Unknown, true)
}

func TestIdleConnectionIsReplaced(t *testing.T) {
	t.Run("http", func(t *testing.T) {
		srv := &server{t: t, sealed: true}
		replaceIdle(t, srv, sealing(srv.start(nil)))
	})
	t.Run("https", func(t *testing.T) {
		own, roots := certify(t, "relay01")
		srv := &server{t: t}
		cfg := sealing(srv.start(&tls.Config{Certificates: []tls.Certificate{own}}))
		cfg.HTTPS, cfg.TLS = true, &tls.Config{RootCAs: roots}
		replaceIdle(t, srv, cfg)
	})
}

func replaceIdle(t *testing.T, srv *server, cfg Config) {
	now := time.Now()
	cfg.Now = func() time.Time { return now }
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i, pass := range []time.Duration{2 * time.Minute, 10 * time.Second} {
		if i == 1 {
			srv.hangUp()
		}
		now = now.Add(pass)
		if _, err := run(t.Context(), s, []byte("x")); err != nil {
			t.Errorf("after %v: %v", pass, err)
		}
		if want := 4 + 2*i; srv.count("Handshake") != want {
			t.Errorf("after %v: %d handshake messages instead of %d", pass, srv.count("Handshake"), want)
		}
	}
	now = now.Add(10 * time.Second)
	if _, err := run(t.Context(), s, []byte("x")); err != nil || srv.count("Handshake") != 6 {
		t.Errorf("an open connection was replaced: %v", err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func wantClass(t *testing.T, err error, class Class, ran bool) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v instead of an Error", err)
	}
	if e.Class != class || e.Ran != ran {
		t.Errorf("got class %q, ran %v instead of %q, %v: %v", e.Class, e.Ran, class, ran, err)
	}
	if e.Hint() == "" || e.Host == "" || e.Doing == "" {
		t.Errorf("nothing useful in %#v", e)
	}
	if text := fmt.Sprintf("%v %+v %s", err, err, e.Hint()); strings.Contains(text, testPassword) {
		t.Error("the password is in the error")
	}
}
