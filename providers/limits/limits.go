// Package limits tells what this machine lacks from what another one does: a connection that cannot be made for want of
// descriptors, ports or memory says nothing about the host at its other end.
package limits

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
)

// Error is a limit of this machine that was met. It is never a host's fault.
type Error struct {
	kind kind
	most uint64 // open files allowed to this process; 0: not known
	Err  error
}

type kind int

const (
	descriptors kind = iota + 1 // of this process
	system                      // descriptors of the whole machine
	ports
	memory
)

// Error says what is lacking, and not with whom: it is the same for every host.
func (e *Error) Error() string {
	switch e.kind {
	case descriptors:
		if e.most > 0 {
			return fmt.Sprintf("this machine allows %d open files, and all are in use", e.most)
		}
		return "this machine allows no more open files"
	case system:
		return "this machine has as many open files as its kernel allows"
	case ports:
		return "this machine has no free port, or no address, to connect from"
	}
	return "this machine has no memory for another connection"
}

// Unwrap is the system's own error.
func (e *Error) Unwrap() error { return e.Err }

// Hint is what a person can do about it.
func (e *Error) Hint() string {
	switch e.kind {
	case descriptors:
		return raise
	case system:
		return "raise the kernel's limit (sysctl fs.file-max), end what holds so many, or lower policy.parallel"
	case ports:
		return "wait until closed connections are forgotten, widen the range (sysctl net.ipv4.ip_local_port_range; netsh int ipv4 set dynamicport), or lower policy.parallel; " +
			"an IPv6 address needs IPv6 on this machine"
	}
	return "give this machine memory, or lower policy.parallel"
}

const raise = "raise the limit on open files (`ulimit -Hn`; LimitNOFILE= of a systemd unit; --ulimit nofile= of a container), or lower policy.parallel"

// Met is the limit behind an error, nil where there is none.
func Met(err error) *Error {
	var known *Error
	var dns *net.DNSError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case errors.As(err, &dns):
		return resolving(dns)
	}
	for errno, k := range errnos {
		if errors.Is(err, errno) {
			return met(k, err)
		}
	}
	return nil
}

// Told is Met for a library that keeps its causes as text only.
func Told(err error) *Error {
	if e := Met(err); e != nil || err == nil {
		return e
	}
	text := err.Error()
	for errno, k := range errnos {
		if strings.Contains(text, errno.Error()) {
			if k == descriptors && strings.Contains(text, syscall.ENFILE.Error()) { // one text begins as the other does
				k = system
			}
			return met(k, err)
		}
	}
	return nil
}

// resolving judges a look-up of a name that failed. The resolver keeps its causes as text, and takes a file of this machine
// that it cannot open for one that is not there: then the name is not found.
func resolving(dns *net.DNSError) *Error {
	if e := Told(errors.New(dns.Err)); e != nil {
		return e
	}
	f, err := os.Open(os.DevNull)
	if err == nil {
		_ = f.Close()
		return nil
	}
	return Met(err)
}

func met(k kind, err error) *Error {
	e := &Error{kind: k, Err: err}
	if most, known := Files(); known {
		e.most = most
	}
	return e
}
