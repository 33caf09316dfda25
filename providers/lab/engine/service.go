package engine

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"meshrotate/providers/lab/machine"
)

// service is a real service of Wine's service manager, and the machine's own that follows it.
type service struct {
	engine  *Wine
	machine *machine.Machine
	name    string // on the machine
	inWine  string // its name there
	log     string // where its program writes every change of its state
}

// How long the real services take to start and to stop, in ms: what a .NET service needs.
const serviceTimes = "140 150"

// serviceName is unique to this lab: others may use the same Wine.
func (e *Wine) serviceName(service string) string {
	return service + "-" + strings.TrimPrefix(filepath.Base(e.root), "meshrotate-wine-")
}

// install makes the real service of a machine's, once.
func (e *Wine) install(m *machine.Machine, name string) (*service, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s := e.services[name]; s != nil {
		return s, nil
	}
	inWine := e.serviceName(name)
	s := &service{engine: e, machine: m, name: name, inWine: inWine, log: filepath.Join(e.drive, "svc", inWine+".log")}
	known := func() bool { return e.windows("sc.exe", "query", inWine) == nil }
	if err := e.steadily(known, "sc.exe", "create", inWine, "binPath=", `C:\svc\service.exe `+inWine+" "+serviceTimes, "start=", "demand"); err != nil {
		return nil, err
	}
	e.services[name] = s
	e.watch.Go(s.follow)
	return s, nil
}

// Start starts the real service, as an administrator does in the services window. The first start installs it.
func (e *Wine) Start(m *machine.Machine, name string) error {
	s, err := e.install(m, name)
	if err != nil {
		return err
	}
	before := s.logged()
	return e.steadily(func() bool { return s.logged() > before }, "sc.exe", "start", s.inWine)
}

// logged is how much the service has written: it grows with every change of its state.
func (s *service) logged() int {
	b, err := os.ReadFile(s.log)
	if err != nil {
		return 0 // it has not started yet
	}
	return len(b)
}

// Stop asks the real service to stop.
func (e *Wine) Stop(m *machine.Machine, name string) error {
	s, err := e.install(m, name)
	if err != nil {
		return err
	}
	if m.Service(name).State == "stopped" {
		return machine.ErrNotActive
	}
	return e.windows("sc.exe", "stop", s.inWine)
}

// remove takes the real service away.
func (s *service) remove() {
	_ = s.engine.windows("sc.exe", "stop", s.inWine) // it may be stopped already
	for range 50 {
		if b, err := os.ReadFile(s.log); err != nil || lastState(string(b)) == "STOPPED" {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	_ = s.engine.windows("sc.exe", "delete", s.inWine)
	_ = os.Remove(s.log)
}

// follow makes the machine's service do what the real one does, until the engine ends. The other way round there is
// one thing only: when the product would have refused to start, or died, the real service is stopped.
func (s *service) follow() {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	read, up := 0, false // bytes of the log; the real service runs, and the machine's should
	for {
		select {
		case <-s.engine.quit:
			s.machine.Kill(s.name)
			return
		case <-tick.C:
		}
		b, err := os.ReadFile(s.log)
		if err != nil {
			continue // it has not started yet
		}
		for {
			line, _, whole := strings.Cut(string(b[read:]), "\n")
			if !whole {
				break
			}
			read += len(line) + 1
			up = s.change(line)
		}
		if up && s.machine.Service(s.name).State == "stopped" {
			up = false
			_ = s.engine.windows("sc.exe", "stop", s.inWine)
		}
	}
}

// change follows one line of the log, and says whether the real service runs now.
func (s *service) change(line string) (up bool) {
	switch lastState(line) {
	case "START_PENDING": // a new process: the product reads its settings
		_ = s.machine.Start(s.name) // a refusal shows in its state
	case "RUNNING":
		return true
	case "STOP_PENDING":
		_ = s.machine.Stop(s.name)
	case "STOPPED":
		s.machine.Kill(s.name) // what is left of it
	}
	return false
}

// lastState is the state in the last line of a log, whose lines are "TICKS STATE pid=ID".
func lastState(log string) string {
	words := strings.Fields(log)
	if len(words) < 3 {
		return ""
	}
	return words[len(words)-2]
}
