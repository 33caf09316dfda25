//go:build unix

package durable

import "syscall"

// nonblock keeps an open of a FIFO from waiting for its other end. It changes nothing for regular files.
const nonblock = syscall.O_NONBLOCK
