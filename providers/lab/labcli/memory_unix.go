//go:build unix

package labcli

import (
	"os"
	"runtime"
	"syscall"
)

// residentMB is the most memory that a process used, in 10^6 bytes (getrusage: kilobytes on Linux, bytes on macOS).
func residentMB(p *os.ProcessState) float64 {
	u, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return float64(u.Maxrss) / 1e6
	}
	return float64(u.Maxrss) * 1024 / 1e6
}
