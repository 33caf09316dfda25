package process

import (
	"errors"
	"strconv"
	"syscall"
)

// From https://learn.microsoft.com/windows/win32/procthread/process-security-and-access-rights and
// https://learn.microsoft.com/windows/win32/debug/system-error-codes--0-499-.
const (
	queryLimitedInformation = 0x1000
	errInvalidParameter     = syscall.Errno(87)
)

// Of tells a process from a later one with the same number: when it was created, "" when that is not known.
func Of(pid int) string {
	created, _, err := times(pid)
	if err != nil {
		return ""
	}
	return strconv.FormatInt(created, 10)
}

// Ended says that a process of a machine with our host name has certainly ended. In doubt it has not, and its
// heartbeat decides.
func Ended(pid int, process string) bool {
	if pid <= 0 {
		return false
	}
	created, running, err := times(pid)
	if errors.Is(err, errInvalidParameter) {
		return true // no process has that number
	}
	if err != nil {
		return false
	}
	return !running || process != "" && process != strconv.FormatInt(created, 10)
}

// times returns when a process was created, in nanoseconds since 1970, and whether it is still running. An ended
// process keeps its number while somebody has a handle on it.
func times(pid int) (created int64, running bool, err error) {
	h, err := syscall.OpenProcess(queryLimitedInformation|syscall.SYNCHRONIZE, false, uint32(pid))
	if err != nil {
		return 0, false, err
	}
	defer func() { _ = syscall.CloseHandle(h) }()
	var creation, exit, kernel, user syscall.Filetime
	if err := syscall.GetProcessTimes(h, &creation, &exit, &kernel, &user); err != nil {
		return 0, false, err
	}
	event, err := syscall.WaitForSingleObject(h, 0)
	return creation.Nanoseconds(), event == syscall.WAIT_TIMEOUT, err
}
