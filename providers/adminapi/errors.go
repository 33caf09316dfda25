package adminapi

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"unicode"

	"meshrotate/providers/limits"
	"meshrotate/providers/negotiate"
	"meshrotate/providers/tlshint"
)

// Kind is what went wrong, as far as a caller needs to know.
type Kind string

// The kinds. The zero Kind is an error that nobody classified.
const (
	BadConfig    Kind = "bad configuration"
	Insecure     Kind = "insecure"               // a credential would travel in clear
	Unreachable  Kind = "unreachable"            // nothing was carried out
	Slow         Kind = "too slow"               // it began to answer, and the answer did not come whole in time
	Local        Kind = "not the server's fault" // this machine met a limit of its own (package limits); nothing was carried out
	Lost         Kind = "answer lost"            // a POST was sent; whether it was carried out is unknown
	Untrusted    Kind = "certificate untrusted"  // unknown authority, wrong name, expired
	TLS          Kind = "TLS failed"             // for another reason
	Credential   Kind = "credential rejected"    // 401
	NoTicket     Kind = "no Kerberos ticket"     // for a reason of the server's or the KDC's, not of the credential's
	Denied       Kind = "permission missing"     // 403
	NotFound     Kind = "not found"              // 404
	Method       Kind = "method not taken"       // 405
	Limited      Kind = "too many requests"      // 429
	Refused      Kind = "request refused"        // any other 4xx
	Redirected   Kind = "redirected"             // 3xx
	WrongContent Kind = "wrong content"          // not the JSON that was asked for
	Server       Kind = "server error"           // any other status
)

// Error is every error of this package but the context's own. It never holds a byte of an answer's body, nor of a
// request's headers.
type Error struct {
	Kind   Kind
	Host   string // host and port of the Admin API
	Op     string // "GET /api/relays"; empty before any call
	Status int    // HTTP status; 0: there was no answer
	Detail string // what was seen
	// Permission is what a 403 asks for, where the product documents it.
	Permission string
	Err        error  // the cause; nil when Detail says it all
	otherwise  bool   // the answer is JSON, and of another layout
	which      string // the same, and the document may say by this key where the list is
	key        string // by which the document names the endpoint, "" where that is not known here
	asked      bool   // it asked for a client's certificate
	elsewhere  bool   // it leads to where nothing is asked
	hint       string // what to do, where that is known better than by the kind
	begun      bool   // the answer begins as JSON and is none, or is too long
	took       bool   // the same endpoint did before what was asked of it
	tries      int    // how often a credential was refused there
}

func (e *Error) Error() string {
	parts := []string{"Admin API"}
	if e.Host != "" {
		parts[0] += " " + plain(e.Host)
	}
	if e.Op != "" {
		parts = append(parts, e.Op)
	}
	return strings.Join(append(parts, e.Seen()), ": ")
}

// Seen is what was seen, without whose answer it was: "not found (HTTP 404)".
func (e *Error) Seen() string {
	what := string(e.Kind)
	if e.Status != 0 {
		what += fmt.Sprintf(" (HTTP %d)", e.Status)
	}
	if e.Detail != "" {
		what += ": " + e.Detail
	}
	return what
}

func (e *Error) Unwrap() error { return e.Err }

// Hint is what a person can do about it, one sentence. Empty when there is nothing to say.
func (e *Error) Hint() string {
	if hint := cmp.Or(e.hint, e.changed()); hint != "" {
		return hint
	}
	var cause interface{ Hint() string }
	if errors.As(e.Err, &cause) && (e.Kind != Credential || e.tries < 2) { // which says once
		if e.Kind == NoTicket {
			return cause.Hint() + "; or sign in with connect.adminApi.auth: ntlm"
		}
		return cause.Hint()
	}
	switch e.Kind {
	case Insecure:
		return "use an https URL: over http a credential can be read on the way"
	case Unreachable:
		return "check connect.adminApi.url, that the IdentityMeshAdmin service runs, and the firewall between this machine and the Admin host"
	case Slow:
		return "it is there and answers, so that its address and firewalls are not the reason: look at the load of the Admin host, at the line to it, and at a proxy on the way that holds answers back; then run again"
	case Lost:
		return "the request may have been carried out: look at the current state before asking again"
	case Untrusted, TLS:
		return e.tlsHint()
	case Credential:
		return "check connect.adminApi.auth and its user, password or token; it was tried " + e.often() + ", so that the account is not locked out"
	case Denied:
		if e.Permission != "" {
			return "give the account the permission " + e.Permission
		}
		return "give the account the permission that this endpoint asks for"
	case NotFound:
		return "the endpoint may live elsewhere in this version: override its path, " + e.named() + ", and check the base path of connect.adminApi.url"
	case Method:
		return "the endpoint is another one in this version, or takes another method: override its path, " + e.named()
	case Refused:
		return "the Admin service, or what stands before it, does not take the request as things are: run again, and if it stays, look at the Admin service's log on the Admin host"
	case Limited:
		return "the Admin service, or what stands before it, takes no more requests for now: wait, and run again"
	case Redirected:
		return "redirects are refused, since they would carry the credential elsewhere: use the final URL, and an auth that this server accepts"
	case WrongContent:
		if e.elsewhere {
			return "let Admin, or the proxy before it, write the address of connect.adminApi.url into its links; or name a path that gives all relays at once as product.api.relays"
		}
		if e.which != "" {
			return "name the field that holds the list, or the path to it, as " + e.which + ", such as data.agents"
		}
		if e.otherwise {
			return "the endpoint answers otherwise than it is known to: correct its path, " + e.named()
		}
		if e.begun {
			return "the answer did not come whole, or is no list of what was asked for: run again, and if it stays, look at the Admin service's log, and at a proxy on the way that cuts or pads answers"
		}
		return "something other than the Admin API answered, such as a login page or a proxy: check connect.adminApi.url and auth"
	case Server:
		if passing(e) {
			return "the Admin service is starting or stopping, or what stands before it does not reach it: run again, and if it stays, look at the Admin service's log on the Admin host"
		}
		return "look at the Admin service's log on the Admin host"
	}
	return ""
}

// often is how often a credential was tried.
func (e *Error) often() string {
	if e.tries > 1 {
		return fmt.Sprintf("%d times, each time after a longer while", e.tries)
	}
	return "once only"
}

// changed is what to do where the same endpoint answered the same account before, in the same run: neither its path nor the account is
// wrong then.
func (e *Error) changed() string {
	const before = "the same endpoint answered this account earlier in this run: "
	const look = "look at the Admin service's log on the Admin host, and at what stands before it"
	switch {
	case !e.took:
	case e.Kind == Credential:
		return before + "the password is not the reason, unless it was changed meanwhile; it was tried " + e.often() + ". Else " + look
	case e.Kind == Denied, e.Kind == NotFound, e.Kind == Method, e.Kind == Redirected, e.Kind == WrongContent && e.which == "" && !e.elsewhere:
		return before + look
	}
	return ""
}

func (e *Error) tlsHint() string {
	host, _, err := net.SplitHostPort(e.Host)
	if err != nil {
		host = e.Host
	}
	return tlshint.Hint(e.Err, tlshint.Server{
		Host: host, Who: "the Admin service", CAFile: "connect.adminApi.caFile",
		Rename: "name the host in connect.adminApi.url as its certificate does",
		Plain:  "use the port of the https endpoint in connect.adminApi.url, or http where nothing but this machine is on the way",
		Renew:  "bind it to the Admin service (Kestrel's Certificates section, or http.sys: netsh http show sslcert)",
		Client: "the Admin service demands a client certificate, which meshrotate does not send: use an endpoint without one",
		Asked:  e.asked,
		Log:    "look at the Admin service's log, and at the Admin host's System log, source Schannel",
	})
}

// KindOf is the Kind of an error of this package, "" for any other.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

// broken turns a transport's error into ours. The text of an unknown error is dropped: it may quote the answer.
func broken(err error) *Error {
	var op *net.OpError
	var dns *net.DNSError
	var verify *tls.CertificateVerificationError
	switch limit := limits.Met(err); {
	case limit != nil:
		return &Error{Kind: Local, Detail: limit.Error(), Err: limit}
	case errors.As(err, &verify):
		return &Error{Kind: Untrusted, Detail: plain(verify.Err.Error()), Err: verify}
	case errors.As(err, new(x509.UnknownAuthorityError)), errors.As(err, new(x509.HostnameError)):
		return &Error{Kind: Untrusted, Detail: plain(err.Error()), Err: err}
	case errors.As(err, new(tls.RecordHeaderError)):
		return &Error{Kind: TLS, Detail: "the server does not speak TLS on this port", Err: tls.RecordHeaderError{}}
	case errors.As(err, &dns):
		return &Error{Kind: Unreachable, Detail: plain(dns.Error()), Err: dns}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Kind: Unreachable, Detail: "no answer in time", Err: context.DeadlineExceeded}
	case errors.As(err, &op) && strings.Contains(op.Error(), "tls: "): // an alert of the other side, or of this one
		return &Error{Kind: TLS, Detail: plain(op.Err.Error()), Err: op}
	case errors.As(err, &op):
		return &Error{Kind: Unreachable, Detail: plain(op.Error()), Err: op}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &Error{Kind: Unreachable, Detail: "the connection was closed before the answer was complete", Err: io.ErrUnexpectedEOF}
	}
	return &Error{Kind: Unreachable, Detail: "the answer is not HTTP, or the connection broke"}
}

// Windows numbers these itself; its syscall.ECONNREFUSED is an invented value that no socket returns
// (https://learn.microsoft.com/windows/win32/winsock/windows-sockets-error-codes-2).
const (
	wsaConnReset   = syscall.Errno(10054)
	wsaConnRefused = syscall.Errno(10061)
)

// passing says that the same read may succeed a moment later.
func passing(err error) bool {
	for _, e := range []error{syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE, wsaConnReset, wsaConnRefused, io.ErrUnexpectedEOF} {
		if errors.Is(err, e) {
			return true
		}
	}
	if errors.Is(err, negotiate.ErrConnectionLost) {
		return true
	}
	var service *negotiate.ServiceError
	if errors.As(err, &service) && service.Unreachable {
		return true
	}
	return Passes(err) || limits.Met(err) != nil
}

// Passes says that somebody answered for a service that is not there now, a proxy or the one that starts it, or takes no more
// requests for now.
func Passes(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Kind == Limited || e.Status == 502 || e.Status == 503 || e.Status == 504)
}

// Otherwise says that what was asked for was answered, in a layout that is not known: it will be the next time, too.
func Otherwise(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.otherwise || e.which != "" || e.elsewhere)
}

// StatusOf is the status of an answer that is the error, 0 where none was.
func StatusOf(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// Answered says that somebody gave an answer, and that it is the error.
func Answered(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status != 0
}

// neverSent says that the request did not leave this machine: there was no connection.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// plain makes text from elsewhere safe to print: one short line of printable characters.
func plain(s string) string {
	const most = 200
	out := make([]rune, 0, min(len(s), most))
	for _, r := range s {
		if len(out) == most {
			return string(out) + "…"
		}
		if !unicode.IsPrint(r) {
			r = '?'
		}
		out = append(out, r)
	}
	return string(out)
}
