package lab

import (
	"bytes"
	"cmp"
	"errors"
	"strings"
	"time"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/lab/machine"
)

// Prefix is that of the variables which the product reads beside those that .NET reads.
const Prefix = "IM_"

// settings are what a process reads of its configuration when it starts, as .NET puts it together for the host that the program is
// built with. What .NET refuses ends the start.
func settings(m *machine.Machine, p *machine.Process, host appsettings.Host, keys ...string) (map[string]string, machine.Startup) {
	refused := machine.Startup{Refused: machine.ErrStartTimeout}
	layers, err := configuration(m, p, host)
	if err != nil {
		return nil, refused
	}
	read := map[string]string{}
	for _, k := range keys {
		s, _, err := appsettings.Effective(layers, k)
		if err != nil {
			return nil, refused
		}
		read[k] = string(s.Value.Expose())
	}
	return read, machine.Startup{}
}

// configuration is all that a process reads settings from, as it starts.
func configuration(m *machine.Machine, p *machine.Process, host appsettings.Host) ([]appsettings.Layer, error) {
	program, args := appsettings.Program(m.Expand(p.ImagePath))
	if content, _, err := m.FS.Read(program); err == nil && !bytes.HasPrefix(content, aProgram) {
		return nil, errors.New("it is no program")
	}
	folder, name := appsettings.Split(program)
	if p.Folder != "" { // nobody but the service manager makes a generic host take its program's folder
		folder = m.Expand(p.Folder)
	}
	started := appsettings.Process{Args: args, Env: p.Environment, Base: folder, Name: strings.TrimSuffix(name, ".exe"),
		Secrets: m.UserSecrets(p.Account), Prefixes: []string{Prefix}}
	return host.Layers(started, "appsettings.json", func(path string) appsettings.Layer {
		b, _, err := m.FS.Read(path)
		if b == nil && err == nil {
			b = []byte{}
		}
		return appsettings.Layer{Data: b, Missing: err != nil}
	})
}

// programOf is the command line of a service with these settings, as an installer registers it.
func programOf(settings, name string) string {
	folder, _ := appsettings.Split(settings)
	return `"` + folder + `\` + name + `.exe"`
}

// aProgram is what programs are made of here.
var aProgram = []byte("MZ")

const relayKey, sqlString = "Relay:ApiKey", "IdentityMesh:SqlConnectionString"

// ReadsString says under which key the host's service looks for its connection string, from its next start on.
func (h *Host) ReadsString(key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stringAt = key
}

func (h *Host) stringKey() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return cmp.Or(h.stringAt, sqlString)
}

// dies is what .NET does with an empty key: it reports RUNNING, validates, and ends.
var dies = machine.Startup{Work: 30 * time.Millisecond, Dies: true, ExitCode: uint32(machine.ErrProcessAborted)}

// adminProgram is IdentityMeshAdmin.
type adminProgram struct{ lab *Lab }

func (a adminProgram) Start(p *machine.Process) machine.Startup {
	l := a.lab
	text := l.Admin.stringKey()
	read, refused := settings(l.Admin.Machine, p, appsettings.WebApplication, relayKey, text)
	switch {
	case read == nil:
		return refused
	case read[relayKey] == "":
		return dies
	}
	l.database.admin.start(p, read[text])
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.admin = adminState{process: p, ready: now.Add(l.timing.AdminReady), key: read[relayKey],
		license: l.readLicense(l.Admin), reloads: l.admin.reloads}
	for _, r := range l.mesh {
		if !r.last.IsZero() {
			r.until = l.admin.ready.Add(l.timing.Stale) // it trusts what it kept, at first
		}
	}
	return machine.Startup{}
}

func (a adminProgram) Stop(p *machine.Process) {
	l := a.lab
	defer l.database.admin.stop(p) // what the server tells of it takes the mutex
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.admin.process != p {
		return
	}
	now := time.Now()
	for h := range l.mesh {
		l.freeze(h, now)
	}
	l.admin = adminState{reloads: l.admin.reloads}
	l.gate.drop()
}

// engineProgram is IdentityMeshEngine: it reads the license once, at its start.
type engineProgram struct{ lab *Lab }

func (e engineProgram) Start(p *machine.Process) machine.Startup {
	text := e.lab.EngineHost.stringKey()
	read, refused := settings(e.lab.EngineHost.Machine, p, appsettings.Generic, text)
	if read == nil {
		return refused
	}
	e.lab.database.engine.start(p, read[text])
	return machine.Startup{}
}

func (e engineProgram) Stop(p *machine.Process) { e.lab.database.engine.stop(p) }

// relayProgram is IdentityMeshRelayAgent.
type relayProgram struct {
	lab  *Lab
	host *Host
}

func (r relayProgram) Start(p *machine.Process) machine.Startup {
	read, refused := settings(r.host.Machine, p, appsettings.Generic, relayKey)
	switch {
	case read == nil:
		return refused
	case read[relayKey] == "":
		return dies
	}
	accepts := accepted(r.host.Machine, p)
	rejected := load(r.host.Machine, accepts)
	l := r.lab
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.mesh[r.host]
	s.accepts, s.rejected = accepts, rejected
	s.process, s.key, s.tries = p, read[relayKey], time.Now().Add(l.timing.RelayConnect)
	return machine.Startup{}
}

func (r relayProgram) Stop(p *machine.Process) {
	l := r.lab
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.mesh[r.host]
	if s.process == p {
		l.freeze(r.host, time.Now())
		s.process = nil
	}
}
