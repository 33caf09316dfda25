// Package wsman is the server's side of WinRM, for the lab: WS-Management's remote shell over HTTP and HTTPS.
//
// It is a test double, written to prove a client wrong. It follows MS-WSMV and answers recorded from Windows: a wrong
// action, a missing selector, a timeout that is no duration, a body that is not sealed are refused as Windows refuses
// them, with the same codes. What a command does is decided by a Run function. Faults are injected by a hook that
// sees every step.
//
// Thousands of servers live in one process, one for each emulated host, so an idle Server is a struct and a goroutine
// that accepts.
package wsman

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"meshrotate/providers/lab/webauth"
	"meshrotate/providers/limits"
)

// Run is the program behind every command. It must end soon after ctx does: a terminated command, a deleted shell and
// Close cancel it, and Close waits for it. Reads and writes fail from then on.
type Run func(ctx context.Context, p Process) (exit uint32)

// Process is what a command's program sees.
type Process struct {
	CommandLine string
	// Stdin ends when the client sends the end. It holds about 256 KB; a client that sends more waits for the
	// program to read.
	Stdin io.Reader
	// Stdout and Stderr hold about 256 KB each; a program that writes more waits for the client to receive.
	Stdout, Stderr io.Writer
	User           string
	// CodePage is the WINRS_CODEPAGE that the shell was made with; 0 is the OEM code page. Streams are not converted:
	// a program that matters writes as its code page wants.
	CodePage int
	// ConsoleStdin says that the client asked for console input, which is wrong with a redirected one
	// (MS-WSMV 3.1.4.11).
	ConsoleStdin bool
}

// Server is one Windows host's WinRM service. Set the fields before Serve and leave them alone from then on.
type Server struct {
	// Auth says who may log in and by which schemes. Over HTTP without AllowUnencrypted only Negotiate counts.
	Auth webauth.Rules
	// TLS makes it an HTTPS listener. Its first certificate is the one that channel bindings are verified against.
	TLS *tls.Config
	// AllowUnencrypted takes clear messages over HTTP, which Windows refuses unless told otherwise.
	AllowUnencrypted bool
	// Administrator says whether a user may open shells; nil means that every user may. Others get fault 5.
	Administrator func(user string) bool
	// Run is the program behind every command; nil means that every command is unknown and exits with 9009.
	Run Run
	// Limits are the quotas.
	Limits Limits
	// Faults is asked about every event before it happens; nil injects nothing. It is called concurrently.
	Faults func(Event) Fault
	// Record is told every event; nil tells nobody. It is called concurrently.
	Record func(Event)
	// Now is the clock for idle shells; nil means time.Now.
	Now func() time.Time

	rules    webauth.Rules // Auth as it applies to this listener
	requests atomic.Int64
	wait     sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	quit     chan struct{} // closed by Close
	listener net.Listener
	conns    map[net.Conn]struct{}
	shells   map[string]*shell
	underway map[string]struct{} // message ids
	counts   map[Action]int
}

// Limits are a server's quotas. The zero value is what Windows has.
type Limits struct {
	// ShellsPerUser is 30 when 0.
	ShellsPerUser int
	// ProcessesPerShell is 25 when 0.
	ProcessesPerShell int
	// OperationsPerUser is 1,500 when 0. A terminated command gives nothing back, a deleted shell does.
	OperationsPerUser int
	// EnvelopeSize is 512,000 bytes when 0.
	EnvelopeSize int
	// Buffer is how much of each stream is held, 256 KB when 0.
	Buffer int
	// ShellIdle ends shells that nobody uses and that asked for nothing else, after 180 s when 0.
	ShellIdle time.Duration
	// ConnIdle closes quiet connections, after 120 s when 0.
	ConnIdle time.Duration
	// Gather is how long Receive waits for more once it has output, 5 ms when 0, not at all when negative.
	Gather time.Duration
}

func (l Limits) withDefaults() Limits {
	count := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	length := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	count(&l.ShellsPerUser, 30)
	count(&l.ProcessesPerShell, 25)
	count(&l.OperationsPerUser, 1500)
	count(&l.EnvelopeSize, 512_000)
	count(&l.Buffer, 256<<10)
	length(&l.ShellIdle, 180*time.Second)
	length(&l.ConnIdle, 120*time.Second)
	length(&l.Gather, 5*time.Millisecond)
	return l
}

// acceptPause is how long a server without descriptors waits before it accepts again.
const acceptPause = 20 * time.Millisecond

// ErrClosed is what Serve returns after Close.
var ErrClosed = errors.New("wsman: server closed")

// Serve answers on ln until Close; it takes ln over. A Server serves once.
func (s *Server) Serve(ln net.Listener) error {
	if err := s.listen(ln); err != nil {
		_ = ln.Close()
		return err
	}
	for {
		c, err := ln.Accept()
		if err != nil {
			if s.isClosed() {
				return ErrClosed
			}
			var transient net.Error
			if errors.As(err, &transient) && transient.Timeout() {
				continue
			}
			if limits.Met(err) != nil { // whoever connects waits until another has left
				time.Sleep(acceptPause)
				continue
			}
			return fmt.Errorf("wsman %s: %w", ln.Addr(), err)
		}
		if !s.adopt(c) {
			_ = c.Close()
			return ErrClosed
		}
		go func() {
			defer s.wait.Done()
			defer s.forget(c)
			s.serveConn(c)
		}()
	}
}

func (s *Server) listen(ln net.Listener) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if s.listener != nil {
		return errors.New("wsman: a server serves once")
	}
	s.listener = ln
	s.prepare()
	s.rules = s.Auth
	if s.TLS == nil && !s.AllowUnencrypted {
		s.rules.Basic, s.rules.Bearer, s.rules.CertificateUser = false, nil, nil
	}
	if s.TLS != nil && s.rules.Certificate == nil && len(s.TLS.Certificates) > 0 {
		leaf, err := x509.ParseCertificate(s.TLS.Certificates[0].Certificate[0])
		if err != nil {
			return fmt.Errorf("wsman: server certificate: %w", err)
		}
		s.rules.Certificate = leaf
	}
	return nil
}

// prepare is what a server needs before its first request, however that arrives. The lock is held.
func (s *Server) prepare() {
	if s.quit == nil {
		s.quit, s.Limits = make(chan struct{}), s.Limits.withDefaults()
	}
}

// Close ends the listener, every connection and every command, and waits until all of them are gone.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		s.wait.Wait()
		return nil
	}
	s.closed = true
	var err error
	if s.quit != nil {
		close(s.quit)
	}
	if s.listener != nil {
		err = s.listener.Close()
	}
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.Reset()
	s.wait.Wait()
	return err
}

// Requests counts the requests so far: those over HTTP, refused ones and login legs included, and those of a Direct.
func (s *Server) Requests() int64 { return s.requests.Load() }

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// adopt keeps c for Close; false when that is over.
func (s *Server) adopt(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.conns == nil {
		s.conns = map[net.Conn]struct{}{}
	}
	s.conns[c] = struct{}{}
	s.wait.Add(1)
	return true
}

func (s *Server) forget(c net.Conn) {
	_ = c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

func (s *Server) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// machine is what the host calls itself in faults.
func (s *Server) machine() string {
	if s.Auth.NTLM.Host != "" {
		return s.Auth.NTLM.Host
	}
	return "LAB"
}

func sameUser(a, b string) bool { return strings.EqualFold(a, b) }
