package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"meshrotate/providers/lab/machine"
)

// channel answers what a process of the host script asks about the machine: one question a connection, on a Unix
// socket in a folder that only this user can enter. A question is a word and its arguments, with a zero byte between
// them, until the end of input. The answer is a Windows error number, 0 for none, and then its fields, likewise.
type channel struct {
	machine *machine.Machine
	kill    func() // kills the process
	started func() // the process runs
	stored  func() // tells the machine which certificates its stores have got

	listener net.Listener
	done     chan struct{}
	programs sync.WaitGroup
}

func (c *channel) open(ctx context.Context, path string) error {
	ln, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("the lab's channel: %w", err)
	}
	c.listener, c.done = ln, make(chan struct{})
	go func() {
		defer close(c.done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			if question, ok := hear(ctx, conn); !ok {
				_ = conn.Close()
			} else if question[0] == plays { // others are asked while it runs
				c.programs.Go(func() { defer func() { _ = conn.Close() }(); c.plays(ctx, conn, question[1:]) })
			} else {
				c.serve(ctx, conn, question)
			}
		}
	}()
	return nil
}

// close ends the channel. The process must have ended: it would wait for an answer.
func (c *channel) close() {
	_ = c.listener.Close()
	<-c.done
	c.programs.Wait()
}

// hear reads a question. Nobody waits for one whose process was killed.
func hear(ctx context.Context, conn net.Conn) ([]string, bool) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	b, err := io.ReadAll(io.LimitReader(conn, 1<<16))
	return strings.Split(string(b), "\x00"), err == nil
}

func (c *channel) serve(ctx context.Context, conn net.Conn, question []string) {
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	fields, err := c.answer(ctx, question[0], append(question[1:], "", "", "")[:3])
	if ctx.Err() != nil {
		return // killed: it gets no answer
	}
	number := machine.Errno(0)
	if err != nil && !errors.As(err, &number) {
		number = 31 // ERROR_GEN_FAILURE
	}
	_, _ = io.WriteString(conn, strings.Join(append([]string{strconv.Itoa(int(number))}, fields...), "\x00"))
}

func (c *channel) answer(ctx context.Context, word string, args []string) ([]string, error) {
	m, name := c.machine, args[0]
	switch word {
	case "started":
		c.started()
		return nil, nil
	case "path":
		return c.path(name), nil
	case "expand":
		return []string{m.Expand(name)}, nil
	case "plays":
		if m.HasScript(c.means(name)) {
			return []string{"yes"}, nil
		}
		return []string{"no"}, nil
	case "identity":
		guid, installed := m.Whose()
		return []string{guid, m.Domain, fmt.Sprint(ticks(installed)), m.Name}, nil
	case "environment":
		env, ok := m.Environment(name)
		if !ok {
			return nil, machine.ErrNoService
		}
		return pairs(env), nil
	case "set-variable":
		m.SetEnvironment(name, args[1])
		return nil, nil
	case "wrapped":
		if w := m.Wrapped(name); w != nil && !w.ByFile {
			return append([]string{w.Line, w.Folder}, pairs(w.Environment)...), nil
		}
		return nil, nil
	case "user-environment":
		return pairs(m.AccountEnvironment(name)), nil
	case "boot":
		booted, changed := m.Since()
		return []string{fmt.Sprint(ticks(booted)), fmt.Sprint(ticks(changed))}, nil
	case "status":
		s := m.Service(name)
		if !s.Installed {
			return nil, nil
		}
		return []string{string(s.State), fmt.Sprint(s.PID), fmt.Sprint(s.ExitCode), fmt.Sprint(ticks(s.StartedAt))}, nil
	case "config":
		line, account := m.Registered(name)
		return []string{account, m.Service(name).StartMode, line}, nil
	case "dependents":
		order := slices.Clone(m.Service(name).Dependents) // as they are to be started
		slices.Reverse(order)
		return order, nil
	case "try-service":
		return []string{fmt.Sprint(uint32(m.TryService(name)))}, nil
	case "start":
		return nil, c.around(ctx, "service.start", name, m.Start)
	case "stop":
		return nil, c.around(ctx, "service.stop", name, m.Stop)
	case "logon":
		l, err := m.LogonOf(name, args[1])
		return []string{string(l.Exists), string(l.Right), string(l.Locked), string(l.Configured), string(l.Running), fmt.Sprint(ticks(l.PasswordSet))}, err
	case "log-on":
		return nil, m.LogOn(name, args[1])
	case "set-logon":
		return nil, c.around(ctx, "service.logon", name, func(name string) error { return m.SetLogon(name, args[1], args[2]) })
	case "signature":
		return signature(name)
	case "point":
		return nil, c.point(ctx, "file.swap", name, machine.When(args[1]))
	}
	return nil, errors.New("the script asks for " + word)
}

// signature is what the lab's Windows makes of a file of this machine: its answer, and five fields for each signer.
func signature(file string) ([]string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	trust, signers := machine.Signature(content)
	fields := []string{fmt.Sprint(trust)}
	for _, s := range signers {
		fields = append(fields, s.SHA1, s.SHA256, s.Subject, fmt.Sprint(ticks(s.NotAfter)), fmt.Sprint(s.Stamped))
	}
	return fields, nil
}

// ticks is how .NET counts time, in 100 ns; these are counted from 1970. A time that is not known is the beginning.
func ticks(t time.Time) int64 { return max(t.UnixNano()/100, 0) }

func pairs(env map[string]string) []string {
	var fields []string
	for k, v := range env {
		fields = append(fields, k, v)
	}
	return fields
}

// path is where a file of the machine is on this one. A path that is not absolute stays as it is: the script has its
// own answer to that.
func (c *channel) path(path string) []string {
	path = c.machine.Expand(path)
	if d, ok := c.machine.FS.(disk); ok && len(path) > 2 && path[1] == ':' {
		path = d.Local(path)
	}
	return []string{path}
}

// around does something to a service between two points where a fault may strike.
func (c *channel) around(ctx context.Context, op, service string, do func(string) error) error {
	if err := c.point(ctx, op, service, machine.Before); err != nil {
		return err
	}
	if err := do(service); err != nil {
		return err
	}
	return c.point(ctx, op, service, machine.After)
}

// point lets a fault strike. A process that it killed has no more effect.
func (c *channel) point(ctx context.Context, op, object string, when machine.When) error {
	if fail := strike(ctx, c.machine, machine.Point{Op: op, Object: object, When: when}, c.kill); fail != 0 {
		return fail
	}
	return ctx.Err()
}
