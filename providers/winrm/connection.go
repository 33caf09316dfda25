package winrm

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
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
	reader        *bufio.Reader
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
	_, err := c.reader.Peek(1)
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// talk sends one envelope, sealed if the login says so, and returns the HTTP status and the envelope that answers. The
// error is a *protocolError for what the host must not answer, otherwise the connection was lost.
func (c *connection) talk(ctx context.Context, envelope []byte) (int, []byte, error) {
	contentType := soapType
	if c.sealed {
		var err error
		if contentType, envelope, err = c.seal.wrap(envelope); err != nil {
			return 0, nil, violation("sealing: %v", err)
		}
	}
	a, err := c.post(ctx, contentType, c.authorization, envelope)
	if err != nil {
		return 0, nil, err
	}
	if a.status != http.StatusOK && a.status != http.StatusInternalServerError {
		return a.status, nil, nil // these have no message; whatever is there is not read
	}
	if len(a.body) == 0 {
		return a.status, nil, nil
	}
	media, params, err := mime.ParseMediaType(a.contentType)
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

// An answer is an HTTP response, read to its end.
type answer struct {
	status      int
	contentType string
	offers      []string // WWW-Authenticate
	body        []byte
}

// post sends one HTTP request and reads the whole answer. The end of ctx closes the socket.
func (c *connection) post(ctx context.Context, contentType, authorization string, body []byte) (answer, error) {
	stop := context.AfterFunc(ctx, func() { _ = c.raw.Close() })
	defer func() {
		if !stop() {
			c.closing = true // even if the answer came in time
		}
	}()
	if err := c.SetDeadline(time.Now().Add(c.limit)); err != nil {
		return answer{}, err
	}
	req := &http.Request{
		Method: http.MethodPost, URL: &url.URL{Path: "/wsman"}, Host: c.host,
		Header:        http.Header{"Content-Type": {contentType}, "User-Agent": {"meshrotate"}},
		ContentLength: int64(len(body)),
	}
	if authorization != "" {
		req.Header["Authorization"] = []string{authorization}
	}
	if len(body) > 0 {
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	var out bytes.Buffer
	out.Grow(len(body) + 512)
	if err := req.Write(&out); err != nil {
		return answer{}, err
	}
	if n, err := c.Write(out.Bytes()); err != nil {
		c.closing = true
		if n < out.Len() && !errors.Is(err, os.ErrDeadlineExceeded) {
			err = &unsentError{err}
		}
		return answer{}, err
	}
	a, err := c.receive(req)
	c.offers = a.offers
	c.used = c.now()
	if err != nil && !isLoss(err) {
		err = violation("%v", err)
	}
	return a, err
}

func (c *connection) receive(req *http.Request) (answer, error) {
	resp, err := http.ReadResponse(c.reader, req)
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
