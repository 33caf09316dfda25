//go:build unix

package lab

import (
	"syscall"
	"time"
)

// usedMS is the CPU that this process has used.
func usedMS() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(time.Duration(u.Utime.Nano()+u.Stime.Nano()).Microseconds()) / 1000
}
