package wsman

import (
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// strike carries out the part of a fault that comes before the request; stop means that the reply is all there is.
func (c *conn) strike(f Fault) (r reply, stop bool) {
	if f.Delay > 0 {
		select {
		case <-time.After(f.Delay):
		case <-c.s.quit:
			return reply{}, true
		}
	}
	switch f.Kind {
	case Refuse, CutBefore:
		return reply{}, true
	case Hang:
		c.hang()
		return reply{}, true
	case Status:
		if f.Status == http.StatusUnauthorized {
			c.forgetLogin()
			return reply{status: f.Status, challenges: c.auth.Authenticate("").Challenges}, true
		}
		if f.Page {
			return reply{status: f.Status, contentType: "text/html; charset=utf-8", body: []byte("<html><body><h1>Internal Server Error</h1></body></html>")}, true
		}
		return reply{status: f.Status}, true
	}
	return reply{}, false
}

// hang waits until the client goes or the server closes.
func (c *conn) hang() { _, _ = io.Copy(io.Discard, c) }

// watch returns a channel that is closed when the client goes away. stop must be called before the connection is read
// again.
func (c *conn) watch() (gone <-chan struct{}, stop func()) {
	left, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		var timeout net.Error
		if _, err := c.in.Peek(1); err != nil && (!errors.As(err, &timeout) || !timeout.Timeout()) {
			close(left)
		}
	}()
	return left, func() {
		_ = c.SetReadDeadline(time.Unix(1, 0))
		<-ended
		_ = c.SetReadDeadline(time.Time{})
	}
}
