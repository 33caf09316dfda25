package machine_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"meshrotate/providers/lab/machine"
	"meshrotate/providers/winhost/winhosttest"
	"meshrotate/providers/winhost/winhosttest/tool"
)

// TestMain demands that every process ends, and every goroutine with it.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// program is a service's program whose start goes as told.
type program machine.Startup

func (p program) Start(*machine.Process) machine.Startup { return machine.Startup(p) }
func (p program) Stop(*machine.Process)                  {}

// services installs what the table of cases needs.
func services(m *machine.Machine) {
	install := func(name string, change func(*machine.Service)) {
		s := machine.Service{Name: name, StartMode: "manual", ImagePath: `C:\svc\service.exe ` + name}
		change(&s)
		m.Install(s)
	}
	install(winhosttest.QuickService, func(s *machine.Service) { s.Environment = winhosttest.ServiceEnvironment })
	install(winhosttest.ChildService, func(s *machine.Service) { s.DependsOn = []string{winhosttest.QuickService} })
	install(winhosttest.SlowService, func(s *machine.Service) {
		s.Timing = machine.Timing{Start: 1200 * time.Millisecond, Stop: 1200 * time.Millisecond}
	})
	install(winhosttest.RefusesService, func(s *machine.Service) { s.Program = program{Refused: machine.ErrStartTimeout} })
	install(winhosttest.DisabledService, func(s *machine.Service) { s.StartMode, s.Deleted = "disabled", true })
	m.Directory = &machine.Directory{}
	m.Directory.Set(winhosttest.Allowed, winhosttest.Password)
	m.Directory.Set(winhosttest.Barred, winhosttest.Password)
	m.Allow(winhosttest.Allowed, true)
	install(winhosttest.BlankService, func(s *machine.Service) { s.ImagePath = `C:\svc\mr blank\service.exe mr-blank` })
	install(winhosttest.WrappedService, func(s *machine.Service) {
		s.Wrapped = &machine.Wrapped{Line: `"C:\app\app.exe" --one "two three"`, Folder: `C:\app\data`, Environment: winhosttest.WrappedEnvironment}
	})
	install(winhosttest.DescribedService, func(s *machine.Service) { s.ImagePath = `"C:\svc\winsw\winsw.exe" mr-described` })
	if d, ok := m.FS.(machine.Dir); ok {
		_ = os.MkdirAll(d.Local(`C:\svc\winsw`), 0o755) // or the next says so
	}
	if err := m.FS.Create(`C:\svc\service.exe`, []byte("MZ"), ""); err != nil {
		panic(err)
	}
	if err := m.FS.Create(`C:\svc\winsw\winsw.xml`, []byte(winhosttest.Description), ""); err != nil {
		panic(err)
	}
	install(winhosttest.DiesService, func(s *machine.Service) {
		s.Program = program{Work: 30 * time.Millisecond, Dies: true, ExitCode: uint32(machine.ErrProcessAborted)}
	})
	for name, value := range winhosttest.MachineEnvironment {
		m.SetEnvironment(name, value)
	}
}

// journal keeps what a machine records.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) add(kind, text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.text.WriteString(kind + " " + text + "\n")
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func TestTable(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		disk := &machine.Memory{}
		host, m := table(disk)
		hold := func(share machine.Share) func(string) func() {
			return func(name string) func() {
				release, err := disk.Hold(host.Dir+name, share)
				if err != nil {
					t.Fatal(err)
				}
				return release
			}
		}
		host.Hold, host.Keep = hold(machine.ShareRead), hold(machine.ShareNone)
		host.Write = func(name string, content []byte) { disk.Write(host.Dir+name, content) }
		host.Lock = func(name string, on bool) {
			if err := disk.Set(host.Dir+name, func(i *machine.Info) { i.ReadOnly = on }); err != nil {
				t.Fatal(err)
			}
		}
		host.Age = func(name string, at time.Time) {
			if err := disk.Touch(host.Dir+name, at); err != nil {
				t.Fatal(err)
			}
		}
		winhosttest.Run(t, host)
		m.Shutdown()
	})
	t.Run("folder", func(t *testing.T) {
		disk := machine.Dir(t.TempDir())
		host, m := table(disk)
		must := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		must(os.MkdirAll(disk.Local(host.Dir), 0o755))
		host.Write = func(name string, content []byte) {
			must(os.MkdirAll(filepath.Dir(disk.Local(host.Dir+name)), 0o755))
			must(os.WriteFile(disk.Local(host.Dir+name), content, 0o644))
		}
		host.Lock = func(name string, on bool) {
			mode := os.FileMode(0o644)
			if on {
				mode = 0o444
			}
			must(os.Chmod(disk.Local(host.Dir+name), mode))
		}
		winhosttest.Run(t, host)
		m.Shutdown()
	})
}

// store is what the table's program fills: files beside it.
type store struct {
	disk machine.FS
	mu   sync.Mutex
	refs []string
}

func (s *store) Put(ref string, value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.disk.Create(`C:\test\`+tool.File(ref), value, "")
	s.refs = append(s.refs, ref)
}

func (s *store) Open(file string) ([]byte, error) {
	content, info, err := s.disk.Read(file)
	if err == nil && info.UsersCanRead {
		return nil, machine.ErrAccessDenied
	}
	return content, err
}

func (s *store) List() []string { return s.refs }

func table(disk machine.FS) (winhosttest.Host, *machine.Machine) {
	m := machine.New("RELAY01")
	m.FS, m.GUID, m.Installed = disk, "6f1c2c5e-0000-4000-8000-000000000001", time.Date(2025, 3, 4, 9, 21, 0, 0, time.UTC)
	log := &journal{}
	m.Record = log.add
	services(m)
	m.AuditsCommandLines = true
	s := &store{disk: disk}
	m.SetTool(`C:\test\`+winhosttest.Tool, func(ctx context.Context, args []string, in io.Reader, out io.Writer) uint32 {
		return tool.Run(args, in, out, s, ctx.Done())
	})
	return winhosttest.Host{
		Script: func(name string, does winhosttest.Does) { script(m, name, does) },
		Kind:   winhosttest.Model, Process: m.Run, Dir: `C:\test\`, Signed: winhosttest.Modelled(machine.Signed), Logged: log.String,
		Stored: func() string { return m.Password(winhosttest.QuickService) },
		Read: func(name string) []byte {
			content, _, err := disk.Read(`C:\test\` + name)
			if err != nil {
				return nil
			}
			return append([]byte{}, content...)
		},
	}, m
}

// script puts one of the table's scripts on a machine.
func script(m *machine.Machine, name string, does winhosttest.Does) {
	folder := `C:\test\`
	_ = m.FS.Create(folder+name, []byte("rem "+does), "")
	m.SetScript(folder+name, func(ctx context.Context, env map[string]string, out io.Writer) uint32 {
		beside := func(other string) string { return folder + strings.TrimSuffix(name, label(name)) + other }
		switch does {
		case winhosttest.Builds:
			_, _ = io.WriteString(out, "one\r\npin "+env[winhosttest.PinVariable]+"\r\nthree\r\n")
			_ = m.FS.Create(beside("built.txt"), []byte("built"), "")
			return 0
		case winhosttest.Breaks:
			_, _ = io.WriteString(out, "wrong\n")
			return 3
		}
		_, _ = io.WriteString(out, "waits\n")
		select {
		case <-ctx.Done():
			return 1
		case <-time.After(4 * time.Second):
			_ = m.FS.Create(beside("late.txt"), []byte("late"), "")
			return 0
		}
	})
}

// label is a file's name without what the case has put before it.
func label(name string) string { return name[strings.LastIndex(name, "-")+1:] }
