package machine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab/machine"
	"meshrotate/providers/winhost"
	"meshrotate/providers/winhost/process"
	"meshrotate/providers/winhost/winhosttest"
	"meshrotate/reconciler/secret"
)

const path = `C:\app\appsettings.json`

// rotate stages and swaps in a process of its own.
func rotate(ctx context.Context, m *machine.Machine, old, content []byte) ([]winhost.Result, error) {
	return winhost.Run(ctx, process.Func(m.Run), winhost.Config{}, []winhost.Op{
		&winhost.FileStage{Path: path, Expect: winhosttest.Sum(old), Content: secret.New(content)},
		&winhost.FileSwap{Path: path, Expect: winhosttest.Sum(old), Staged: winhosttest.Sum(content)},
	})
}

func TestFaults(t *testing.T) {
	old, content := winhosttest.Content("old"), winhosttest.Content("new")
	for _, c := range []struct {
		name   string
		fault  machine.Fault
		broken bool           // there is no reply
		codes  []winhost.Code // otherwise
		live   []byte         // what is there after it
	}{
		{"crash before the swap", machine.Fault{Op: "file.swap", When: machine.Before, Action: machine.Action{End: machine.EndCrash}}, true, nil, old},
		{"crash after the swap", machine.Fault{Op: "file.swap", When: machine.After, Action: machine.Action{End: machine.EndCrash}}, true, nil, content},
		{"cut reply", machine.Fault{Op: "file.swap", When: machine.After, Action: machine.Action{End: machine.EndCut}}, true, nil, content},
		{"no start", machine.Fault{Op: "start", Action: machine.Action{End: machine.EndCrash}}, true, nil, old},
		{"disk full", machine.Fault{Op: "file.stage", When: machine.Before, Action: machine.Action{Fail: machine.ErrDiskFull}}, false,
			[]winhost.Code{winhost.DiskFull, winhost.Skipped}, old},
		{"failed after its effect", machine.Fault{Object: `\APPSETTINGS.json`, Op: "file.swap", When: machine.After, Action: machine.Action{Fail: 1176}}, false,
			[]winhost.Code{winhost.OK, winhost.Failed}, content},
		{"noise and delay", machine.Fault{Action: machine.Action{Noise: "a driver speaks", Delay: time.Millisecond}}, false,
			[]winhost.Code{winhost.OK, winhost.OK}, content},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := &machine.Memory{}
			disk.Write(path, old)
			m := machine.New("HOST")
			m.FS, m.Hook = disk, machine.Faults(c.fault)
			results, err := rotate(t.Context(), m, old, content)
			if (err != nil) != c.broken {
				t.Fatalf("%+v, %v", results, err)
			}
			for i, code := range c.codes {
				if results[i].Code != code {
					t.Errorf("op %d: %+v, want %s", i, results[i], code)
				}
			}
			if live, _, _ := disk.Read(path); !bytes.Equal(live, c.live) {
				t.Errorf("live file: %q", live)
			}
			m.Hook = nil
			if results, err = rotate(t.Context(), m, old, content); err != nil || bytes.Equal(c.live, old) && !results[1].Done() {
				t.Errorf("run again: %+v, %v", results, err)
			}
		})
	}
}

func TestHangEndsWithTheContext(t *testing.T) {
	m := machine.New("HOST")
	m.Hook = machine.Faults(machine.Fault{Op: "machine.identity", Action: machine.Action{End: machine.EndHang}})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := winhost.Run(ctx, process.Func(m.Run), winhost.Config{}, []winhost.Op{&winhost.MachineIdentity{}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestFullDisk(t *testing.T) {
	old := winhosttest.Content("old")
	disk := &machine.Memory{Limit: 100_000}
	disk.Write(path, old)
	m := machine.New("HOST")
	m.FS = disk
	results, err := rotate(t.Context(), m, old, make([]byte, 50_000))
	if err != nil || results[0].Code != winhost.DiskFull || results[0].Win32 != 112 {
		t.Errorf("%+v, %v", results, err)
	}
	if len(disk.Paths()) != 1 {
		t.Errorf("files %q", disk.Paths())
	}
}

func TestConstrained(t *testing.T) {
	m := machine.New("HOST")
	m.Confine(true)
	_, err := winhost.Run(t.Context(), process.Func(m.Run), winhost.Config{}, []winhost.Op{&winhost.MachineIdentity{}})
	if !errors.Is(err, winhost.ErrUnsupported) {
		t.Error(err)
	}
}

func TestOtherCommands(t *testing.T) {
	m := machine.New("HOST")
	for line, want := range map[string]string{"hostname": "HOST\r\n", "echo a  b": "a  b\r\n", "ver": "Microsoft Windows"} {
		var out bytes.Buffer
		if code := m.Run(t.Context(), line, nil, &out, nil); code != 0 || !strings.HasPrefix(out.String(), want) {
			t.Errorf("%s: exit code %d, %q", line, code, out.String())
		}
	}
	var wrong bytes.Buffer
	if code := m.Run(t.Context(), "powershell.exe -Command Get-Date", nil, nil, &wrong); code != 1 || wrong.Len() == 0 {
		t.Errorf("another PowerShell: exit code %d, %q", code, wrong.String())
	}
}

func TestExpand(t *testing.T) {
	m := machine.New("HOST")
	m.SetEnvironment("Data", `D:\data`)
	for path, want := range map[string]string{
		`%ProgramFiles%\x`: `C:\Program Files\x`, `%commonapplicationdata%\x`: `C:\ProgramData\x`, `%DATA%`: `D:\data`,
		`100%`: `100%`, `%none%\%data%`: `%none%\D:\data`, `C:\x`: `C:\x`,
	} {
		if got := m.Expand(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// BenchmarkMachines tells the memory of a machine as a lab has it, in B/op.
func BenchmarkMachines(b *testing.B) {
	b.ReportAllocs()
	shared := winhosttest.Content("shared")
	kept := make([]*machine.Machine, 0, b.N)
	for b.Loop() {
		disk := &machine.Memory{}
		disk.Write(path, shared)
		m := machine.New(fmt.Sprint("RELAY", len(kept)))
		m.FS = disk
		m.Install(machine.Service{Name: "IdentityMeshRelayAgent"})
		kept = append(kept, m)
	}
}

// BenchmarkLook is one process with one look, without the time that PowerShell takes.
func BenchmarkLook(b *testing.B) {
	m := machine.New("HOST")
	disk := &machine.Memory{}
	disk.Write(path, winhosttest.Content("a"))
	m.FS = disk
	for b.Loop() {
		if _, err := winhost.Run(b.Context(), process.Func(m.Run), winhost.Config{}, []winhost.Op{&winhost.FileRead{Path: path}, &winhost.MachineIdentity{}}); err != nil {
			b.Fatal(err)
		}
	}
}
