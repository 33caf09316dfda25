package winrm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	// Windows closes an idle connection after about two minutes. A request that meets the closing would have an
	// unknown outcome, so a connection that was idle for long is replaced before.
	maxIdle = 90 * time.Second
	// A connection that was idle for this long is asked whether it is still open.
	askIdle = time.Second
	// An answer may be larger than an envelope by its sealing, and by what servers get wrong.
	answerSlack = 64 << 10

	soapType = "application/soap+xml;charset=UTF-8"
)

// A connection carries one HTTP request at a time. What is authenticated is the connection.
type connection struct {
	net.Conn
	raw           net.Conn // below TLS: closing it never waits
	first         [1]byte  // of an answer
	unread        bool     // first is still to be read
	host          string
	limit         time.Duration // for one request and its answer
	maxAnswer     int
	authorization string  // goes with every request, if not ""
	seal          *sealer // seals every message and its answer, if not nil
	sealed        bool    // messages must not leave without seal
	proven        bool    // a request was accepted with this login
	offers        []string
	now           func() time.Time
	used          time.Time
	closing       bool // the host wants no further request here
	head          int  // how many bytes of an answer's head may come still; 0: none is read, below: it had more
}

// usable says that the connection may take another request.
func (c *connection) usable() bool {
	idle := c.now().Sub(c.used)
	if c.closing || idle > maxIdle {
		return false
	}
	if idle < askIdle {
		return true
	}
	// Nothing may come unasked: silence is what an open connection answers.
	if c.SetReadDeadline(time.Now().Add(time.Millisecond)) != nil {
		return false
	}
	_, err := c.Conn.Read(c.first[:])
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// talk sends one message, an envelope behind headRoom bytes, sealed if the login says so, releases it, and returns the HTTP status and
// the envelope that answers. The error is a *protocolError for what the host must not answer, otherwise the connection was lost.
func (c *connection) talk(ctx context.Context, message []byte) (int, []byte, error) {
	contentType, at := soapType, headRoom
	if c.sealed {
		contentType = sealType
		sealed, begins, err := c.seal.wrap(message, at)
		if err != nil {
			release(message)
			return 0, nil, violation("sealing: %v", err)
		}
		message, at = sealed, begins
	}
	a, err := c.post(ctx, contentType, c.authorization, message, at)
	if err != nil {
		return 0, nil, err
	}
	return c.opened(a)
}

// opened is the status and the envelope of an answer. It is no part of talk, which waits: what that has on its stack, ten thousand have.
func (c *connection) opened(a answer) (int, []byte, error) {
	if a.status != http.StatusOK && a.status != http.StatusInternalServerError {
		return a.status, nil, nil // these have no message; whatever is there is not read
	}
	if len(a.body) == 0 {
		return a.status, nil, nil
	}
	media, params, err := mediaOf(a.contentType)
	charset := params["charset"]
	switch soap := media == "application/soap+xml" && (charset == "" || isUTF8(charset)); {
	case err == nil && c.sealed && media == sealMedia:
		body, err := c.seal.unwrap(params, a.body)
		return a.status, body, err
	case err == nil && c.sealed && soap:
		return 0, nil, violation("a clear answer to a sealed message")
	case err == nil && soap:
		return a.status, a.body, nil
	}
	return 0, nil, violation("HTTP %d with content of type %q, which is no message of WinRM's", a.status, clip([]byte(a.contentType)))
}

// mediaOf is mime.ParseMediaType, which knows the types that hosts give nearly all their answers.
func mediaOf(contentType string) (string, map[string]string, error) {
	switch contentType {
	case soapType:
		return "application/soap+xml", nil, nil // its characters are UTF-8
	case sealType:
		return sealMedia, sealParams, nil
	}
	return mime.ParseMediaType(contentType)
}

var sealParams = map[string]string{"protocol": sealProtocol, "boundary": sealBoundary}

// An answer is an HTTP response, read to its end.
type answer struct {
	status      int
	contentType string
	offers      []string // WWW-Authenticate
	body        []byte
}

// post sends one HTTP request, whose body is behind message's first at bytes, releases it, and reads the whole answer. The end of
// ctx closes the socket.
func (c *connection) post(ctx context.Context, contentType, authorization string, message []byte, at int) (answer, error) {
	stop := context.AfterFunc(ctx, func() { _ = c.raw.Close() })
	defer func() {
		if !stop() {
			c.closing = true // even if the answer came in time
		}
	}()
	if err := c.SetDeadline(time.Now().Add(c.limit)); err != nil {
		release(message)
		return answer{}, err
	}
	if err := c.send(request(c.host, contentType, authorization, message, at)); err != nil {
		release(message)
		return answer{}, err
	}
	release(message)
	return c.receive()
}

func (c *connection) send(out []byte) error {
	n, err := c.Write(out)
	if err == nil {
		return nil
	}
	c.closing = true
	if n < len(out) && !errors.Is(err, os.ErrDeadlineExceeded) {
		return &unsentError{err}
	}
	return err
}

// request puts the head of an HTTP request before its body: written at the beginning of the room that message has before it, and moved
// up to the body; or in a copy where that is too small. Nothing in a head comes from a host, and the configuration was checked for what would end a line.
func request(host, contentType, authorization string, message []byte, at int) []byte {
	head := append(append(message[:0:at], "POST /wsman HTTP/1.1\r\nHost: "...), host...)
	head = append(head, "\r\nUser-Agent: meshrotate\r\nContent-Length: "...)
	head = strconv.AppendInt(head, int64(len(message)-at), 10)
	if authorization != "" {
		head = append(append(head, "\r\nAuthorization: "...), authorization...)
	}
	head = append(append(head, "\r\nContent-Type: "...), contentType...)
	head = append(head, "\r\n\r\n"...)
	if begins := at - len(head); begins >= 0 {
		copy(message[begins:], head)
		return message[begins:]
	}
	return slices.Concat(head, message[at:])
}

// readers are for answers while they come.
var readers = sync.Pool{New: func() any { return bufio.NewReader(nil) }}

// receive waits for an answer without a buffer, as most of ten thousand connections do at any time, and then reads it with one.
func (c *connection) receive() (answer, error) {
	if _, err := io.ReadFull(c.Conn, c.first[:]); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return answer{}, c.ended(err)
	}
	a, err := c.answer()
	c.offers = a.offers
	return a, c.ended(err)
}

// ended notes that an exchange has ended, and makes a breach of the protocol of what is no loss.
func (c *connection) ended(err error) error {
	c.used = c.now()
	if err != nil && !isLoss(err) {
		return violation("%v", err)
	}
	return err
}

// answer reads what has begun to come.
func (c *connection) answer() (answer, error) {
	c.unread = true
	r := readers.Get().(*bufio.Reader)
	r.Reset(c)
	a, err := c.read(r)
	c.closing = c.closing || r.Buffered() > 0 // nothing may come unasked
	r.Reset(nil)
	readers.Put(r)
	return a, err
}

// maxHead is how many bytes the head of an answer may have. IIS and http.sys send some hundred.
const maxHead = 64 << 10

// Read is that of what is below, but for the byte that was waited for. A head without end is cut off: whoever stands before a host could
// else take all memory, before anything was signed.
func (c *connection) Read(b []byte) (int, error) {
	if c.unread && len(b) > 0 {
		b[0], c.unread = c.first[0], false
		return 1, nil
	}
	if c.head < 0 {
		return 0, fmt.Errorf("the head of the answer has more than %d bytes", maxHead)
	}
	n, err := c.Conn.Read(b)
	if c.head > 0 {
		if c.head -= n; c.head == 0 {
			c.head = -1
		}
	}
	return n, err
}

func (c *connection) read(from *bufio.Reader) (answer, error) {
	if a, n, ok := plainHead(from, c.maxAnswer); ok {
		a.body = make([]byte, n)
		_, err := io.ReadFull(from, a.body)
		return a, err
	}
	c.head = maxHead
	resp, err := http.ReadResponse(from, nil) // it is of no HEAD
	c.head = 0
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	c.closing = c.closing || resp.Close
	a := answer{status: resp.StatusCode, contentType: resp.Header.Get("Content-Type"), offers: resp.Header["Www-Authenticate"]}
	switch n := resp.ContentLength; {
	case n > int64(c.maxAnswer):
		return answer{}, fmt.Errorf("the answer has %d bytes, more than %d", n, c.maxAnswer)
	case n >= 0:
		a.body = make([]byte, n)
		_, err = io.ReadFull(resp.Body, a.body)
	default:
		a.body, err = io.ReadAll(io.LimitReader(resp.Body, int64(c.maxAnswer)+1))
		if len(a.body) > c.maxAnswer {
			return answer{}, fmt.Errorf("the answer has more than %d bytes", c.maxAnswer)
		}
	}
	return a, err
}

// An unsentError is a connection that ended before the whole request was written. The host cannot have processed it:
// every request says how long it is.
type unsentError struct{ err error }

func (e *unsentError) Error() string { return fmt.Sprint(e.err) }
func (e *unsentError) Unwrap() error { return e.err }

// Windows numbers these itself (https://learn.microsoft.com/windows/win32/winsock/windows-sockets-error-codes-2).
const (
	wsaConnAborted = syscall.Errno(10053)
	wsaConnReset   = syscall.Errno(10054)
)

// cutShort says that a connection was there and then ended, as when the host closes it in the middle of a login.
func cutShort(err error) bool {
	for _, e := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE, wsaConnAborted, wsaConnReset} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// isLoss tells a connection that ended, whoever ended it, from an answer that is not HTTP.
func isLoss(err error) bool {
	var n net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &n)
}
