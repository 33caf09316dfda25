package engine

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/winhost"
	"meshrotate/providers/winhost/process"
	"meshrotate/reconciler"
)

// patience is how long a Windows program may take under Wine. The first of all makes Wine's folder, which takes most
// of it.
const patience = 3 * time.Minute

// Wine is one Windows machine: PowerShell for Windows, real services and real files. All hosts of the lab are this
// machine, under their own names and each behind its own WinRM. So there is one relay at most, and Admin and Engine
// share the license file. It is a lab.ServiceManager.
type Wine struct {
	program string   // pwsh-windows
	env     []string // with which wine runs programs in the same world
	drive   string   // where drive C: is on this machine
	root    string   // the lab's files
	keeper  *exec.Cmd
	close   sync.Once
	quit    chan struct{} // closed by Close
	watch   sync.WaitGroup

	mu       sync.Mutex
	hosts    []string
	services map[string]*service // by the product's name for it
}

// OpenWine finds pwsh-windows and wine on PATH, and starts what keeps Wine's service manager alive.
func OpenWine() (*Wine, error) {
	e := &Wine{quit: make(chan struct{}), services: map[string]*service{}}
	if err := e.open(); err != nil {
		e.Close()
		return nil, fmt.Errorf("engine pwsh-windows: %w", err)
	}
	return e, nil
}

func (e *Wine) open() (err error) {
	if e.program, err = exec.LookPath("pwsh-windows"); err != nil {
		return err
	}
	if _, err = exec.LookPath("wine"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	settings, err := exec.CommandContext(ctx, "bash", "-c", `settings=$("$0" --env) && eval "$settings" && unset DISPLAY && exec env -0`, e.program).Output()
	if err != nil {
		return fmt.Errorf("%s --env: %w", e.program, err)
	}
	e.env = strings.FieldsFunc(string(settings), func(c rune) bool { return c == 0 })
	at := slices.IndexFunc(e.env, func(v string) bool { return strings.HasPrefix(v, "WINEPREFIX=") })
	if at < 0 {
		return fmt.Errorf("%s --env names no WINEPREFIX", e.program)
	}
	e.drive = filepath.Join(strings.TrimPrefix(e.env[at], "WINEPREFIX="), "drive_c")
	if e.root, err = os.MkdirTemp("", "meshrotate-wine-"); err != nil {
		return err
	}
	e.keeper = exec.Command("wine", `C:\svc\keeper.exe`)
	e.keeper.Env = e.env
	if err := e.keeper.Start(); err != nil {
		return err
	}
	return e.windows("cmd", "/c", "exit 0") // a program ends only after the world of the keeper is up
}

// steadily is windows with some patience: when another user of the same Wine has just ended, its service manager may be
// on its way down, and a new one comes up. Done says that an earlier try had its effect after all.
func (e *Wine) steadily(done func() bool, args ...string) error {
	var err error
	for range 10 {
		if err = e.windows(args...); err == nil || done() {
			return nil
		}
		time.Sleep(300 * time.Millisecond)
	}
	return err
}

// windows runs a Windows program.
func (e *Wine) windows(args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "wine", args...)
	cmd.Env = e.env
	// A file, not a pipe: the first Windows program brings up Wine's server, which would hold a pipe open.
	said, err := os.CreateTemp(e.root, "said-")
	if err != nil {
		return err
	}
	defer func() { _ = said.Close(); _ = os.Remove(said.Name()) }()
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Run(); err != nil {
		out, _ := os.ReadFile(said.Name()) // what it said is a help, no more
		return fmt.Errorf("wine %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// Disk is the same for all hosts. It refuses a second relay, whose files and service would be the first one's.
func (e *Wine) Disk(host string) (machine.FS, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hosts = append(e.hosts, host)
	if len(e.hosts) > 3 {
		return nil, reconciler.Hinted(fmt.Errorf("engine pwsh-windows: no room for %s: one Windows machine holds Admin, Engine and one relay", host),
			"use --relays 1, and leave --all out")
	}
	return disk{machine.Dir(e.root)}, nil
}

// path is where a file of the product is, as Windows programs name it.
func (e *Wine) path(path string) string {
	return "Z:" + strings.ReplaceAll(machine.Dir(e.root).Local(path), "/", `\`)
}

// Product names the real services and files.
func (e *Wine) Product() string {
	var b strings.Builder
	b.WriteString("# One Windows machine under Wine plays all hosts.\nproduct:\n")
	for _, c := range []struct{ key, service, settings string }{
		{"admin", lab.AdminService, lab.AdminSettings},
		{"engine", lab.EngineService, lab.EngineSettings},
		{"relay", lab.RelayService, lab.RelaySettings},
	} {
		fmt.Fprintf(&b, "  %s:\n    service: %s\n    settings: '%s'\n", c.key, e.serviceName(c.service), e.path(c.settings))
	}
	return b.String()
}

// License is where the license file is.
func (e *Wine) License() string { return e.path(lab.LicenseFile) }

// Run is one PowerShell process. Nothing is put before or in the place of the script. Command lines that are not the
// host script's are left to the machine's model. Of the machine's Hook only the point "start" is asked.
func (e *Wine) Run(ctx context.Context, m *machine.Machine, p wsman.Process) uint32 {
	if !winhost.IsCommandLine(p.CommandLine) {
		return m.Run(ctx, p.CommandLine, p.Stdin, p.Stdout, p.Stderr)
	}
	ctx, kill := context.WithCancel(ctx)
	defer kill()
	if strike(ctx, m, machine.Point{Op: "start", When: machine.Before}, kill); ctx.Err() != nil {
		return 1
	}
	wrote := &transcript{Writer: p.Stderr}
	record(m, "4688", p.CommandLine)
	code := process.PowerShell(e.program, "")(ctx, p.CommandLine, p.Stdin, p.Stdout, wrote)
	record(m, "stderr", wrote.String())
	return code
}

// Close removes the services and the files. A second Close does nothing.
func (e *Wine) Close() { e.close.Do(e.end) }

func (e *Wine) end() {
	close(e.quit)
	e.watch.Wait()
	var remove sync.WaitGroup
	for _, s := range e.services {
		remove.Go(s.remove)
	}
	remove.Wait()
	if e.keeper != nil && e.keeper.Process != nil {
		_ = e.keeper.Process.Kill()
		_ = e.keeper.Wait()
	}
	if e.root != "" {
		_ = os.RemoveAll(e.root)
	}
}
