package engine

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab/machine"
)

// ask is the script's side of a channel; "" is no answer.
func ask(t *testing.T, path string, question ...string) string {
	t.Helper()
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, strings.Join(question, "\x00"))
	_ = conn.(*net.UnixConn).CloseWrite()
	answer, _ := io.ReadAll(conn)
	return strings.ReplaceAll(string(answer), "\x00", "|")
}

// openChannel serves a machine that has one service, on a short path: a Unix socket's has a hundred bytes.
func openChannel(t *testing.T, hook func(machine.Point) machine.Action) (path string, ctx context.Context) {
	t.Helper()
	e := &Pwsh{root: t.TempDir()}
	m := machine.New("RELAY01")
	m.GUID, m.Domain, m.Hook = "guid", "lab.example", hook
	var err error
	if m.FS, err = e.Disk("h"); err != nil {
		t.Fatal(err)
	}
	m.Install(machine.Service{Name: "svc", Environment: map[string]string{"A": "b=c"}})
	ctx, kill := context.WithCancel(t.Context())
	c := &channel{machine: m, kill: kill, started: func() {}}
	path = filepath.Join(e.root, "s")
	if err := c.open(ctx, path); err != nil {
		t.Skipf("no Unix socket here: %v", err)
	}
	t.Cleanup(func() { kill(); c.close(); m.Shutdown() })
	return path, ctx
}

func TestChannel(t *testing.T) {
	path, _ := openChannel(t, nil)
	root := filepath.Dir(path)
	for _, c := range []struct {
		reason   string
		question []string
		want     string
	}{
		{"a service that is not there is no error, as with Windows' own function", []string{"status", "none"}, "0"},
		{"its registry key is", []string{"environment", "none"}, "1060"},
		{"and its start", []string{"start", "none"}, "1060"},
		{"a value may hold anything but a zero byte", []string{"environment", "svc"}, "0|A|b=c"},
		{"the machine has variables of its own", []string{"environment", ""}, "0"},
		{"a service that never ran", []string{"config", "svc"}, "0|LocalSystem|auto|"},
		{"a stopped one cannot be stopped", []string{"stop", "svc"}, "1062"},
		{"who it is", []string{"identity"}, "0|guid|lab.example|0|RELAY01"},
		{"variables are the machine's", []string{"path", `%ProgramFiles%\a\b.json`}, "0|" + filepath.Join(root, "h", "C", "Program Files", "a", "b.json")},
		{"the script has its own answer to a relative path", []string{"path", `a\b.json`}, `0|a\b.json`},
		{"nothing goes out of the folder", []string{"path", `C:\..\..\x`}, "0|" + filepath.Join(root, "h", "x")},
		{"a word from another time", []string{"none"}, "31"},
		{"nothing", nil, "31"},
	} {
		if got := ask(t, path, c.question...); got != c.want {
			t.Errorf("%q: %q, want %q (%s)", c.question, got, c.want, c.reason)
		}
	}
	if got := ask(t, path, "start", "svc"); got != "0" {
		t.Fatalf("start: %q", got)
	}
	if got := ask(t, path, "status", "svc"); !strings.HasPrefix(got, "0|startPending|") {
		t.Errorf("status: %q", got)
	}
}

func TestChannelFaults(t *testing.T) {
	t.Run("number", func(t *testing.T) {
		path, _ := openChannel(t, machine.Faults(machine.Fault{Op: "service.start", Action: machine.Action{Fail: machine.ErrLogonFailure}}))
		if got := ask(t, path, "start", "svc"); got != "1069" {
			t.Errorf("%q", got)
		}
		if got := ask(t, path, "status", "svc"); !strings.HasPrefix(got, "0|stopped|") {
			t.Errorf("it had an effect: %q", got)
		}
	})
	t.Run("kill", func(t *testing.T) {
		path, ctx := openChannel(t, machine.Faults(machine.Fault{Op: "file.swap", When: machine.Before, Action: machine.Action{End: machine.EndCrash}}))
		if got := ask(t, path, "point", "/a/b.json", "before"); got != "" {
			t.Errorf("a killed process got an answer: %q", got)
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Second):
			t.Error("nothing was killed")
		}
	})
}

func TestPwshHasRoomForSoMany(t *testing.T) {
	e := &Pwsh{root: t.TempDir()}
	for i := range maxHosts + 1 {
		if _, err := e.Disk(strings.Repeat("h", i+1)); (err != nil) != (i == maxHosts) {
			t.Errorf("host %d: %v", i, err)
		}
	}
}
