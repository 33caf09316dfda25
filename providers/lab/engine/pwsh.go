package engine

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/winhost"
	"meshrotate/providers/winhost/process"
	"meshrotate/reconciler"
)

//go:embed unix.ps1
var unix string

//go:embed linux.ps1
var linux string

// prelude takes the place of the script's functions that only Windows has.
var prelude = unix + linux

// maxHosts is how many hosts there may be: each one's process stays for the length of a run.
const maxHosts = 40

// Pwsh is PowerShell on Linux: each command is a process of about 140 MB. It is a lab.Engine.
type Pwsh struct {
	program string
	self    string        // this program, which plays what a host's PowerShell starts
	root    string        // holds a folder for each host
	starts  chan struct{} // a token for each process that is starting

	mu    sync.Mutex
	hosts int
}

// OpenPwsh finds pwsh on PATH.
func OpenPwsh() (*Pwsh, error) {
	program, err := exec.LookPath("pwsh")
	if err != nil {
		return nil, fmt.Errorf("engine pwsh: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("engine pwsh: %w", err)
	}
	root, err := os.MkdirTemp("", "meshrotate-pwsh-")
	if err != nil {
		return nil, fmt.Errorf("engine pwsh: %w", err)
	}
	return &Pwsh{program: program, self: self, root: root, starts: make(chan struct{}, max(2, runtime.NumCPU()))}, nil
}

// Disk is a folder of this machine.
func (e *Pwsh) Disk(host string) (machine.FS, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.hosts++; e.hosts > maxHosts {
		return nil, reconciler.Hinted(fmt.Errorf("engine pwsh: no room for %s: every host needs a process of about 140 MB", host),
			fmt.Sprintf("use at most --relays %d", maxHosts-2))
	}
	dir := filepath.Join(e.root, host)
	for _, dir := range []string{dir, home(dir)} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, fmt.Errorf("engine pwsh: disk of %s: %w", host, err)
		}
	}
	return disk{machine.Dir(dir)}, nil
}

// Close removes the disks. Their processes must have ended.
func (e *Pwsh) Close() { _ = os.RemoveAll(e.root) }

// Run is one PowerShell process. Command lines that are not the host script's are left to the machine's model.
//
// The machine's Hook may kill the process, at the point "start" and around "service.start", "service.stop" and
// "file.swap", which here is every replacement of a live file. The recorder gets the command line, the engine's
// own event log ("events": script blocks and module logging) and what the process wrote to standard error.
func (e *Pwsh) Run(ctx context.Context, m *machine.Machine, p wsman.Process) uint32 {
	if !winhost.IsCommandLine(p.CommandLine) {
		return m.Run(ctx, p.CommandLine, p.Stdin, p.Stdout, p.Stderr)
	}
	select {
	case e.starts <- struct{}{}:
	case <-ctx.Done():
		return 1
	}
	started := sync.OnceFunc(func() { <-e.starts })
	defer started()

	ctx, kill := context.WithCancel(ctx)
	defer kill()
	if strike(ctx, m, machine.Point{Op: "start", When: machine.Before}, kill); ctx.Err() != nil {
		return 1
	}
	private, err := os.MkdirTemp(e.root, "run-")
	if err != nil {
		fmt.Fprintln(p.Stderr, err)
		return 127
	}
	defer func() { _ = os.RemoveAll(private) }()
	home := home(string(m.FS.(disk).Dir))
	c := &channel{machine: m, kill: kill, started: started, stored: func() { stored(m, home, lab.BuildStore) }}
	if err := c.open(ctx, filepath.Join(private, "s")); err != nil {
		fmt.Fprintln(p.Stderr, err)
		return 127
	}
	defer c.close()
	defer kill() // before close: nobody waits for a fault any more
	if err := e.place(m); err != nil {
		fmt.Fprintln(p.Stderr, err)
		return 127
	}

	env := []string{socketVariable + "=" + filepath.Join(private, "s"), programVariable + "=" + e.self, "HOME=" + home}
	if cache, err := os.UserCacheDir(); err == nil { // what the program has unpacked once is the same for all
		env = append(env, "XDG_CACHE_HOME="+cache)
	}
	record(m, "4688", p.CommandLine)
	if m.Record == nil {
		return process.PowerShell(e.program, prelude, env...)(ctx, p.CommandLine, p.Stdin, p.Stdout, p.Stderr)
	}
	events, wrote := filepath.Join(private, "events"), &transcript{Writer: p.Stderr}
	env = append(env, "PWSH_EVENTLOG="+events)
	code := process.PowerShell(e.program, prelude, env...)(ctx, p.CommandLine, p.Stdin, p.Stdout, wrote)
	text, err := os.ReadFile(events)
	if err != nil {
		text = []byte("no event log: " + err.Error())
	}
	record(m, "events", string(text))
	record(m, "stderr", wrote.String())
	return code
}
