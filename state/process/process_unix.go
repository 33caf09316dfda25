//go:build unix

// Package process tells processes apart: one that holds a lease from a later one with the same number.
package process

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Of tells a process from a later one with the same number, and from one in another container: the machine's
// boot, the PID namespace, and the process's start in clock ticks after the boot (proc(5)). It is "" where there is no
// /proc.
func Of(pid int) string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	start, _, ok := procStat(pid)
	if !ok {
		return ""
	}
	return strings.TrimSpace(string(boot)) + " " + namespace + " " + start
}

// Ended says that a process of a machine with our host name has certainly ended. In doubt it has not, and its
// heartbeat decides.
func Ended(pid int, process string) bool {
	if pid <= 0 {
		return false
	}
	here := Of(os.Getpid())
	if !samePlace(process, here) {
		return false
	}
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return true
	}
	start, state, ok := procStat(pid)
	if !ok || process == "" {
		return false
	}
	return state == "Z" || !strings.HasSuffix(process, " "+start)
}

// samePlace compares boot and namespace. Where neither is known, on macOS, the host name has to do.
func samePlace(a, b string) bool {
	cut := func(s string) string { return s[:max(0, strings.LastIndexByte(s, ' '))] }
	return cut(a) == cut(b)
}

// procStat reads a process's start time (field 22) and state (field 3). The name in field 2 may hold anything, so
// fields are counted from its closing parenthesis.
func procStat(pid int) (start, state string, ok bool) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", "", false
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	if len(fields) < 20 {
		return "", "", false
	}
	return fields[19], fields[0], true
}
