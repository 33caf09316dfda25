package machine

import (
	"maps"
	"reflect"
	"strings"
	"time"

	"meshrotate/providers/winhost"
)

// Program is what a service runs. Its methods are called without any lock of the machine, at any time, and must return
// at once; what takes time is in Startup and Timing.
type Program interface {
	// Start is a new process of the service: the moment at which a program reads its settings.
	Start(p *Process) Startup
	// Stop tells that the process is gone, whatever ended it. It is called once for each Start that was not refused.
	Stop(p *Process)
}

// Startup is how a start goes on. The zero Startup is a program that runs until it is stopped.
type Startup struct {
	// Refused makes the start call itself fail with this number, after Timing.Refuse: ErrStartTimeout for settings that
	// .NET does not read, ErrLogonFailure for a wrong password. The exit code keeps its previous value, but for the latter.
	Refused Errno
	// Work is how long the program's own start code runs after RUNNING. A stop asked meanwhile waits for it.
	Work time.Duration
	// Dies ends the process after Work, with ExitCode: ErrProcessAborted for an unhandled error, 0 for a clean end.
	Dies     bool
	ExitCode uint32
}

// Timing is how long the service manager's part takes. Zeroes mean what was measured with a .NET service: 35 ms to
// RUNNING, 100 ms to stop, 400 ms to refuse.
type Timing struct{ Start, Stop, Refuse time.Duration }

// Service is a service to install.
type Service struct {
	Name string
	// Account is the start name, "" means LocalSystem, and Password what the service manager keeps for it. ImagePath is the
	// command line; it is never run, but a Program may read it.
	Account, Password, ImagePath string
	// StartMode is auto, manual or disabled; "" means auto.
	StartMode string
	// Deleted: it is marked for deletion, and takes no change any more.
	Deleted bool
	// DependsOn are the services that must run before this one.
	DependsOn []string
	// Environment is the service's own.
	Environment map[string]string
	// Wrapped is what the service's own program starts, nil when it is the program itself.
	Wrapped *Wrapped
	// Program is nil for a service that does nothing, and does it well.
	Program Program
	Timing  Timing
}

// Wrapped is a program that NSSM or srvany starts: its command line, its working folder, and variables of its own. What WinSW
// starts is in a file beside it, and not in the registry.
type Wrapped struct {
	Line, Folder string
	Environment  map[string]string
	ByFile       bool
}

// Process is one run of a service.
type Process struct {
	PID     uint32
	Service string
	// Account and Password are what it logged on with.
	Account, Password string
	Started           time.Time
	// ImagePath is the command line that it was started with. Folder is its working folder, where that is not the system's.
	ImagePath, Folder string
	// Environment is what the process sees: the machine's as it was at boot, over it the account's, and over that the
	// service's own.
	Environment map[string]string

	machine   *Machine
	workUntil time.Time
	end       *time.Timer // the end that is already on its way, nil for none
}

// Exit ends the process from within, now.
func (p *Process) Exit(code uint32) { p.machine.ended(p, code) }

// Variable is what the process reads from its environment; names have no case.
func (p *Process) Variable(name string) (string, bool) {
	for k, v := range p.Environment {
		if strings.EqualFold(k, name) {
			return v, true
		}
	}
	return "", false
}

// service is an installed service and its state.
type service struct {
	Service
	registered time.Time
	state      winhost.ServiceState
	process    *Process // nil when stopped
	exitCode   uint32
	changed    chan struct{} // closed at the next change, nil while nobody waits
}

func (s *service) set(state winhost.ServiceState) {
	s.state = state
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

func orElse(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// installedAgo is how long ago, at least, a service was installed that is there at all.
const installedAgo = 30 * 24 * time.Hour

// Install adds a service, stopped. One of the same name is replaced; it must be stopped.
func (m *Machine) Install(s Service) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.services == nil {
		m.services = map[string]*service{}
	}
	if s.Account == "" {
		s.Account = "LocalSystem"
	}
	if s.StartMode == "" {
		s.StartMode = "auto"
	}
	// A service that never ran has the exit code ERROR_SERVICE_NEVER_STARTED.
	m.services[strings.ToLower(s.Name)] = &service{Service: s, registered: m.now().Add(-installedAgo), state: winhost.Stopped, exitCode: 1077}
}

// Uninstall ends a service and removes it. It returns what Install would bring back.
func (m *Machine) Uninstall(name string) (Service, error) {
	m.Kill(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.services[strings.ToLower(name)]
	if s == nil {
		return Service{}, ErrNoService
	}
	delete(m.services, strings.ToLower(name))
	return s.Service, nil
}

// Change edits an installed service, such as its Account, StartMode or Environment. It takes effect at the next start.
// Put a new map in Environment; do not write to the old one.
func (m *Machine) Change(name string, change func(*Service)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.services[strings.ToLower(name)]
	if s == nil {
		return ErrNoService
	}
	was := s.Service
	if change(&s.Service); !reflect.DeepEqual(registration(was), registration(s.Service)) {
		s.registered = m.now()
	}
	return nil
}

// Was edits an installed service as Change does: it has been so since before its process started.
func (m *Machine) Was(name string, change func(*Service)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.services[strings.ToLower(name)]
	if s == nil {
		return ErrNoService
	}
	change(&s.Service)
	return nil
}

// registration is what the registry holds of a service.
func registration(s Service) Service {
	s.Program, s.Timing, s.Deleted = nil, Timing{}, false
	return s
}

// Start asks the service manager for a start, as StartService does: it returns before the service runs.
func (m *Machine) Start(name string) error {
	line, _ := m.Registered(name)
	gone := m.Missing(line)
	if w := m.Wrapped(name); gone == "" && w != nil {
		gone = m.Missing(w.Line)
	}
	m.mu.Lock()
	s := m.services[strings.ToLower(name)]
	switch {
	case s == nil:
		m.mu.Unlock()
		return ErrNoService
	case s.state == winhost.Stopped && gone != "":
		m.mu.Unlock()
		return ErrFileNotFound
	case s.StartMode == "disabled":
		m.mu.Unlock()
		return ErrDisabled
	case s.state != winhost.Stopped:
		m.mu.Unlock()
		return ErrAlreadyRunning
	}
	for _, other := range s.DependsOn {
		if d := m.services[strings.ToLower(other)]; d == nil || d.state != winhost.Running {
			m.mu.Unlock()
			return ErrDependencyFail
		}
	}
	m.lastPID += 4
	p := &Process{PID: 1000 + m.lastPID, Service: s.Name, Account: s.Account, Password: s.Password, Started: m.now(), machine: m,
		ImagePath: s.ImagePath, Environment: maps.Clone(m.boot)}
	places := []map[string]string{m.accounts[strings.ToLower(s.Account)], s.Environment}
	if w := s.Wrapped; w != nil {
		p.ImagePath, p.Folder = w.Line, w.Folder
		places = append(places, w.Environment)
	}
	for _, over := range places {
		for k, v := range over {
			p.Environment = with(p.Environment, k, v)
		}
	}
	s.process = p
	s.set(winhost.StartPending)
	program, timing := s.Program, s.Timing
	m.mu.Unlock()

	var startup Startup
	if m.LogOn(p.Account, p.Password) != nil {
		startup.Refused = ErrLogonFailure
	} else if program != nil {
		startup = program.Start(p)
	}
	if startup.Refused != 0 {
		time.Sleep(orElse(timing.Refuse, 400*time.Millisecond))
		m.mu.Lock()
		s.process = nil
		if startup.Refused == ErrLogonFailure {
			s.exitCode = uint32(ErrLogonFailure)
		}
		s.set(winhost.Stopped)
		m.mu.Unlock()
		return startup.Refused
	}
	time.AfterFunc(orElse(timing.Start, 35*time.Millisecond), func() { m.runs(s, p, startup) })
	return nil
}

// runs makes a starting process RUNNING, and lets it die if that is how it starts.
func (m *Machine) runs(s *service, p *Process, startup Startup) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s.process != p || s.state != winhost.StartPending {
		return
	}
	p.workUntil = time.Now().Add(startup.Work)
	s.set(winhost.Running)
	if startup.Dies {
		p.end = time.AfterFunc(startup.Work, func() { m.ended(p, startup.ExitCode) })
	}
}

// Stop asks the service manager for a stop, as ControlService does: it returns at STOP_PENDING. Dependents that run
// are an error.
func (m *Machine) Stop(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.services[strings.ToLower(name)]
	switch {
	case s == nil:
		return ErrNoService
	case s.state == winhost.Stopped:
		return ErrNotActive
	case s.state != winhost.Running:
		return ErrCannotControl
	case len(m.dependents(s)) > 0:
		return ErrDependents
	}
	p := s.process
	s.set(winhost.StopPending)
	if p.end == nil {
		after := max(time.Until(p.workUntil), 0) + orElse(s.Timing.Stop, 100*time.Millisecond)
		p.end = time.AfterFunc(after, func() { m.ended(p, 0) })
	}
	return nil
}

// ended is the end of a process, for whatever reason. Only the first end counts.
func (m *Machine) ended(p *Process, code uint32) {
	m.mu.Lock()
	s := m.services[strings.ToLower(p.Service)]
	if s == nil || s.process != p {
		m.mu.Unlock()
		return
	}
	s.process, s.exitCode = nil, code
	if p.end != nil {
		p.end.Stop()
	}
	s.set(winhost.Stopped)
	program := s.Program
	m.mu.Unlock()
	if program != nil {
		program.Stop(p)
	}
}

// Kill ends the process of a service as a crash does: 1067.
func (m *Machine) Kill(name string) {
	m.mu.Lock()
	var p *Process
	if s := m.services[strings.ToLower(name)]; s != nil {
		p = s.process
	}
	m.mu.Unlock()
	if p != nil {
		m.ended(p, uint32(ErrProcessAborted))
	}
}

// Shutdown ends every process at once. Reboot also starts the services of start mode auto, in the order of their
// dependencies, and gives services the machine's present environment.
func (m *Machine) Shutdown() {
	for _, name := range m.names() {
		m.Kill(name)
	}
}

// Reboot is Shutdown and what follows; it returns when the services have been asked to start.
func (m *Machine) Reboot() {
	m.Shutdown()
	m.mu.Lock()
	m.boot, m.booted = m.machine, m.now()
	m.mu.Unlock()
	for _, name := range m.names() {
		_ = m.startWithDependencies(name)
	}
}
