//go:build unix

package main

import "syscall"

// noCore keeps the memory of this process, and of those that it starts, out of core files: it holds secrets. Lowering a
// limit needs no right, so it does not fail.
func noCore() {
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
}
