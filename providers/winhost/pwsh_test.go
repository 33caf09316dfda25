package winhost_test

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"meshrotate/providers/winhost"
	"meshrotate/providers/winhost/process"
	"meshrotate/providers/winhost/winhosttest"
)

// find returns a program's path. Where it is not installed the test is skipped; in CI it fails.
func find(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not on PATH, and CI=true demands it", program)
	}
	t.Skipf("%s is not on PATH: the real script is not tried", program)
	return ""
}

// quoted is a PowerShell literal.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// tables makes the environments of the table's prelude. The values come from files: a value in the text of a script
// would be in the log by the test's own doing.
func tables(t *testing.T) string {
	var b strings.Builder
	table := func(name string, env map[string]string) {
		b.WriteString("$global:" + name + " = @{}\n")
		for k, v := range env {
			file := filepath.Join(t.TempDir(), k)
			if err := os.WriteFile(file, []byte(v), 0o600); err != nil {
				t.Fatal(err)
			}
			b.WriteString("$global:" + name + "[" + quoted(k) + "] = [IO.File]::ReadAllText(" + quoted(file) + ")\n")
		}
	}
	table("machineEnvironment", winhosttest.MachineEnvironment)
	table("serviceEnvironment", winhosttest.ServiceEnvironment)
	return b.String()
}

// folder is a Host's view of a folder of this machine.
func folder(t *testing.T, dir string) winhosttest.Host {
	local := func(name string) string { return filepath.Join(dir, strings.ReplaceAll(name, `\`, "/")) }
	return winhosttest.Host{
		Write: func(name string, content []byte) {
			if err := os.MkdirAll(filepath.Dir(local(name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(local(name), content, 0o644); err != nil {
				t.Fatal(err)
			}
		},
		Read: func(name string) []byte {
			content, err := os.ReadFile(local(name))
			if err != nil {
				return nil
			}
			return content
		},
		Age: func(name string, at time.Time) {
			if err := os.Chtimes(local(name), at, at); err != nil {
				t.Fatal(err)
			}
		},
		Lock: func(name string, on bool) {
			mode := os.FileMode(0o644)
			if on {
				mode = 0o444
			}
			if err := os.Chmod(local(name), mode); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// fromWide is text that Windows has: UTF-16, ended by a zero.
func fromWide(b []byte) string {
	var units []uint16
	for i := 0; i+3 < len(b); i += 2 {
		units = append(units, binary.LittleEndian.Uint16(b[i:]))
	}
	return string(utf16.Decode(units))
}

// eventLog is a file in which the engine logs, and how to read it.
func eventLog(t *testing.T) (env string, read func() string) {
	file := filepath.Join(t.TempDir(), "events")
	return "PWSH_EVENTLOG=" + file, func() string {
		text, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(text), "SHA256CryptoServiceProvider") {
			t.Errorf("the engine's event log does not hold the script (%d bytes, %v): it proves nothing", len(text), err)
		}
		return string(text)
	}
}

// onLinux is what stands in for Windows.
func onLinux(t *testing.T) string {
	t.Helper()
	var all []byte
	for _, name := range []string{"../lab/engine/unix.ps1", "winhosttest/linux.ps1"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return string(all)
}

func TestTableOnLinux(t *testing.T) {
	pwsh := find(t, "pwsh")
	stand := onLinux(t)
	dir := t.TempDir()
	env, read := eventLog(t)
	winhosttest.BuildTool(t, filepath.Join(dir, winhosttest.Tool))
	host := folder(t, dir)
	host.Kind, host.Dir, host.Logged = winhosttest.Linux, dir+"/", read
	stored := filepath.Join(t.TempDir(), "password")
	host.Stored = func() string {
		wide, _ := os.ReadFile(stored)
		return fromWide(wide)
	}
	host.Process = process.PowerShell(pwsh, "$global:passwordFile = "+quoted(stored)+"\n"+tables(t)+stand, env)
	winhosttest.Run(t, host)
}

func TestLint51(t *testing.T) {
	pwsh := find(t, "pwsh")
	bootstrap := filepath.Join(t.TempDir(), "bootstrap.ps1")
	if err := os.WriteFile(bootstrap, []byte(winhost.Bootstrap()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(pwsh, "-Lint51", "host.ps1", bootstrap).CombinedOutput(); err != nil {
		t.Errorf("not for Windows PowerShell 5.1: %v\n%s", err, out)
	}
}
