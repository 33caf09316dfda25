package mssql

import (
	"context"
	"errors"
	"net"
	"strings"

	mssql "github.com/microsoft/go-mssqldb"

	"meshrotate/providers/limits"
)

// SignInError says why nobody signed in. It is never Accepted.
type SignInError struct {
	Host    string
	Verdict Verdict
	Why     Why
	Err     error
}

func (e *SignInError) Error() string { return e.Host + ": " + inWords(e.Err) }
func (e *SignInError) Unwrap() error { return e.Err }

// Hint says what a person can do, and is empty where nothing is known.
func (e *SignInError) Hint() string {
	var server *ServerError
	var other interface{ Hint() string } // of a ticket that was not given
	switch {
	case errors.As(e.Err, &server):
		return server.Hint()
	case errors.As(e.Err, &other):
		return other.Hint()
	}
	return hints[e.Why]
}

var hints = map[Why]string{
	Unreachable:  "check the server's name and port, that it listens on TCP, and the firewalls between; a named instance without a port is asked for over UDP 1434",
	Untrusted:    "declare the authority that signed the server's certificate, or pin the certificate; its name must be the server's, or be declared",
	NotEncrypted: "let the server encrypt its connections; a password is not sent without",
	TimedOut:     "look whether the server is overloaded, or starting",
	Spared:       "find out why the login was refused before a run tries it again: further attempts could lock it out",
}

// inWords is what went wrong, without the words of Go's libraries.
func inWords(err error) string {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "this machine finds no address for its name"
	case errors.As(err, &dns):
		return "this machine's name server did not say what its address is"
	}
	return goWords.Replace(err.Error())
}

var goWords = strings.NewReplacer(context.DeadlineExceeded.Error(), "no answer in time", context.Canceled.Error(), "the answer was not waited for")

// worded is an error inWords.
type worded struct{ error }

func (e worded) Error() string { return inWords(e.error) }
func (e worded) Unwrap() error { return e.error }

// judge says what a failed sign-in means. The driver keeps errors of the handshake as text only.
func judge(host string, err error) error {
	out := &SignInError{Host: host, Err: err, Why: Unreachable}
	var server mssql.Error
	switch text := err.Error(); {
	case errors.As(err, &server):
		answer := fromDriver(server, true) // a login packet is not quoted: the text names the login and no password
		out.Err = answer
		out.Verdict, out.Why = answer.verdict()
	case limits.Told(err) != nil:
		out.Why, out.Err = Local, limits.Told(err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		out.Why = TimedOut
	case strings.Contains(text, certificateTrouble):
		out.Why = Untrusted
	case errors.Is(err, errExposed), strings.Contains(text, "server does not support encryption"):
		out.Why = NotEncrypted
	}
	return out
}
