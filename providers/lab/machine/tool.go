package machine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"regexp"
	"strings"
	"unicode/utf16"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/winhost"
)

// Tool is a program of the machine that takes secrets. It ends when the context does.
type Tool func(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) uint32

// placed is a program, nil when there is none, with its path as it is written.
type placed struct {
	path string
	Tool
}

// SetTool puts the program at a path; nil removes it.
func (m *Machine) SetTool(path string, t Tool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tools == nil {
		m.tools = map[string]placed{}
	}
	m.tools[strings.ToLower(path)] = placed{path, t}
}

// Tool is the program at a path, nil when there is none.
func (m *Machine) Tool(path string) Tool {
	path = strings.ToLower(m.Expand(path))
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tools[path].Tool
}

// ToolAt is the program whose path is meant, nil when there is none.
func (m *Machine) ToolAt(is func(path string) bool) Tool {
	m.mu.Lock()
	tools := maps.Clone(m.tools)
	m.mu.Unlock()
	for _, t := range tools {
		if is(t.path) {
			return t.Tool
		}
	}
	return nil
}

// Tools are the paths of all programs, and whether they are there.
func (m *Machine) Tools() map[string]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[string]bool{}
	for _, t := range m.tools {
		all[t.path] = t.Tool != nil
	}
	return all
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
	s.Left = len(m.valueFiles(o.Program))
	s.CommandLines, s.Sysmon = yesOrNo(m.AuditsCommandLines), yesOrNo(m.Sysmon)
	help, exit, ended := m.invoke(ctx, o.Program, []string{"--help"}, nil, o.TimeoutSeconds)
	if ended {
		s.Exit, s.Output, s.Stdin, s.File = exit, units(help), yesOrNo(strings.Contains(help, "--stdin")), yesOrNo(strings.Contains(help, "--value-file"))
	}
	return r
}

func (m *Machine) secretsSet(ctx context.Context, o *winhost.SecretsSet) winhost.Result {
	if m.Tool(o.Program) == nil {
		return failure(ErrFileNotFound, "no such program")
	}
	for _, left := range m.valueFiles(o.Program) {
		if err := m.FS.Remove(left); err != nil {
			return failed(err, "cannot delete a file that was left")
		}
	}
	args, in := []string{"set", o.Ref, "--stdin"}, o.Value.Expose()
	switch {
	case o.File:
		return m.setByFile(ctx, o)
	case o.Argument:
		args, in = []string{"set", o.Ref, string(in)}, nil
	}
	return ran(m.invoke(ctx, o.Program, args, in, o.TimeoutSeconds))
}

const valueSuffix = ".meshrotate-value-"

// valueFiles are those beside the program.
func (m *Machine) valueFiles(program string) (all []string) {
	folder, name := appsettings.Split(m.Expand(program))
	for _, n := range m.FS.Names(folder) {
		if strings.HasPrefix(strings.ToLower(n), strings.ToLower(name)+valueSuffix) {
			all = append(all, folder+`\`+n)
		}
	}
	return all
}

// setByFile leaves the file behind when its process is ended.
func (m *Machine) setByFile(ctx context.Context, o *winhost.SecretsSet) winhost.Result {
	m.mu.Lock()
	m.valued++
	n := m.valued
	m.mu.Unlock()
	file := fmt.Sprintf("%s%s%d", m.Expand(o.Program), valueSuffix, n)
	if err := m.FS.Create(file, o.Value.Expose(), Private); err != nil {
		return failed(err, "cannot write the file with the value")
	}
	r := ran(m.invoke(ctx, o.Program, []string{"set", o.Ref, "--value-file", file}, nil, o.TimeoutSeconds))
	if ctx.Err() != nil {
		return r
	}
	if err := m.FS.Remove(file); err != nil {
		return failed(err, "cannot delete the file with the value")
	}
	return r
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
