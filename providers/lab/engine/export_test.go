package engine

import (
	"os"
	"os/exec"
	"path/filepath"

	"meshrotate/providers/lab/machine"
)

// Log is what the program of a real service wrote: one line for each change of its state.
func (e *Wine) Log(service string) string {
	b, _ := os.ReadFile(filepath.Join(e.drive, "svc", e.serviceName(service)+".log"))
	return string(b)
}

// Query asks Wine's service manager for a service; an error says that there is none.
func (e *Wine) Query(service string) error {
	cmd := exec.Command("wine", "sc.exe", "query", e.serviceName(service))
	cmd.Env = e.env
	return cmd.Run()
}

// Root is where the disks are.
func (e *Pwsh) Root() string { return e.root }
func (e *Wine) Root() string { return e.root }

// Local is where a file of a host is on this machine.
func (e *Pwsh) Local(host, path string) string {
	return machine.Dir(filepath.Join(e.root, host)).Local(path)
}
