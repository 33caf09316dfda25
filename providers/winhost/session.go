// Package winhost talks to one Windows host: files, services, environment, logs, by a script that runs there.
//
// There is one PowerShell process per host and run. Its command line is one constant, short bootstrap, which reads the
// script (host.ps1, embedded here) from standard input and checks its SHA-256. So process auditing shows a constant,
// and script-block logging shows one fixed text that can be reviewed. Then requests and replies go back and forth as
// frames (see Frame) until the end of input. Secrets and file contents travel only as the frames' blobs. On the host
// .NET methods read and write them as bytes; no cmdlet parameter and no pipeline carries one, for module logging would
// record it.
//
// A reply is believed only when it is whole. Anything less is an error, and says nothing about what happened: look
// again. The package knows nothing of WinRM: see Starter.
package winhost

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Starter starts a process on a host.
type Starter interface {
	// Start runs a command line. The context bounds the start, not the process.
	Start(ctx context.Context, commandLine string) (Pipe, error)
}

// Pipe is a started process. A Session calls it from one goroutine at a time.
type Pipe interface {
	// Send writes to the process's standard input, and closes it with end. It may be given an empty b, and must not
	// keep b: the Session wipes it.
	Send(ctx context.Context, b []byte, end bool) error
	// Receive waits for output. It may return none. After Done it is not called again.
	Receive(ctx context.Context) (Output, error)
}

// Output is what a process wrote since the last Receive.
type Output struct {
	Stdout, Stderr []byte
	// Done says that the process has ended, with ExitCode.
	Done     bool
	ExitCode uint32
}

// Errors that a caller branches on. Any other error of a Session leaves the outcome of the request unknown.
var (
	// ErrUnsupported is a host that cannot run the script: PowerShell is too old, or in Constrained Language Mode.
	// Nothing was changed there.
	ErrUnsupported = errors.New("unsupported host")
	// ErrScript is a script that arrived as another text than the command line names. Nothing was changed.
	ErrScript = errors.New("the script on the host is not ours")
)

// UnsupportedError says why a host cannot run the script. It is an ErrUnsupported.
type UnsupportedError struct{ why, hint string }

func (e *UnsupportedError) Error() string { return ErrUnsupported.Error() + ": " + e.why }
func (e *UnsupportedError) Unwrap() error { return ErrUnsupported }

// Hint says what to do.
func (e *UnsupportedError) Hint() string { return e.hint }

// Config is how to reach PowerShell on a host.
type Config struct {
	// Program is the path of powershell.exe on the host; "" means Program, found by its PATH.
	Program string
}

// Session is one process on one host. It is safe for use by several goroutines, which take turns.
type Session struct {
	pipe    Pipe
	mu      sync.Mutex
	started bool   // the script is on its way
	ended   bool   // standard input is closed
	done    bool   // the process has ended
	exit    uint32 // valid when done
	broken  error  // why no further request makes sense
	stderr  tail
	noise   int // bytes of the present exchange that are no part of a reply
}

// Open starts the process. The script travels with the first request, so Open itself sends nothing.
func Open(ctx context.Context, s Starter, c Config) (*Session, error) {
	pipe, err := s.Start(ctx, CommandLine(c.Program))
	if err != nil {
		return nil, doing{"start PowerShell", err}
	}
	return &Session{pipe: pipe}, nil
}

// Run opens a session for one request: the script, the request and the end of input travel together. When all ops only
// look, it asks for all of them, as Look does.
func Run(ctx context.Context, s Starter, c Config, ops []Op) ([]Result, error) {
	session, err := Open(ctx, s, c)
	if err != nil {
		return nil, err
	}
	results, err := session.exchange(ctx, ops, onlyLooks(ops), true, nil)
	if err != nil {
		return nil, err
	}
	return results, session.Close(ctx)
}

// Do asks for ops in order, in one request. The host stops at the first that fails and answers Skipped for the rest.
// The error is for the request as a whole; an op's own failure is in its Result. After an error the session is of no
// more use, and what the ops did is unknown unless the error is ErrUnsupported or ErrScript.
func (s *Session) Do(ctx context.Context, ops []Op) ([]Result, error) {
	return s.exchange(ctx, ops, false, false, nil)
}

// Follow is Do, and passes on what ops under way have to tell, line by line: a build's output. It holds whatever a program of the
// host writes.
func (s *Session) Follow(ctx context.Context, ops []Op, tell func(line string)) ([]Result, error) {
	return s.exchange(ctx, ops, false, false, tell)
}

// Look is Do for ops that change nothing: every one is tried, whatever became of those before it.
func (s *Session) Look(ctx context.Context, ops []Op) ([]Result, error) {
	if !onlyLooks(ops) {
		return nil, errors.New("look: an op among them changes the host")
	}
	return s.exchange(ctx, ops, true, false, nil)
}

// Close ends standard input and waits until the process has ended. It fails when the process ended in any way but
// cleanly.
func (s *Session) Close(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended && !s.done {
		var b []byte
		if !s.started {
			b = PackedScript() // it was never asked for anything, and still is to end cleanly
		}
		if err := s.pipe.Send(ctx, b, true); err != nil {
			return doing{"end PowerShell", err}
		}
		s.started, s.ended = true, true
	}
	s.noise = 0
	for !s.done {
		out, err := s.receive(ctx)
		if err == nil {
			err = s.ignore(len(out))
		}
		if err != nil {
			return doing{"end PowerShell", err}
		}
	}
	if s.exit != 0 {
		return s.exitError(nil)
	}
	return nil
}

func onlyLooks(ops []Op) bool {
	for _, op := range ops {
		if !op.Looks() {
			return false
		}
	}
	return true
}

// exchange sends one request and waits for its reply. An error breaks the session: a late reply must not be taken for
// the next one's, and its nonce would not fit.
func (s *Session) exchange(ctx context.Context, ops []Op, all, last bool, tell func(string)) ([]Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return nil, fmt.Errorf("session is broken: %w", s.broken)
	}
	if s.ended || s.done {
		return nil, errors.New("session is closed")
	}
	var nonce [NonceSize]byte
	_, _ = rand.Read(nonce[:]) // never fails: see crypto/rand
	frame, err := EncodeRequest(nonce, ops, all)
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	var script []byte
	if !s.started {
		script = PackedScript()
	}
	room := roomFor(len(script) + min(frame.size(), MaxFrame))
	request, err := frame.Append(append(room, script...))
	if err != nil {
		return nil, fmt.Errorf("request: %w", err) // nothing was sent: the session is as good as before
	}
	results, err := s.converse(ctx, request, frame, len(ops), last, tell)
	for _, blob := range frame.Blobs {
		clear(blob)
	}
	s.broken = err
	return results, err
}

// requests are the rooms of requests that were sent. Those of ten thousand hosts are mostly the script.
var requests sync.Pool

func roomFor(size int) []byte {
	if room, ok := requests.Get().(*[]byte); ok && cap(*room) >= size {
		return *room
	}
	return make([]byte, 0, size)
}

// release gives a request's room to the next one, with nothing in it.
func release(request []byte) {
	const most = 1 << 20 // a file of many megabytes is rare
	clear(request[:cap(request)])
	if cap(request) <= most {
		requests.Put(new(request[:0]))
	}
}

// converse sends the request, releases it, and waits for the reply.
func (s *Session) converse(ctx context.Context, request []byte, sent Frame, n int, last bool, tell func(string)) ([]Result, error) {
	s.started, s.ended = true, last
	err := s.pipe.Send(ctx, request, last)
	release(request)
	if err != nil {
		return nil, s.sendError(ctx, err, sent.Blobs)
	}
	var output []byte
	defer func() { clear(output) }()
	s.noise = 0
	for wanted := 0; ; {
		if s.done {
			return nil, s.exitError(sent.Blobs)
		}
		more, err := s.receive(ctx)
		if err != nil {
			return nil, doing{"wait for reply", err}
		}
		if output = append(output, more...); len(output) < wanted {
			continue
		}
		foreign := len(output)
		output = fromNonce(output, sent.Nonce)
		if err := s.ignore(foreign - len(output)); err != nil {
			return nil, err
		}
		frame, rest, err := replyIn(output, sent.Nonce, tell)
		output = rest
		if err == nil {
			return decodeReply(frame, n)
		}
		if !errors.Is(err, errShort) {
			return nil, fmt.Errorf("reply: %w", err)
		}
		wanted = enough(output, sent.Nonce)
	}
}

// maxNoise bounds what a host may say beside its reply, in bytes, errors included: profiles and drivers say a few lines.
const maxNoise = 1 << 20

// ignore counts output that is no part of a reply, and gives a host up that has nothing else to say.
func (s *Session) ignore(n int) error {
	if s.noise += n; s.noise > maxNoise {
		return fmt.Errorf("%w: no reply in %d bytes of output", ErrFrame, s.noise)
	}
	return nil
}

// fromNonce drops what cannot be the reply: what stands before the nonce, or before what may be the beginning of it.
func fromNonce(output []byte, nonce [NonceSize]byte) []byte {
	at := bytes.Index(output, nonce[:])
	if at < 0 {
		at = max(0, len(output)-(NonceSize-1))
	}
	n := copy(output, output[at:])
	clear(output[n:])
	return output[:n]
}

// sendError asks once whether the process has ended, which tells more than a failed write to it does.
func (s *Session) sendError(ctx context.Context, err error, blobs [][]byte) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, e := s.receive(ctx); e == nil && s.done {
		return doing{"send request", s.exitError(blobs)}
	}
	return doing{"send request", err}
}

// enough is how long the output must be before it is worth another look. A reply of many megabytes comes in small
// parts.
func enough(output []byte, nonce [NonceSize]byte) int {
	at := bytes.Index(output, nonce[:])
	if at < 0 {
		return 0
	}
	_, total, err := head(output[at:])
	if err != nil {
		return 0
	}
	return at + total
}

func (s *Session) receive(ctx context.Context) ([]byte, error) {
	out, err := s.pipe.Receive(ctx)
	if err != nil {
		return nil, err
	}
	s.stderr.add(out.Stderr)
	s.noise += len(out.Stderr)
	if out.Done {
		s.done, s.exit = true, out.ExitCode
	}
	return out.Stdout, nil
}
