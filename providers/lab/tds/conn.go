package tds

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/lab/wsman"
)

// conn is a client's connection.
type conn struct {
	s        *Server
	instance *sqlserver.Server
	raw      net.Conn
	nc       net.Conn // raw, or TLS over it
	life     context.Context
	end      context.CancelFunc
	size     int           // of packets
	gone     chan struct{} // closed when the client has gone; nil before the requests
	client   string        // the process that asks, and which of its connections this is; empty on a wire
	nth      int

	login     *login
	session   *sqlserver.Session
	encrypted bool
	all       bool // everything is encrypted, not the login alone

	mu     sync.Mutex
	cancel context.CancelFunc // of the request that runs
}

// abort ends a connection from outside.
func (c *conn) abort() {
	c.end()
	reset(c.raw)
}

func (c *conn) happen(e wsman.Event) wsman.Fault {
	e.Client, e.Connection = c.client, c.nth
	return c.s.happen(e)
}

func (c *conn) serve(f wsman.Fault) {
	defer c.s.forget(c)
	defer c.abort()
	if !c.before(f) {
		return
	}
	if err := c.handshake(); err != nil {
		return // what there was to be told has been told
	}
	defer c.session.Close()
	defer c.session.AfterEnd(c.abort)()
	c.requests()
}

// before carries out the part of a fault that comes before the effect; false when there is to be none.
func (c *conn) before(f wsman.Fault) bool {
	if f.Delay > 0 {
		select {
		case <-time.After(f.Delay):
		case <-c.life.Done():
			return false
		}
	}
	switch f.Kind {
	case wsman.Refuse, wsman.CutBefore:
		return false
	case wsman.Hang:
		c.hang()
		return false
	}
	return true
}

// hang waits until the client goes or the server closes. During the requests another goroutine reads already.
func (c *conn) hang() {
	gone := c.gone
	if gone == nil {
		gone = make(chan struct{})
		go func() {
			defer close(gone)
			_, _ = io.Copy(io.Discard, c.raw)
		}()
	}
	select {
	case <-gone:
	case <-c.life.Done():
	}
}

// reply sends an answer, or as much of it as a fault leaves; false when the connection is to end.
func (c *conn) reply(f wsman.Fault, kind byte, body []byte) bool {
	if t := c.s.Traffic; t != nil {
		t(false, body)
	}
	id := 0
	if c.session != nil {
		id = c.session.ID
	}
	out := packets(kind, id, c.size, body)
	switch f.Kind {
	case wsman.CutAfter:
		return false
	case wsman.CutMid:
		_, _ = c.nc.Write(out[:len(out)/2])
		return false
	case wsman.HangAfter:
		c.hang()
		return false
	}
	_, err := c.nc.Write(out)
	return err == nil
}

func (c *conn) read() (message, error) {
	m, err := readMessage(c.nc)
	if t := c.s.Traffic; t != nil && err == nil {
		t(true, m.body)
	}
	return m, err
}

// errDone says that a connection ends as it is meant to.
var errDone = errors.New("done")

// handshake is all that comes before a session.
func (c *conn) handshake() error {
	if err := c.prelogin(); err != nil {
		return err
	}
	m, err := c.read()
	if err != nil {
		return err
	}
	if c.encrypted && !c.all {
		c.nc = c.raw // the login packet alone was encrypted
	}
	if m.kind != packLogin {
		return errors.New("no LOGIN7")
	}
	if c.login, err = parseLogin(m.body); err != nil {
		return err
	}
	f := c.happen(wsman.Event{Action: Login, User: c.login.user})
	if !c.before(f) {
		return errDone
	}
	c.login.version &= 0xffffffff
	if c.login.version < version72 && c.login.version != version80 {
		return errors.New("a version before 7.2")
	}
	address, _, _ := net.SplitHostPort(c.raw.RemoteAddr().String())
	client := c.login.client(address, c.all)
	if c.login.token != "" {
		if client.User, err = c.federated(); err != nil {
			return err
		}
		client.Windows = true // no password here, either
	}
	if c.login.integrated {
		if client.User, err = c.integrated(); err != nil {
			return err
		}
		client.Windows = true
	}
	return c.enter(f, client)
}

// enter logs in and answers.
func (c *conn) enter(f wsman.Fault, client sqlserver.Client) error {
	w := &writer{server: c.instance.Name(), version: c.login.version}
	session, err := c.instance.Login(client)
	if errors.Is(err, sqlserver.ErrDown) {
		return errDone // it went down meanwhile: it says nothing
	}
	if err != nil {
		for _, e := range errorsOf(err) {
			w.Message(e)
		}
		w.finish(doneError)
		c.reply(f, packReply, w.b)
		return errDone
	}
	c.session = session
	size := int(c.login.packet)
	if size < 512 || size > maxPacket {
		size = defaultPacket
	}
	w.loginAck(c.login, size, session.Database())
	if !c.reply(f, packReply, w.b) {
		session.Close()
		return errDone
	}
	c.size = size
	return nil
}

// errorsOf are the messages in an error of the model.
func errorsOf(err error) []*sqlserver.Error {
	var many sqlserver.Errors
	var one *sqlserver.Error
	switch {
	case errors.As(err, &many):
		return many
	case errors.As(err, &one):
		return []*sqlserver.Error{one}
	}
	return nil
}

// prelogin agrees on encryption.
func (c *conn) prelogin() error {
	first := make([]byte, 1)
	c.nc = c.raw
	if _, err := c.raw.Read(first); err != nil {
		return err
	}
	c.nc = &ahead{c.raw, first}
	strict := first[0] == 0x16 // a TLS record: TDS 8.0
	if strict != (c.s.Encryption == Strict) && (c.s.Encryption == Off || c.s.Encryption == Strict) {
		return errEncryption
	}
	if strict {
		t := tls.Server(c.nc, c.s.tlsConfig(true))
		if err := t.HandshakeContext(c.life); err != nil {
			return err
		}
		c.nc, c.encrypted, c.all = t, true, true
	}
	m, err := c.read()
	if err != nil {
		return err
	}
	options, err := readPrelogin(m.body)
	if err != nil || m.kind != packPrelogin {
		return errors.Join(err, errors.New("no PRELOGIN"))
	}
	f := c.happen(wsman.Event{Action: Prelogin})
	if !c.before(f) {
		return errDone
	}
	if strict {
		if !c.reply(f, packReply, prelogin(encOn, options)) {
			return errDone
		}
		return nil
	}
	wants := byte(encOff)
	if o := options[optEncryption]; len(o) > 0 {
		wants = o[0]
	}
	answer, some, all, refused := c.s.negotiate(wants)
	if !c.reply(f, packReply, prelogin(answer, options)) || refused != nil {
		return errors.Join(errDone, refused)
	}
	if !some {
		return nil
	}
	wrap := &wrapped{Conn: c.raw}
	t := tls.Server(wrap, c.s.tlsConfig(false))
	if err := t.HandshakeContext(c.life); err != nil {
		return err
	}
	wrap.plain = true
	c.nc, c.encrypted, c.all = t, true, all
	return nil
}
