// Package winrm runs commands on Windows hosts over WinRM: one Session is one shell on one host, over one connection.
//
// A session owns its network connection and uses it for one request at a time. NTLM and Kerberos authenticate a
// connection, not a request, so a pool that swaps connections behind the caller loses the login. The whole talk with a
// host takes seven requests with NTLM: two to authenticate, then Create, Command, Send, Receive and Delete.
//
// The messages have the shape that github.com/masterzen/winrm gives them. Posting, sealing, parsing and the handling of
// faults are done here, because they decide whether an outcome is known.
//
// Three rules hold everywhere:
//
//   - Nothing leaves unsealed: over plain HTTP every message is sealed by NTLM. Other ways to authenticate need HTTPS,
//     except on loopback.
//   - Unknown is never success: a cut, a foreign or a clear answer, or an end without an exit code is an error, and
//     Error.Ran says whether a command may have taken effect.
//   - A refused credential is not tried again. A Guard makes that hold for a whole fleet until a host has taken it; it
//     asks again, a few times, where it was taken before.
//
// The protocol is MS-WSMV over MS-WSMAN (DMTF DSP0226), sealed as MS-WSMV 2.2.9.1 says.
package winrm

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/masterzen/winrm"
)

const (
	shellAttempts  = 5                      // Create is tried this often while the host has too many shells
	shellBackoff   = 500 * time.Millisecond // before the second attempt; doubles, with jitter
	deleteTimeout  = 10 * time.Second       // the longest Close waits for the host
	maxCommandLine = 8191                   // UTF-16 units; beyond it cmd.exe refuses without a fault
)

// Session is a shell on one host. It is not safe for concurrent use.
type Session struct {
	cfg      Config
	values   values // what all envelopes of this session share
	conn     *connection
	shell    string
	requests int
	broken   error // set once an outcome became unknown: only Close is left
	closed   bool
}

// Open connects, authenticates and creates a shell. A host that has too many shells is asked again a few times. The
// error is an *Error. Close must follow when it is nil.
func Open(ctx context.Context, cfg Config) (*Session, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	s := &Session{cfg: cfg, values: values{
		Parameters: winrm.NewParameters(duration(cfg.OperationTimeout), "en-US", cfg.EnvelopeSize),

		to:   cfg.url(),
		idle: duration(cfg.IdleTimeout),
	}}
	if err := s.create(ctx); err != nil {
		s.drop()
		return nil, err
	}
	return s, nil
}

// Requests is the number of HTTP requests sent so far, those of the handshakes included.
func (s *Session) Requests() int { return s.requests }

// create makes the shell. While the host answers that the user has too many, it waits and asks again.
func (s *Session) create(ctx context.Context) error {
	wait := shellBackoff
	for attempt := 1; ; attempt++ {
		r, err := s.exchange(ctx, opCreate, s.values)
		if err == nil {
			s.shell, s.values.shell = r.shell, r.shell
			return nil
		}
		var e *Error
		if attempt == shellAttempts || !errors.As(err, &e) || e.Class != Quota {
			return err
		}
		if s.cfg.Sleep(ctx, wait/2+rand.N(wait)) != nil {
			return err
		}
		wait *= 2
	}
}

// Start runs a command line in the shell. The line must have 1 to 8,191 characters, none of them a control character.
// When the shell is used up or gone, the command was not run, and a new shell is made, once.
func (s *Session) Start(ctx context.Context, commandLine string) (*Process, error) {
	if err := checkCommandLine(commandLine); err != nil {
		return nil, s.fail(opCommand, Refused, err)
	}
	for renewed := false; ; renewed = true {
		v := s.values
		v.line = commandLine
		r, err := s.exchange(ctx, opCommand, v)
		if err == nil {
			return &Process{session: s, id: r.command}, nil
		}
		if renewed || !shellIsSpent(err) {
			return nil, err
		}
		if err := s.renew(ctx); err != nil {
			return nil, err
		}
	}
}

// shellIsSpent says that the command was refused because of its shell, so that it may run in another one.
func shellIsSpent(err error) bool {
	var f *Fault
	return errors.As(err, &f) && (f.Code == codeOperationsQuota || f.Code == codeInvalidSelectors)
}

// renew replaces the shell. The old one is deleted first: it counts against the user's quota.
func (s *Session) renew(ctx context.Context) error {
	var f *Fault
	if err := s.deleteShell(ctx); err != nil && !errors.As(err, &f) {
		return err
	}
	return s.create(ctx)
}

// Close deletes the shell, which ends whatever still runs in it, and closes the connection. It waits for the host
// until ctx ends, and 10 seconds at most. After an error the host ends the shell itself once IdleTimeout has passed.
func (s *Session) Close(ctx context.Context) error {
	if s.closed {
		return nil
	}
	s.closed = true
	defer s.drop()
	if s.shell == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, deleteTimeout)
	defer cancel()
	return s.deleteShell(ctx)
}

func (s *Session) deleteShell(ctx context.Context) error {
	_, err := s.exchange(ctx, opDelete, s.values)
	var e *Error
	if errors.As(err, &e) && e.Class == Unreachable && ctx.Err() == nil {
		_, err = s.exchange(ctx, opDelete, s.values) // deleting twice does no harm
	}
	var f *Fault
	if errors.As(err, &f) && f.Code == codeInvalidSelectors {
		err = nil // it is gone already
	}
	if err == nil {
		s.shell, s.values.shell = "", ""
	}
	return err
}

// drop closes the connection. The shell stays on the host.
func (s *Session) drop() {
	if s.conn != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
}
