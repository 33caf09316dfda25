//go:build unix

package limits

import "syscall"

var errnos = map[syscall.Errno]kind{
	syscall.EMFILE:        descriptors,
	syscall.ENFILE:        system,
	syscall.EADDRNOTAVAIL: ports,
	syscall.ENOMEM:        memory,
	syscall.ENOBUFS:       memory,
}

// Files is how many files this process may have open. Go has raised it to the hard limit before main began (package syscall).
func Files() (most uint64, known bool) {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0, false
	}
	return uint64(l.Cur), true
}
