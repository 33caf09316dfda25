package program

import (
	"os/exec"
	"syscall"
)

// Alone lets no Ctrl-C of our console reach the program.
func Alone(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
