package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"meshrotate/providers/pfx"
	"meshrotate/providers/winhost"
)

const errPassword, errData = Errno(86), Errno(13) // ERROR_INVALID_PASSWORD, ERROR_INVALID_DATA

// Script is what a script of the machine does, with the machine's environment and what is added to it. It ends when the context
// does.
type Script func(ctx context.Context, env map[string]string, stdout io.Writer) uint32

// SetScript lets a file of the disk be a script; nil lets it be none.
func (m *Machine) SetScript(path string, s Script) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.programs == nil {
		m.programs = map[string]Script{}
	}
	m.programs[strings.ToLower(path)] = s
}

// RunScript runs the script whose path is meant, with the machine's environment and what is added to it. It says whether there is one.
func (m *Machine) RunScript(ctx context.Context, is func(path string) bool, env map[string]string, out io.Writer) (exit uint32, ok bool) {
	m.mu.Lock()
	all := m.machine
	scripts := maps.Clone(m.programs)
	m.mu.Unlock()
	for k, v := range env {
		all = with(all, k, v)
	}
	for path, script := range scripts {
		if script == nil || !is(path) {
			continue
		}
		m.builds.Lock()
		defer m.builds.Unlock()
		return script(ctx, all, out), true
	}
	return 0, false
}

// HasScript says whether there is a script whose path is meant.
func (m *Machine) HasScript(is func(path string) bool) bool {
	m.mu.Lock()
	scripts := maps.Clone(m.programs)
	m.mu.Unlock()
	for path, script := range scripts {
		if script != nil && is(path) {
			return true
		}
	}
	return false
}

// Certificates are those of a store, by their thumbprints.
func (m *Machine) Certificates(store string) []winhost.StoredCertificate {
	m.mu.Lock()
	defer m.mu.Unlock()
	of := m.stores[strings.ToLower(store)]
	all := []winhost.StoredCertificate{}
	for _, sha1 := range slices.Sorted(maps.Keys(of)) {
		all = append(all, of[sha1])
	}
	return all
}

// Store puts a certificate into a store.
func (m *Machine) Store(store string, c winhost.StoredCertificate) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stores == nil {
		m.stores = map[string]map[string]winhost.StoredCertificate{}
	}
	if m.stores[strings.ToLower(store)] == nil {
		m.stores[strings.ToLower(store)] = map[string]winhost.StoredCertificate{}
	}
	m.stores[strings.ToLower(store)][c.SHA1] = c
}

// Unstore takes a certificate out of a store, and says whether it was there.
func (m *Machine) Unstore(store, sha1 string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, was := m.stores[strings.ToLower(store)][sha1]
	delete(m.stores[strings.ToLower(store)], sha1)
	return was
}

// CanSign says that a store has a certificate with its key.
func (m *Machine) CanSign(store, sha1 string) bool {
	return slices.ContainsFunc(m.Certificates(store), func(c winhost.StoredCertificate) bool { return c.SHA1 == sha1 && c.HasKey })
}

func (m *Machine) certificateImport(o *winhost.CertificateImport) winhost.Result {
	if m.CanSign(o.Store, o.SHA1) {
		return winhost.Result{Code: winhost.Unchanged}
	}
	if no, _ := m.tryBuild(); no != 0 {
		return failure(no, "the store may not be changed")
	}
	c, err := pfx.Open(context.Background(), o.PFX, o.Password)
	switch {
	case errors.Is(err, pfx.ErrPassword):
		return failure(errPassword, "the specified network password is not correct")
	case err != nil:
		return failure(errData, "the data is invalid")
	case pfx.SHA1(c) != o.SHA1:
		return winhost.Result{Code: winhost.Conflict, Message: "the PFX does not have the certificate with its key"}
	}
	m.Store(o.Store, winhost.StoredCertificate{SHA1: o.SHA1, SHA256: pfx.SHA256(c), Subject: c.Subject.String(), NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(), HasKey: true})
	return winhost.Result{Code: winhost.OK}
}

func (m *Machine) certificateRemove(o *winhost.CertificateRemove) winhost.Result {
	if no, _ := m.tryBuild(); no != 0 {
		return failure(no, "the store may not be changed")
	}
	if !m.Unstore(o.Store, o.SHA1) {
		return winhost.Result{Code: winhost.Unchanged}
	}
	return winhost.Result{Code: winhost.OK}
}

// MachineVariable is a variable of the machine's environment, "" when it is not set.
func (m *Machine) MachineVariable(name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, v := range m.machine {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

func (m *Machine) variableRead(o *winhost.VariableRead) winhost.Result {
	now := m.MachineVariable(o.Variable)
	v := &winhost.Variable{Exists: now != ""}
	if strings.Trim(now, " \t:\u200e\u200f0123456789abcdefABCDEF") == "" {
		v.Value = now
	}
	return winhost.Result{Code: winhost.OK, Variable: v}
}

func (m *Machine) variableSet(o *winhost.VariableSet) winhost.Result {
	code := winhost.OK
	switch m.MachineVariable(o.Variable) {
	case o.Value:
		code = winhost.Unchanged
	case o.Was:
		if _, no := m.tryBuild(); no != 0 {
			return failure(no, "the environment may not be changed")
		}
		m.SetEnvironment(o.Variable, o.Value)
	default:
		return winhost.Result{Code: winhost.Conflict, Message: "the variable is not as expected"}
	}
	r := m.variableRead(&winhost.VariableRead{Variable: o.Variable})
	r.Code = code
	return r
}

// lines passes on what is written, by whole lines.
type lines struct {
	rest  []byte
	count int
	tell  func(line string)
}

func (l *lines) Write(b []byte) (int, error) {
	l.rest = append(l.rest, b...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		l.rest = rest
		l.count++
		l.tell(strings.TrimRight(string(line), "\r"))
	}
}

// buildRun lets a script run, one at a time. A process that is killed takes what it builds with it.
func (m *Machine) buildRun(ctx context.Context, o *winhost.BuildRun, tell func(line string)) winhost.Result {
	path := m.Expand(o.Script)
	m.mu.Lock()
	script := m.programs[strings.ToLower(path)]
	m.mu.Unlock()
	if content, _, err := m.FS.Read(path); err != nil || content == nil || script == nil {
		return failure(ErrFileNotFound, "no such script")
	}
	ctx, cancel := context.WithTimeout(ctx, limit(o.TimeoutSeconds))
	defer cancel()
	m.builds.Lock()
	defer m.builds.Unlock()
	m.mu.Lock()
	env := with(m.machine, "", "")
	m.mu.Unlock()
	if o.Variable != "" {
		env = with(env, o.Variable, o.Value)
	}
	out := &lines{tell: tell}
	exit := script(ctx, env, out)
	switch {
	case ctx.Err() != nil:
		return winhost.Result{Code: winhost.Timeout, Message: "the build did not end in time, and was ended with all that it had started"}
	case exit != 0:
		return winhost.Result{Code: winhost.Failed, Message: fmt.Sprintf("the build ended with exit code %d", exit), Build: &winhost.Build{Exit: exit, Lines: out.count}}
	}
	return winhost.Result{Code: winhost.OK, Build: &winhost.Build{Lines: out.count}}
}
