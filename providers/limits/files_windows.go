package limits

import "syscall"

// https://learn.microsoft.com/windows/win32/winsock/windows-sockets-error-codes-2 and
// https://learn.microsoft.com/windows/win32/debug/system-error-codes
var errnos = map[syscall.Errno]kind{
	10024: descriptors, // WSAEMFILE
	4:     descriptors, // ERROR_TOO_MANY_OPEN_FILES
	10049: ports,       // WSAEADDRNOTAVAIL
	10055: memory,      // WSAENOBUFS
	8:     memory,      // ERROR_NOT_ENOUGH_MEMORY
	1450:  memory,      // ERROR_NO_SYSTEM_RESOURCES
	1455:  memory,      // ERROR_COMMITMENT_LIMIT
}

// Files is not known: Windows bounds handles by memory alone.
func Files() (most uint64, known bool) { return 0, false }
