//go:build unix

package program

import (
	"os/exec"
	"syscall"
)

// Alone lets no Ctrl-C of our terminal reach the program, and ends with it what it has started.
func Alone(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
