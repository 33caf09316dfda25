package machine_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"meshrotate/providers/lab/machine"
	"meshrotate/providers/winhost"
	"meshrotate/providers/winhost/process"
)

// told is a program that remembers its processes.
type told struct {
	mu      sync.Mutex
	startup machine.Startup
	started []*machine.Process
	stopped int
}

func (p *told) Start(process *machine.Process) machine.Startup {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started = append(p.started, process)
	return p.startup
}

func (p *told) Stop(*machine.Process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped++
}

func (p *told) last() *machine.Process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.started[len(p.started)-1]
}

func (p *told) ends() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped
}

// relay is a machine with one service, and how to ask it.
func relay(t *testing.T, p *told, prepare ...func(*machine.Machine)) (*machine.Machine, func(...winhost.Op) []winhost.Result) {
	m := machine.New("RELAY01")
	m.Install(machine.Service{Name: "Relay", Program: p})
	t.Cleanup(m.Shutdown)
	for _, do := range prepare {
		do(m)
	}
	session, err := winhost.Open(t.Context(), process.Func(m.Run), winhost.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close(t.Context()) })
	return m, func(ops ...winhost.Op) []winhost.Result {
		t.Helper()
		results, err := session.Do(t.Context(), ops)
		if err != nil {
			t.Fatal(err)
		}
		return results
	}
}

var start, stop = &winhost.ServiceStart{Service: "Relay"}, &winhost.ServiceStop{Service: "Relay"}

func TestRunningProvesNothing(t *testing.T) {
	p := &told{startup: machine.Startup{Work: 30 * time.Millisecond, Dies: true, ExitCode: 1067}}
	_, do := relay(t, p)
	if r := do(start)[0]; r.Code != winhost.OK || r.Service.State != winhost.Running {
		t.Errorf("without a time to be stable the start looks well: %+v", r)
	}
	time.Sleep(100 * time.Millisecond)
	if s := do(&winhost.ServiceQuery{Service: "Relay"})[0].Service; s.State != winhost.Stopped || s.ExitCode != 1067 || s.PID != 0 {
		t.Errorf("after it: %+v", s)
	}
	if n := p.ends(); n != 1 {
		t.Errorf("told %d times that it ended", n)
	}
}

func TestRefusedStartKeepsExitCode(t *testing.T) {
	p := &told{}
	_, do := relay(t, p)
	do(start)
	p.last().Exit(0)
	if s := do(&winhost.ServiceQuery{Service: "Relay"})[0].Service; s.State != winhost.Stopped || s.ExitCode != 0 {
		t.Errorf("a clean end: %+v", s)
	}
	p.startup = machine.Startup{Refused: machine.ErrStartTimeout}
	r := do(start)[0]
	if r.Code != winhost.Failed || r.Win32 != 1053 || r.Service.ExitCode != 0 || r.Service.State != winhost.Stopped {
		t.Errorf("a refused start: %+v, %+v", r, r.Service)
	}
	if n := p.ends(); n != 1 {
		t.Errorf("told %d times that it ended", n)
	}
}

func TestStopWaitsForSlowStart(t *testing.T) {
	p := &told{startup: machine.Startup{Work: 600 * time.Millisecond}}
	_, do := relay(t, p)
	results := do(start, stop)
	if results[0].Service.Took() >= 600*time.Millisecond {
		t.Errorf("RUNNING after %v: it does not wait for the program's own start", results[0].Service.Took())
	}
	if s := results[1].Service; s.State != winhost.Stopped || s.End.Sub(results[0].Service.StartedAt) < 600*time.Millisecond {
		t.Errorf("stopped after %v: a stop waits for the start", s.Took())
	}
}

func TestEnvironmentOfTheLastBoot(t *testing.T) {
	p := &told{}
	m, do := relay(t, p)
	m.SetEnvironment("Relay__ApiKey", "trap")
	do(start)
	if v, ok := p.last().Variable("RELAY__APIKEY"); ok {
		t.Errorf("a service sees %q before the machine restarts", v)
	}
	if e := do(&winhost.EnvironmentRead{})[0].Environment; !slices.Equal(e.Machine.Names, []string{"Relay__ApiKey"}) || e.Changed.IsZero() {
		t.Errorf("the trap is not reported: %+v", e)
	}
	m.Reboot()
	if v, ok := p.last().Variable("RELAY__APIKEY"); !ok || v != "trap" {
		t.Errorf("after the restart it sees %q, %v", v, ok)
	}
}

func TestKill(t *testing.T) {
	p := &told{}
	m, do := relay(t, p)
	do(start)
	time.AfterFunc(100*time.Millisecond, func() { m.Kill("Relay") })
	r := do(&winhost.ServiceStart{Service: "Relay", StableSeconds: 5})[0]
	if r.Code != winhost.Failed || r.Win32 != 1067 {
		t.Errorf("a process that dies while it is watched: %+v", r)
	}
}

func TestServiceManagerErrors(t *testing.T) {
	m := machine.New("RELAY01")
	m.Install(machine.Service{Name: "A"})
	m.Install(machine.Service{Name: "B", DependsOn: []string{"A"}})
	defer m.Shutdown()
	for _, c := range []struct {
		reason string
		err    error
		want   error
	}{
		{"no such service", m.Start("C"), machine.ErrNoService},
		{"what it needs does not run", m.Start("B"), machine.ErrDependencyFail},
		{"it does not run", m.Stop("A"), machine.ErrNotActive},
		{"a first start", m.Start("a"), nil},
		{"a start under way cannot be stopped", m.Stop("A"), machine.ErrCannotControl},
		{"nor started again", m.Start("A"), machine.ErrAlreadyRunning},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", c.reason, c.err, c.want)
		}
	}
}
