package winrm

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// emptyPause is the least time between two Receives that bring nothing. A healthy host holds a Receive back until
// there is output; one that answers at once must not make this a hot loop.
const emptyPause = 100 * time.Millisecond

// Output is what one Receive brought. UTF-8 may be split between two of them.
type Output struct {
	Stdout, Stderr []byte
	Done           bool   // the process has ended; ExitCode counts
	ExitCode       uint32 // 0 as long as Done is false, which says nothing
}

func (o Output) empty() bool { return len(o.Stdout) == 0 && len(o.Stderr) == 0 && !o.Done }

// Process is a command that was started. Like its Session it is not safe for concurrent use.
type Process struct {
	session *Session
	id      string
	early   Output // received while sending
	done    bool
}

// Send writes b to the standard input, in as many messages as the envelope size asks for, and ends the input when end
// is true. Nothing reaches the process twice. An error means that it is unknown how much arrived.
//
// Sends and Receives take turns on one connection, so a process that writes a lot (Windows holds about 256 KB) before
// it has read its input waits forever.
func (p *Process) Send(ctx context.Context, b []byte, end bool) error {
	for first := true; first || len(b) > 0; first = false {
		n := min(len(b), p.session.cfg.chunk())
		last := n == len(b)
		if last && n == 0 && !end {
			return nil
		}
		op := opSend
		if last && end {
			op = opSendEnd
		}
		v := p.values()
		v.data = b[:n]
		if _, err := p.session.exchange(ctx, op, &v); err != nil {
			if err := p.afterSend(ctx, err, last); err != nil {
				return err
			}
		}
		b = b[n:]
	}
	return nil
}

// afterSend decides after a Send that failed. When the host was busy or slow the bytes may have arrived, so they are
// not sent again; one Receive, as long as the operation timeout, shows whether the process goes on. TimedOut means that
// they are written all the same. After the other codes only the process's own answer to its whole input can tell.
func (p *Process) afterSend(ctx context.Context, sendErr error, last bool) error {
	var f *Fault
	if !errors.As(sendErr, &f) {
		return sendErr
	}
	switch f.Code {
	case codeTimedOut, codeWaitTimeout, codeBusy:
	default:
		return sendErr
	}
	out, err := p.poll(ctx)
	if err != nil || out.empty() {
		return sendErr
	}
	p.early.Stdout = append(p.early.Stdout, out.Stdout...)
	p.early.Stderr = append(p.early.Stderr, out.Stderr...)
	p.early.Done, p.early.ExitCode = out.Done, out.ExitCode
	if !last && f.Code != codeTimedOut {
		return sendErr
	}
	return nil
}

// Receive waits until there is output or the process has ended, and polls as often as that takes, until ctx ends. An
// error means that the outcome of the command is unknown.
func (p *Process) Receive(ctx context.Context) (Output, error) {
	if out := p.early; !out.empty() {
		p.early = Output{}
		return out, nil
	}
	if p.done {
		return Output{}, p.session.fail(opReceive, Refused, errors.New("the process has ended and all its output was received"))
	}
	for {
		asked := p.session.cfg.Now()
		out, err := p.poll(ctx)
		if err != nil || !out.empty() {
			return out, err
		}
		if p.session.cfg.Now().Sub(asked) < emptyPause {
			if err := p.session.cfg.Sleep(ctx, emptyPause); err != nil {
				return Output{}, p.session.lost(ctx, opReceive, err)
			}
		}
	}
}

// poll is one Receive. An operation that timed out on the host brings nothing, which is no error.
func (p *Process) poll(ctx context.Context) (Output, error) {
	v := p.values()
	r, err := p.session.exchange(ctx, opReceive, &v)
	var f *Fault
	if errors.As(err, &f) && f.Code == codeTimedOut {
		return Output{}, nil
	}
	if err != nil {
		return Output{}, err
	}
	return p.received(r)
}

// received is what a Receive brought. It is no part of poll, which waits: what that has on its stack, ten thousand have.
func (p *Process) received(r *reply) (Output, error) {
	out, err := r.output(p.id)
	if err != nil {
		return Output{}, p.session.settle(opReceive, p.session.fail(opReceive, Protocol, err))
	}
	p.done = out.Done
	return out, nil
}

func (p *Process) values() values {
	v := p.session.values
	v.command = p.id
	return v
}

// checked is the command line that was last found right: a fleet is given the same one, ten thousand times.
var checked atomic.Pointer[string]

func checkCommandLine(line string) error {
	if last := checked.Load(); last != nil && *last == line {
		return nil
	}
	if line == "" {
		return errors.New("the command line is empty")
	}
	if !utf8.ValidString(line) {
		return errors.New("the command line is not UTF-8")
	}
	for _, r := range line {
		if r < ' ' || r == 0x7f || r == 0xfffe || r == 0xffff {
			return fmt.Errorf("the command line holds the character %U, which cannot be sent", r)
		}
	}
	n := 0
	for _, r := range line {
		n += utf16.RuneLen(r)
	}
	if n > maxCommandLine {
		return fmt.Errorf("the command line has %d characters, more than %d", n, maxCommandLine)
	}
	right := line // a copy: no other line is to be on the heap for it
	checked.Store(&right)
	return nil
}
