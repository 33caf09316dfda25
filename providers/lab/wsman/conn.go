package wsman

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"meshrotate/providers/lab/webauth"
)

// conn is one client's connection. The login lives here.
type conn struct {
	net.Conn
	s     *Server
	in    *bufio.Reader
	auth  *webauth.Conn
	state *tls.ConnectionState // nil in the clear
}

// reply is an HTTP answer. The zero reply closes the connection without one.
type reply struct {
	status      int
	challenges  []string
	contentType string
	body        []byte
	last        bool // close the connection afterwards
}

const maxDrain = 8 << 20

func (s *Server) serveConn(raw net.Conn) {
	c := &conn{Conn: raw, s: s}
	if _, stop := c.strike(s.happen(Event{Action: Connect})); stop {
		return
	}
	if s.TLS != nil {
		secure := tls.Server(raw, s.TLS)
		ctx, cancel := context.WithTimeout(context.Background(), s.Limits.ConnIdle)
		defer cancel()
		if err := secure.HandshakeContext(ctx); err != nil {
			return
		}
		cs := secure.ConnectionState()
		c.Conn, c.state = secure, &cs
	}
	c.forgetLogin()
	c.in = bufio.NewReader(c.Conn)
	for c.exchange() {
	}
}

// forgetLogin starts over: the next request must log in.
func (c *conn) forgetLogin() { c.auth = c.s.rules.NewConn(c.state) }

// exchange serves one request; false ends the connection.
func (c *conn) exchange() bool {
	_ = c.SetReadDeadline(time.Now().Add(c.s.Limits.ConnIdle))
	req, err := http.ReadRequest(c.in)
	if err != nil {
		return false
	}
	c.s.requests.Add(1)
	body, r := c.readBody(req)
	_ = c.SetReadDeadline(time.Time{})
	var f Fault
	if r.status == 0 {
		if body == nil {
			return false
		}
		r, f = c.handle(req, body)
	}
	r.last = r.last || req.Close
	return c.write(r, f) && !r.last
}

// readBody returns the whole body, or a reply when the request is not to be processed, or neither when it broke off.
func (c *conn) readBody(req *http.Request) ([]byte, reply) {
	limit := int64(c.s.Limits.EnvelopeSize + len(sealedHead) + len(sealedMiddle) + len(sealedTail) + 64)
	if req.ContentLength < 0 {
		return nil, reply{status: http.StatusLengthRequired, last: true}
	}
	if strings.EqualFold(req.Header.Get("Expect"), "100-continue") {
		if _, err := io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			return nil, reply{}
		}
	}
	if req.ContentLength > limit {
		// Read it, or the client may see a reset in place of the answer.
		_, _ = io.CopyN(io.Discard, req.Body, maxDrain)
		return nil, reply{status: http.StatusRequestEntityTooLarge, last: true}
	}
	body := make([]byte, req.ContentLength)
	if _, err := io.ReadFull(req.Body, body); err != nil {
		return nil, reply{}
	}
	return body, reply{}
}

// handle decides about one request and returns the answer with the fault that still applies to it.
func (c *conn) handle(req *http.Request, body []byte) (reply, Fault) {
	switch {
	case !strings.EqualFold(req.URL.Path, "/wsman"):
		return reply{status: http.StatusNotFound}, Fault{}
	case req.Method != http.MethodPost:
		return reply{status: http.StatusMethodNotAllowed}, Fault{}
	case strings.EqualFold(req.Header.Get("WSMANIDENTIFY"), "unauthenticated"):
		return c.identifyAnonymous(req, body)
	}
	authorization := req.Header.Get("Authorization")
	var f Fault
	if c.logsIn(authorization) {
		f = c.s.happen(Event{Action: Handshake})
		if r, stop := c.strike(f); stop {
			return r, f
		}
	}
	answer := c.auth.Authenticate(authorization)
	if answer.User == "" {
		return reply{status: answer.Status, challenges: answer.Challenges}, f
	}
	cut := f.Kind == CutAfter || f.Kind == CutMid || f.Kind == HangAfter
	if len(body) == 0 || cut { // clients log in with an empty message first
		return reply{status: http.StatusOK, challenges: answer.Challenges}, f
	}
	message, sealed, status := c.open(req.Header.Get("Content-Type"), body)
	if status != 0 {
		return reply{status: status}, Fault{}
	}
	r, f := c.message(message, answer.User, sealed)
	r.challenges = answer.Challenges
	return r, f
}

// logsIn says whether a request is a leg of a login that lasts.
func (c *conn) logsIn(authorization string) bool {
	scheme, _, _ := strings.Cut(authorization, " ")
	return authorization == "" && c.auth.User() == "" ||
		strings.EqualFold(scheme, "Negotiate") || strings.EqualFold(scheme, "NTLM")
}

// open returns the envelope of a body, or the status that refuses it.
func (c *conn) open(contentType string, body []byte) (message []byte, sealed bool, status int) {
	sealed, err := isSealed(contentType)
	switch {
	case err != nil:
		return nil, false, http.StatusBadRequest
	case sealed:
		keys := c.auth.Seal()
		if keys == nil {
			return nil, false, http.StatusBadRequest
		}
		message, err := unseal(keys, body)
		if err != nil {
			c.forgetLogin() // the streams are out of step: only a new login helps
			return nil, false, http.StatusBadRequest
		}
		return c.bounded(message, true)
	case c.state == nil && !c.s.AllowUnencrypted:
		return nil, false, http.StatusInternalServerError
	case !strings.HasPrefix(strings.ToLower(contentType), "application/soap+xml"):
		return nil, false, http.StatusUnsupportedMediaType
	}
	return c.bounded(body, false)
}

func (c *conn) bounded(message []byte, sealed bool) ([]byte, bool, int) {
	if len(message) > c.s.Limits.EnvelopeSize {
		return nil, false, http.StatusRequestEntityTooLarge
	}
	return message, sealed, 0
}

// message performs one envelope and seals its answer if it came sealed.
func (c *conn) message(in []byte, user string, sealed bool) (reply, Fault) {
	env, err := parseEnvelope(in)
	event := Event{Action: Invalid, User: user}
	if err == nil {
		event.Action, event.CommandLine = env.action, c.s.commandLine(env)
	}
	f := c.s.happen(event)
	if r, stop := c.strike(f); stop {
		return r, f
	}
	if f.Kind == WSManFault {
		err = &fault{code: f.Code, text: "injected by the lab"}
	}
	relatesTo := env.messageID
	if f.Kind == WrongRelatesTo {
		relatesTo = "uuid:" + newID()
	}
	r := reply{status: http.StatusOK, contentType: typeSOAP}
	if err == nil {
		r.body, err = c.s.answer(env, relatesTo, caller{user: user, conn: c, noExitCode: f.Kind == DoneWithoutExitCode})
	}
	if errors.Is(err, errGone) {
		return reply{}, f
	}
	if f.Kind == WSManFaultAfter {
		err = &fault{code: f.Code, text: "injected by the lab"}
	}
	if err != nil {
		r.status, r.body = http.StatusInternalServerError, c.s.faultEnvelope(err, relatesTo)
	}
	if sealed && f.Kind != ClearText {
		r.contentType = typeSealed
		if r.body, err = appendSealed(make([]byte, 0, len(r.body)+400), c.auth.Seal(), r.body, f.Kind == BadSignature); err != nil {
			return reply{}, f
		}
	}
	return r, f
}

// write sends an answer, as far as the fault lets it; false ends the connection.
func (c *conn) write(r reply, f Fault) bool {
	if r.status == 0 || f.Kind == CutAfter {
		return false
	}
	if f.Kind == HangAfter {
		c.hang()
		return false
	}
	b := make([]byte, 0, 512+len(r.body))
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(r.status), 10)
	b = append(b, " \r\n"...)
	if r.contentType != "" {
		b = append(append(append(b, "Content-Type: "...), r.contentType...), "\r\n"...)
	}
	for _, challenge := range r.challenges {
		b = append(append(append(b, "WWW-Authenticate: "...), challenge...), "\r\n"...)
	}
	b = append(b, "Server: Microsoft-HTTPAPI/2.0\r\nDate: "...)
	b = time.Now().UTC().AppendFormat(b, http.TimeFormat)
	if r.last {
		b = append(b, "\r\nConnection: close"...)
	}
	b = append(b, "\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(r.body)), 10)
	b = append(b, "\r\n\r\n"...)
	b = append(b, r.body...)
	if f.Kind == CutMid {
		_, _ = c.Write(b[:len(b)/2])
		return false
	}
	_, err := c.Write(b)
	return err == nil
}
