package engine_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"meshrotate/providers/lab/engine"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/winhost/winhosttest"
)

// program is a service's program whose start goes as told.
type program machine.Startup

func (p program) Start(*machine.Process) machine.Startup { return machine.Startup(p) }
func (p program) Stop(*machine.Process)                  {}

// tableMachine has the services and the variables that the table of cases needs.
func tableMachine() *machine.Machine {
	m := machine.New("RELAY01")
	m.GUID = "6f1c2c5e-0000-4000-8000-000000000001"
	for _, s := range []machine.Service{
		{Name: winhosttest.QuickService, Environment: winhosttest.ServiceEnvironment},
		{Name: winhosttest.ChildService, DependsOn: []string{winhosttest.QuickService}},
		{Name: winhosttest.SlowService, Timing: machine.Timing{Start: 1200 * time.Millisecond, Stop: 4 * time.Second}},
		{Name: winhosttest.RefusesService, Program: program{Refused: machine.ErrStartTimeout}},
		{Name: winhosttest.DisabledService, StartMode: "disabled", Deleted: true},
		{Name: winhosttest.BlankService, ImagePath: `C:\svc\mr blank\service.exe mr-blank`},
		{Name: winhosttest.WrappedService, Wrapped: &machine.Wrapped{Line: `"C:\app\app.exe" --one "two three"`, Folder: `C:\app\data`, Environment: winhosttest.WrappedEnvironment}},
		{Name: winhosttest.DiesService, Program: program{Work: 30 * time.Millisecond, Dies: true, ExitCode: uint32(machine.ErrProcessAborted)}},
	} {
		if s.ImagePath == "" {
			s.ImagePath = `C:\svc\service.exe ` + s.Name
		}
		if s.StartMode == "" {
			s.StartMode = "manual"
		}
		m.Install(s)
	}
	m.Directory = &machine.Directory{}
	m.Directory.Set(winhosttest.Allowed, winhosttest.Password)
	m.Directory.Set(winhosttest.Barred, winhosttest.Password)
	m.Allow(winhosttest.Allowed, true)
	for name, value := range winhosttest.MachineEnvironment {
		m.SetEnvironment(name, value)
	}
	return m
}

// What the lab answers for Windows must be what the table of cases wants of every host.
func TestPwshTable(t *testing.T) {
	t.Parallel() // it waits more than it works
	need(t, "pwsh")
	e, err := engine.OpenPwsh()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	m := tableMachine()
	defer m.Shutdown()
	if m.FS, err = e.Disk("relay01"); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var log strings.Builder
	m.Record = func(kind, text string) {
		mu.Lock()
		defer mu.Unlock()
		log.WriteString(kind + " " + text + "\n")
	}
	local := func(name string) string { return e.Local("relay01", `C:\test\`+name) }
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(local(""), 0o755))
	must(os.MkdirAll(e.Local("relay01", `C:\svc`), 0o755))
	must(os.WriteFile(e.Local("relay01", `C:\svc\service.exe`), []byte("MZ"), 0o644))
	winhosttest.BuildTool(t, local(winhosttest.Tool))
	winhosttest.Run(t, winhosttest.Host{
		Kind: winhosttest.Linux, Dir: `C:\test\`, Signed: winhosttest.Modelled(machine.Signed),
		Process: func(ctx context.Context, line string, stdin io.Reader, stdout, stderr io.Writer) uint32 {
			return e.Run(ctx, m, wsman.Process{CommandLine: line, Stdin: stdin, Stdout: stdout, Stderr: stderr})
		},
		Write: func(name string, content []byte) {
			must(os.MkdirAll(filepath.Dir(local(name)), 0o755))
			must(os.WriteFile(local(name), content, 0o644))
		},
		Read: func(name string) []byte {
			content, err := os.ReadFile(local(name))
			if err != nil {
				return nil
			}
			return content
		},
		Age: func(name string, at time.Time) { must(os.Chtimes(local(name), at, at)) },
		Lock: func(name string, on bool) {
			mode := os.FileMode(0o644)
			if on {
				mode = 0o444
			}
			must(os.Chmod(local(name), mode))
		},
		Logged: func() string {
			mu.Lock()
			defer mu.Unlock()
			if !holdsScript(log.String()) {
				t.Error("the engine's event log does not hold the script: it proves nothing")
			}
			return log.String()
		},
	})
}
