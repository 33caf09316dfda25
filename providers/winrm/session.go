// Package winrm runs commands on Windows hosts over WinRM: one Session is one shell on one host, over one connection.
//
// A session owns its network connection and uses it for one request at a time. NTLM and Kerberos authenticate a
// connection, not a request, so a pool that swaps connections behind the caller loses the login. The whole talk with a
// host takes eight requests with NTLM: two to authenticate, then Create, Command, Send, Receive, Signal and Delete.
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

	"github.com/masterzen/winrm"
)

// maxCommandLine is in UTF-16 units; beyond it cmd.exe refuses without a fault.
const maxCommandLine = 8191

// Session is a shell on one host. It is not safe for concurrent use.
type Session struct {
	cfg       Config
	values    values // what all envelopes of this session share; its shell is "" where the host has none of ours
	conn      *connection
	processes []*Process // of the shell, that were not terminated
	requests  int
	broken    error // set once an outcome became unknown: only Close is left
	closed    bool
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
		_ = s.Close(context.WithoutCancel(ctx)) // the shell may be there all the same
		return nil, err
	}
	return s, nil
}

// Requests is the number of HTTP requests sent so far, those of the handshakes included.
func (s *Session) Requests() int { return s.requests }

// Start runs a command line in the shell. The line must have 1 to 8,191 characters, none of them a control character.
// When the shell is used up or gone, the command was not run, and a new shell is made, once.
func (s *Session) Start(ctx context.Context, commandLine string) (*Process, error) {
	if err := checkCommandLine(commandLine); err != nil {
		return nil, s.fail(opCommand, Refused, err)
	}
	s.terminate(ctx, func(p *Process) bool { return p.done })
	for renewed := false; ; renewed = true {
		v := s.values
		v.line = commandLine
		r, err := s.exchange(ctx, opCommand, &v)
		if err == nil {
			p := &Process{session: s, id: r.command}
			s.processes = append(s.processes, p)
			return p, nil
		}
		if renewed || !shellIsSpent(err) {
			return nil, err
		}
		if err := s.renew(ctx); err != nil {
			return nil, err
		}
	}
}

// Close ends whatever still runs in the shell, deletes it, and closes the connection. It waits for the host until ctx
// ends, and 10 seconds at most. After an error the host ends the shell itself once IdleTimeout has passed.
func (s *Session) Close(ctx context.Context) error {
	if s.closed {
		return nil
	}
	s.closed = true
	defer s.drop()
	if s.values.shell == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, deleteTimeout)
	defer cancel()
	s.terminate(ctx, func(*Process) bool { return true })
	return s.deleteShell(ctx)
}

// drop closes the connection. The shell stays on the host.
func (s *Session) drop() {
	if s.conn != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
}
