package winrm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"meshrotate/providers/limits"
)

// Class says what kind of failure an Error is, and so what a caller may do next.
type Class int

const (
	// Unknown: a command may have taken effect, wholly or in part. Look at the host again, then decide.
	Unknown Class = iota
	// Unreachable: no useful answer, and no command was run. Other hosts go on.
	Unreachable
	// Canceled: the caller gave up before a command was run.
	Canceled
	// Credential: the host refused the login, or a Guard did not let it be tried. See Guard.
	Credential
	// Denied: logged in, but not allowed. Trying again changes nothing.
	Denied
	// TLS: the certificate or the TLS handshake was refused. Trying again changes nothing.
	TLS
	// Protocol: the answer is not one that the host should give: clear text, a bad signature, another message's answer,
	// an end without exit code. Somebody may be tampering.
	Protocol
	// Quota: the user has too many shells on the host. Waiting helps.
	Quota
	// OperationsQuota: a shell has no operations left, and a new one did not help.
	OperationsQuota
	// Unsupported: the host does not offer what is asked of it.
	Unsupported
	// Rejected: the host understood and refused, and no command was run.
	Rejected
	// Refused: this side refused before anything was sent.
	Refused
	// Ticket: the host has no Kerberos ticket or does not take it, for a reason of its own or of the KDC's. The
	// credential is not to blame, and trying again changes nothing.
	Ticket
	// Local: this machine met a limit of its own (package limits), and no command was run. It says nothing about the host.
	Local
)

// String is the class in words.
func (c Class) String() string {
	names := [...]string{"outcome unknown", "unreachable", "canceled", "credential refused", "access denied",
		"TLS", "protocol violation", "too many shells", "operations used up", "unsupported", "rejected", "refused", "no Kerberos ticket", "not the host's fault"}
	if c < 0 || int(c) >= len(names) {
		return fmt.Sprintf("class %d", int(c))
	}
	return names[c]
}

// Error is what every failure in this package is.
type Error struct {
	Class Class
	Host  string // Config.Name
	Doing string // what was being done, as in "start a command"
	// Ran says that a command had been asked for: whatever the class, it may have taken effect.
	Ran bool
	// Looked says that what was asked for changes nothing: an outcome that is unknown has left everything as it was.
	Looked bool
	Err    error

	elsewhere bool          // a refused credential that other hosts take
	idle      time.Duration // after which the host ends a shell that nobody deletes
}

// Error reads as "relay01: receive its output: outcome unknown: unexpected EOF".
func (e *Error) Error() string {
	class := e.Class.String()
	if e.Class == Unknown && e.Looked {
		class = "no whole answer"
	}
	return fmt.Sprintf("%s: %s: %s: %s", e.Host, e.Doing, class, cause(e.Err))
}

// cause leaves out the addresses of an established connection: our port is another one on every connection, and the
// same trouble should read the same on every host.
func cause(err error) string {
	var limit *limits.Error
	if errors.As(err, &limit) {
		return limit.Error()
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op != "dial" && op.Err != nil {
		return op.Err.Error() // it names the operation itself
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return "the host closed the connection"
	}
	return fmt.Sprint(err)
}

// Unwrap is the cause, a *Fault when the host sent one.
func (e *Error) Unwrap() error { return e.Err }

// fail is an Error of class c while doing op.
func (s *Session) fail(op *operation, c Class, err error) *Error {
	return &Error{Class: c, Host: s.cfg.Name, Doing: op.name, Ran: op.ran && c != Refused, Err: err, idle: s.cfg.IdleTimeout}
}

// lost is the Error for a connection that ended, or for a caller that gave up, before the answer was there.
func (s *Session) lost(ctx context.Context, op *operation, err error) *Error {
	class := lostClass(op)
	if gaveUp := context.Cause(ctx); gaveUp != nil {
		err = gaveUp // the socket was closed for this reason; its own error says less
		if class == Unreachable && errors.Is(ctx.Err(), context.Canceled) {
			class = Canceled
		}
	} else if limit := limits.Met(err); limit != nil {
		err = limit
		if class == Unreachable {
			class = Local
		}
	}
	return s.fail(op, class, err)
}

func lostClass(op *operation) Class {
	if op.ran {
		return Unknown
	}
	return Unreachable
}

// An httpError is an answer without a SOAP message.
type httpError struct{ status int }

func (e *httpError) Error() string {
	return fmt.Sprintf("HTTP %d %s without a message", e.status, http.StatusText(e.status))
}

// passes says that something in front of WinRM answered, for WinRM is restarting or too busy. It answers such a request
// later.
func (e *httpError) passes() bool {
	switch e.status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// answered is the Error for an answer to op that is no message. What stands before WinRM may have passed a request on,
// so what a command did is unknown.
func (s *Session) answered(op *operation, status int) *Error {
	e := &httpError{status}
	if e.passes() {
		return s.fail(op, lostClass(op), e)
	}
	return s.fail(op, classOfStatus(status), e)
}

func classOfStatus(status int) Class {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden: // the login itself was accepted just before
		return Denied
	case http.StatusNotFound:
		return Unsupported
	case http.StatusRequestEntityTooLarge:
		return Rejected
	}
	return Protocol
}

// A protocolError is an answer that the host must not give.
type protocolError struct{ what string }

func (e *protocolError) Error() string { return e.what }

func violation(format string, args ...any) error {
	return &protocolError{fmt.Sprintf(format, args...)}
}

// An insecureError says why a clear connection was refused.
type insecureError struct{ auth Auth }

func (e *insecureError) Error() string {
	return fmt.Sprintf("%s over plain http would be readable on the network", e.auth)
}

// A chainError shows the certificates of a chain that was refused.
type chainError struct {
	err *tls.CertificateVerificationError
}

func (e *chainError) Unwrap() error { return e.err }

func (e *chainError) Error() string {
	var b strings.Builder
	b.WriteString(e.err.Error())
	for i, c := range e.err.UnverifiedCertificates {
		fmt.Fprintf(&b, "; certificate %d: %q issued by %q, for %s, valid until %s", i, c.Subject, c.Issuer,
			strings.Join(append(append([]string{}, c.DNSNames...), addresses(c)...), " "), c.NotAfter.UTC().Format("2006-01-02"))
	}
	return b.String()
}
