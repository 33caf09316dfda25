package live

import (
	"os/exec"
	"syscall"
)

// alone lets no Ctrl-C of our console reach the program.
func alone(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
