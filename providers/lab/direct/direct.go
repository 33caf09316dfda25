// Package direct is the client's end of a host in memory: what package winrm is to a wire, without one.
//
// It asks for the same things in the same order (connect, make a shell, start, send, receive, terminate, delete the shell),
// and what goes wrong becomes the same errors: a caller cannot tell the two apart by what it may conclude. It waits with
// timers and channels only, so it runs on a virtual clock.
package direct

import (
	"context"
	"errors"
	"time"

	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/winhost"
	"meshrotate/providers/winrm"
)

// What winrm.Config has for zeroes, in sum.
const (
	patience    = 35 * time.Second // for one answer
	deletesWith = 10 * time.Second
	signalsWith = deletesWith / 2
)

// An operation is one kind of request: its name for people, and whether a command may have taken effect when it fails.
type operation struct {
	name string
	ran  bool
}

// Shell is a shell on a host, as live.Shell wants one. It is not safe for concurrent use.
type Shell struct {
	host    string
	end     *wsman.Direct
	idle    time.Duration
	command string // the last, "" when there was none
	broken  error  // an outcome became unknown: only Close is left
	closed  bool
}

// Open connects and makes a shell that may be idle for so long. Host names it in errors.
func Open(ctx context.Context, host string, end *wsman.Direct, idle time.Duration) (*Shell, error) {
	s := &Shell{host: host, end: end, idle: idle}
	if err := s.do(ctx, operation{name: "connect"}, end.Connect); err != nil {
		return nil, err
	}
	err := s.create(ctx)
	var f *winrm.Fault
	if err == nil {
		return s, nil
	}
	if !errors.As(err, &f) || !refuses(f.Code) {
		_ = s.Close(context.WithoutCancel(ctx)) // the shell may be there all the same
	}
	return nil, err
}

func (s *Shell) create(ctx context.Context) error {
	return s.do(ctx, operation{name: "create a shell"}, func(ctx context.Context) error { return s.end.Create(ctx, s.idle) })
}

// Start runs a command line. A shell that is used up or gone is replaced, once: the command was not run.
func (s *Shell) Start(ctx context.Context, commandLine string) (winhost.Pipe, error) {
	for renewed := false; ; renewed = true {
		var id string
		err := s.do(ctx, operation{"start a command", true}, func(ctx context.Context) (err error) {
			id, err = s.end.Command(ctx, commandLine)
			return err
		})
		if err == nil {
			s.command = id
			return &pipe{s, id}, nil
		}
		var f *winrm.Fault
		if renewed || !errors.As(err, &f) || f.Code != codeOperationsQuota && f.Code != codeInvalidSelectors {
			return nil, err
		}
		if err := s.delete(ctx); err != nil && !errors.As(err, &f) {
			return nil, err
		}
		if err := s.create(ctx); err != nil {
			return nil, err
		}
	}
}

// Close ends whatever still runs in the shell, and deletes it.
func (s *Shell) Close(ctx context.Context) error {
	if s.closed {
		return nil
	}
	s.closed = true
	ctx, cancel := context.WithTimeout(ctx, deletesWith)
	defer cancel()
	s.terminate(ctx)
	err := s.delete(ctx)
	var e *winrm.Error
	if errors.As(err, &e) && e.Class == winrm.Unreachable && ctx.Err() == nil {
		err = s.delete(ctx) // deleting twice does no harm
	}
	var f *winrm.Fault
	if errors.As(err, &f) && f.Code == codeInvalidSelectors {
		return nil // it is gone already
	}
	return err
}

func (s *Shell) terminate(ctx context.Context) {
	if s.command == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, signalsWith)
	defer cancel()
	_ = s.do(ctx, operation{name: "terminate a command"}, func(ctx context.Context) error { return s.end.Terminate(ctx, s.command) })
}

func (s *Shell) delete(ctx context.Context) error {
	return s.do(ctx, operation{name: "delete the shell"}, s.end.Delete)
}

// do is one request. An error that leaves it open what a command did ends the session.
func (s *Shell) do(ctx context.Context, op operation, ask func(context.Context) error) error {
	if s.broken != nil && op.ran {
		return s.broken
	}
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := ask(limited)
	if err == nil {
		return nil
	}
	e := s.explain(ctx, op, err)
	var f *winrm.Fault
	if op.ran && !errors.As(e, &f) {
		s.broken = e
	}
	return e
}

// pipe is a command in a shell.
type pipe struct {
	shell *Shell
	id    string
}

func (p *pipe) Send(ctx context.Context, b []byte, end bool) error {
	return p.shell.do(ctx, operation{"send its input", true}, func(ctx context.Context) error {
		return p.shell.end.Send(ctx, p.id, b, end)
	})
}

// Receive waits until there is output, however often the host has to be asked for it.
func (p *pipe) Receive(ctx context.Context) (winhost.Output, error) {
	for {
		var out winhost.Output
		err := p.shell.do(ctx, operation{"receive its output", true}, func(ctx context.Context) (err error) {
			out.Stdout, out.Stderr, out.Done, out.ExitCode, err = p.shell.end.Receive(ctx, p.id)
			return err
		})
		if err != nil || len(out.Stdout) > 0 || len(out.Stderr) > 0 || out.Done {
			return out, err
		}
	}
}
