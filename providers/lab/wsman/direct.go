package wsman

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Direct is a client's end of a server without a wire between them: the shells, commands, quotas, events and faults
// are the server's own, and there is no HTTP, no XML and no login. The server need not Serve. It is for tests that run
// thousands of worlds on a virtual clock; what only a wire shows is for the others. A Direct takes one request at a
// time.
type Direct struct {
	// Name is told with every event. Set it before the first request.
	Name string
	// Number tells the client's ends apart, likewise.
	Number int

	s     *Server
	user  string
	life  context.Context
	shell string // as this end has named it
	done  bool   // the last Receive brought the end of a command
}

// Errors of a Direct, beside those of the contexts and those that have a Code.
var (
	// ErrLost is a connection that ended without an answer.
	ErrLost = io.ErrUnexpectedEOF
	// ErrAnswer is an answer that must not be believed: in the clear, badly signed, to another message, incomplete.
	ErrAnswer = errors.New("the answer is not one that this host should give")
)

// StatusError is an answer of HTTP alone.
type StatusError struct{ Status int }

func (e *StatusError) Error() string { return fmt.Sprintf("HTTP %d", e.Status) }

// Code is the WSManFault code of an error, 0 for an error that is none.
func Code(err error) uint32 {
	var f *fault
	if errors.As(err, &f) {
		return f.code
	}
	return 0
}

// Direct returns an end that has not asked for anything. It lives as long as life: then it is like the end of a process
// that was killed. What it asked for goes on, nothing more is asked, and no shell is deleted.
func (s *Server) Direct(life context.Context, user string) *Direct {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prepare()
	return &Direct{s: s, user: user, life: life}
}

// Connect is the event of a new connection.
func (d *Direct) Connect(ctx context.Context) error {
	return d.ask(ctx, Event{Action: Connect}, func(patience) error {
		if d.s.isClosed() {
			return errGone
		}
		return nil
	})
}

// Create makes the shell.
func (d *Direct) Create(ctx context.Context, idle time.Duration) error {
	d.shell = newID()
	return d.ask(ctx, Event{Action: Create, User: d.user}, func(patience) error {
		_, err := d.s.open(d.user, d.shell, idle, 65001)
		return err
	})
}

// Command starts a command line in the shell.
func (d *Direct) Command(ctx context.Context, line string) (id string, err error) {
	err = d.ask(ctx, Event{Action: Command, User: d.user, CommandLine: line}, d.in(func(sh *shell, _ patience) error {
		p, err := d.s.launch(sh, line, false)
		if err == nil {
			id = p.id
		}
		return err
	}))
	return id, err
}

// Send gives a command input.
func (d *Direct) Send(ctx context.Context, id string, b []byte, end bool) error {
	return d.ask(ctx, d.event(Send, id), d.in(func(sh *shell, w patience) error {
		p, err := d.s.command(sh, id)
		if err != nil {
			return err
		}
		return p.send(b, end, w)
	}))
}

// Receive waits for output of a command, and for its end. It may bring nothing when the host has waited long enough.
func (d *Direct) Receive(ctx context.Context, id string) (stdout, stderr []byte, done bool, exit uint32, err error) {
	var r received
	err = d.ask(ctx, d.event(Receive, id), d.in(func(sh *shell, w patience) error {
		p, err := d.s.command(sh, id)
		if err == nil {
			r, err = p.receive([2]bool{true, true}, d.s.Limits.EnvelopeSize, w)
		}
		d.done = r.done
		if Code(err) == codeTimedOut {
			return nil
		}
		return err
	}))
	if err != nil {
		return nil, nil, false, 0, err
	}
	return r.out[0], r.out[1], r.done, r.exit, nil
}

// Terminate ends a command, or says that nobody asks any more for one that has ended.
func (d *Direct) Terminate(ctx context.Context, id string) error {
	return d.ask(ctx, d.event(Signal, id), d.in(func(sh *shell, _ patience) error { return d.s.terminate(sh, id) }))
}

// Delete ends the shell and what runs in it.
func (d *Direct) Delete(ctx context.Context) error {
	return d.ask(ctx, Event{Action: Delete, User: d.user}, d.in(func(sh *shell, _ patience) error {
		d.s.remove(sh)
		return nil
	}))
}

func (d *Direct) event(a Action, id string) Event {
	e := Event{Action: a, User: d.user}
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	if sh := d.s.shells[d.shell]; sh != nil && sh.commands[id] != nil {
		e.CommandLine = sh.commands[id].line
	}
	return e
}

// in does something in the shell.
func (d *Direct) in(do func(*shell, patience) error) func(patience) error {
	return func(w patience) error {
		sh, err := d.s.enter(d.shell, d.user)
		if err != nil {
			return err
		}
		defer d.s.leave(sh)
		return do(sh, w)
	}
}

// operation is how long a client lets the host hold back an answer.
const operation = 20 * time.Second

// ask is one request, with the faults around it.
func (d *Direct) ask(ctx context.Context, e Event, do func(patience) error) error {
	if ctx.Err() != nil || d.life.Err() != nil {
		return d.over(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.life, cancel)()
	d.done = false
	d.s.requests.Add(1)
	e.Client, e.Connection = d.Name, d.Number
	f := d.s.happen(e)
	if f.Delay > 0 {
		d.wait(ctx, time.After(f.Delay))
	}
	if err := d.before(ctx, f); err != nil {
		return err
	}
	err := do(patience{timeout: operation, gather: -1, quit: d.s.quit,
		watch: func() (<-chan struct{}, func()) { return ctx.Done(), func() {} }})
	if errors.Is(err, errGone) {
		return d.over(ctx)
	}
	if after := d.after(ctx, f); after != nil {
		return after
	}
	return err
}

// before is what goes wrong before the effect. A hook that kills the client and lets the request be has killed it
// before it was sent.
func (d *Direct) before(ctx context.Context, f Fault) error {
	switch f.Kind {
	case Refuse, CutBefore:
		return ErrLost
	case Hang:
		d.wait(ctx, nil)
		return d.over(ctx)
	case Status:
		return &StatusError{f.Status}
	case WSManFault:
		return &fault{code: f.Code, text: "injected by the lab"}
	case CutAfter, CutMid, HangAfter, WSManFaultAfter:
		return nil
	}
	if ctx.Err() != nil || d.life.Err() != nil {
		return d.over(ctx)
	}
	return nil
}

// after is what goes wrong with the answer.
func (d *Direct) after(ctx context.Context, f Fault) error {
	switch f.Kind {
	case CutAfter, CutMid:
		return ErrLost
	case HangAfter:
		d.wait(ctx, nil)
		return d.over(ctx)
	case WSManFaultAfter:
		return &fault{code: f.Code, text: "injected by the lab"}
	case ClearText, BadSignature, WrongRelatesTo:
		return ErrAnswer
	case DoneWithoutExitCode:
		if d.done {
			return ErrAnswer
		}
	}
	return nil
}

// wait waits for a time, the context or the end of the server.
func (d *Direct) wait(ctx context.Context, until <-chan time.Time) {
	select {
	case <-until:
	case <-ctx.Done():
	case <-d.s.quit:
	}
}

// over is why a request was given up: the caller's reason, unless the connection is gone.
func (d *Direct) over(ctx context.Context) error {
	if err := ctx.Err(); err != nil && d.life.Err() == nil {
		return err
	}
	return ErrLost
}
