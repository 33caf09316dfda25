package machine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf16"

	"meshrotate/providers/winhost"
)

// Tool is a program of the machine that takes secrets. It ends when the context does.
type Tool func(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) uint32

// SetTool puts the program at a path; nil removes it.
func (m *Machine) SetTool(path string, t Tool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tools == nil {
		m.tools = map[string]Tool{}
	}
	m.tools[strings.ToLower(path)] = t
}

// Tool is the program at a path, nil when there is none.
func (m *Machine) Tool(path string) Tool {
	path = strings.ToLower(m.Expand(path))
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tools[path]
}

func yesOrNo(is bool) winhost.Answer {
	if is {
		return winhost.Yes
	}
	return winhost.No
}

// invoke is Invoke-Program of the script. Process auditing sees every argument.
func (m *Machine) invoke(ctx context.Context, program string, args []string, in []byte, seconds int) (output string, exit uint32, ended bool) {
	if m.AuditsCommandLines {
		m.record("4688", fmt.Sprintf("%q %q", program, args))
	}
	ctx, cancel := context.WithTimeout(ctx, limit(seconds))
	defer cancel()
	var out bytes.Buffer
	exit = m.Tool(program)(ctx, args, bytes.NewReader(in), &out)
	return out.String(), exit, ctx.Err() == nil
}

// units counts as .NET does.
func units(s string) int { return len(utf16.Encode([]rune(s))) }

func (m *Machine) secretsLook(ctx context.Context, o *winhost.SecretsLook) winhost.Result {
	s := &winhost.Secrets{Exists: m.Tool(o.Program) != nil}
	r := winhost.Result{Code: winhost.OK, Secrets: s}
	if !s.Exists {
		return r
	}
	s.CommandLines, s.Sysmon = yesOrNo(m.AuditsCommandLines), yesOrNo(m.Sysmon)
	help, exit, ended := m.invoke(ctx, o.Program, []string{"--help"}, nil, o.TimeoutSeconds)
	if ended {
		s.Exit, s.Output, s.Stdin = exit, units(help), yesOrNo(strings.Contains(help, "--stdin"))
	}
	return r
}

func (m *Machine) secretsSet(ctx context.Context, o *winhost.SecretsSet) winhost.Result {
	if m.Tool(o.Program) == nil {
		return failure(ErrFileNotFound, "no such program")
	}
	args, in := []string{"set", o.Ref, "--stdin"}, o.Value.Expose()
	if o.Argument {
		args, in = []string{"set", o.Ref, string(in)}, nil
	}
	return ran(m.invoke(ctx, o.Program, args, in, o.TimeoutSeconds))
}

func ran(output string, exit uint32, ended bool) winhost.Result {
	if !ended {
		return winhost.Result{Code: winhost.Timeout, Message: "the program did not end in time, and was ended"}
	}
	r := winhost.Result{Code: winhost.OK, Secrets: &winhost.Secrets{Exists: true, Exit: exit, Output: units(output)}}
	if exit != 0 {
		r.Code, r.Message = winhost.Failed, fmt.Sprintf("the program ended with exit code %d", exit)
	}
	return r
}

// lists are what programs listed, during one request.
type lists map[string]listed

type listed struct {
	output string
	exit   uint32
	ended  bool
}

func (m *Machine) secretsList(ctx context.Context, o *winhost.SecretsList, known lists) winhost.Result {
	if m.Tool(o.Program) == nil {
		return failure(ErrFileNotFound, "no such program")
	}
	l, ok := known[o.Program]
	if !ok {
		l.output, l.exit, l.ended = m.invoke(ctx, o.Program, []string{"list"}, nil, o.TimeoutSeconds)
		known[o.Program] = l
	}
	r := ran(l.output, l.exit, l.ended)
	if r.Secrets != nil {
		r.Secrets.Listed = yesOrNo(regexp.MustCompile(`(^|\s)` + regexp.QuoteMeta(o.Ref) + `(\s|$)`).MatchString(l.output))
	}
	return r
}
