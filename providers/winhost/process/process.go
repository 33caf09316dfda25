// Package process runs the host's side of a winhost session on this machine: a function of Go that behaves like a
// Windows host, or a real PowerShell as a child.
package process

import (
	"bytes"
	"context"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"

	"meshrotate/providers/winhost"
)

// Func is a process: it reads stdin to its end, and returns its exit code. It is a winhost.Starter.
type Func func(ctx context.Context, commandLine string, stdin io.Reader, stdout, stderr io.Writer) uint32

// Start runs the process in a goroutine of its own, until its input ends or is broken off. The context given here
// bounds nothing.
func (f Func) Start(_ context.Context, commandLine string) (winhost.Pipe, error) {
	ctx, cancel := context.WithCancel(context.Background())
	in, feed := io.Pipe()
	p := &pipe{feed: feed, cancel: cancel, news: make(chan struct{}, 1)}
	go func() {
		code := f(ctx, commandLine, in, writer{p, false}, writer{p, true})
		_ = in.Close()
		p.add(func() { p.done, p.exit = true, code })
	}()
	return p, nil
}

// Exec starts a program of this machine in place of the command line's own; args makes its arguments from the command
// line. Env is added to the environment.
func Exec(program string, args func(commandLine string) []string, env ...string) Func {
	return func(ctx context.Context, commandLine string, stdin io.Reader, stdout, stderr io.Writer) uint32 {
		cmd := exec.CommandContext(ctx, program, args(commandLine)...)
		cmd.Env = append(cmd.Environ(), env...)
		cmd.Stdout, cmd.Stderr = stdout, stderr
		cmd.WaitDelay = 5 * time.Second // for a child of the child that keeps the output open
		feed, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			_, _ = io.WriteString(stderr, err.Error())
			return 127
		}
		go func() {
			_, _ = io.Copy(feed, stdin) // ends with the process or with its input
			_ = feed.Close()
		}()
		_ = cmd.Wait()
		return uint32(cmd.ProcessState.ExitCode())
	}
}

// PowerShell starts a PowerShell of this machine in place of the command line's own. Prelude runs before the bootstrap,
// in its scope: there a test or a lab sets aliases that take the place of the script's functions. The script itself
// stays as it is. Env is added to the environment.
func PowerShell(program, prelude string, env ...string) Func {
	return Exec(program, func(commandLine string) []string {
		args := strings.Fields(commandLine)[1:]
		if prelude != "" && len(args) > 0 {
			args[len(args)-1] = winhost.EncodedCommand(prelude + "\n" + winhost.Bootstrap())
		}
		return args
	}, env...)
}

// pipe is the winhost.Pipe to such a process.
type pipe struct {
	feed   *io.PipeWriter
	cancel context.CancelFunc
	news   chan struct{}

	mu   sync.Mutex
	out  bytes.Buffer
	err  bytes.Buffer
	done bool
	exit uint32
}

type writer struct {
	p      *pipe
	stderr bool
}

func (w writer) Write(b []byte) (int, error) {
	w.p.add(func() {
		if w.stderr {
			w.p.err.Write(b)
		} else {
			w.p.out.Write(b)
		}
	})
	return len(b), nil
}

func (p *pipe) add(change func()) {
	p.mu.Lock()
	change()
	p.mu.Unlock()
	select {
	case p.news <- struct{}{}:
	default:
	}
}

func (p *pipe) Send(ctx context.Context, b []byte, end bool) error {
	stop := context.AfterFunc(ctx, func() { p.kill(ctx.Err()) })
	defer stop()
	if _, err := p.feed.Write(b); err != nil {
		return err
	}
	if end {
		return p.feed.Close()
	}
	return nil
}

func (p *pipe) Receive(ctx context.Context) (winhost.Output, error) {
	for {
		p.mu.Lock()
		out := winhost.Output{Stdout: bytes.Clone(p.out.Bytes()), Stderr: bytes.Clone(p.err.Bytes()), Done: p.done, ExitCode: p.exit}
		p.out.Reset()
		p.err.Reset()
		p.mu.Unlock()
		if out.Done || len(out.Stdout) > 0 || len(out.Stderr) > 0 {
			return out, nil
		}
		select {
		case <-p.news:
		case <-ctx.Done():
			p.kill(ctx.Err())
			return winhost.Output{}, ctx.Err()
		}
	}
}

// kill ends the process, as a lost connection would in the end.
func (p *pipe) kill(err error) {
	p.cancel()
	_ = p.feed.CloseWithError(err)
}
