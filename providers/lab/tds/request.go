package tds

import (
	"context"

	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/lab/wsman"
)

// requests carries out what a client asks for, one after another. Another goroutine reads, for attention comes while a
// request runs.
func (c *conn) requests() {
	messages := make(chan message, 16)
	c.gone = make(chan struct{})
	go func() {
		defer close(messages)
		defer close(c.gone)
		for {
			m, err := c.read()
			if err != nil {
				c.interrupt()
				return
			}
			if m.kind == packAttention {
				c.interrupt()
			}
			select {
			case messages <- m:
			case <-c.life.Done():
				return
			}
		}
	}()
	for {
		select {
		case m, ok := <-messages:
			if !ok || !c.request(m) {
				return
			}
		case <-c.life.Done():
			return
		}
	}
}

// interrupt cancels the request that runs.
func (c *conn) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		c.cancel()
	}
}

// request carries out one; false when the connection is to end.
func (c *conn) request(m message) bool {
	action, about := Batch, ""
	r := &reader{b: m.body}
	if m.kind == packBatch || m.kind == packCall || m.kind == packTM {
		n := int(r.u32())
		r.bytes(n - 4) // ALL_HEADERS: of a transaction that the session knows itself
	}
	var calls []call
	switch m.kind {
	case packBatch:
		about = fromUTF16(r.b)
	case packCall:
		action = Call
		calls = parseCalls(r)
		if len(calls) > 0 {
			about = calls[0].name
			if about == "sp_executesql" && len(calls[0].params) > 0 {
				about, _ = calls[0].params[0].Value.(string)
			}
		}
	case packTM:
		action = Transaction
	case packAttention:
		action = Attention
	case 0:
		return true // taken back by the client
	default:
		return false
	}
	f := c.happen(wsman.Event{Action: action, User: c.session.Client().User, CommandLine: about})
	if !c.before(f) {
		return false
	}
	w := &writer{server: c.instance.Name(), version: c.login.version, session: c.session}
	if r.err != nil {
		w.Message(&sqlserver.Error{Number: 8009, State: 1, Class: 16, Message: "The incoming tabular data stream (TDS) protocol stream is incorrect: " + r.err.Error() + "."})
		w.finish(doneError)
		return c.reply(f, packReply, w.b)
	}
	if m.kind == packAttention {
		w.finish(doneAttn)
		return c.reply(f, packReply, w.b)
	}
	if m.status&(statusReset|statusResetSkip) != 0 {
		if err := c.session.Reset(); err != nil {
			for _, e := range errorsOf(err) {
				w.Message(e)
			}
			w.finish(doneError)
			c.reply(f, packReply, w.b)
			return false
		}
		w.env(envReset, func() { w.b = append(w.b, 0, 0) })
	}
	interrupted := false
	ok := c.session.Request(c.life, func(ctx context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		c.running(cancel)
		defer c.running(nil)
		switch m.kind {
		case packBatch:
			c.session.Batch(ctx, about, nil, w)
		case packCall:
			c.call(ctx, calls, w)
		case packTM:
			c.transaction(r, w)
		}
		interrupted = ctx.Err() != nil
	})
	if !ok {
		return false
	}
	switch {
	case interrupted:
		w.finish(doneError)
	case m.kind != packCall:
		w.finish(0)
	}
	return c.reply(f, packReply, w.b)
}

func (c *conn) running(cancel context.CancelFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancel = cancel
}

// Requests to the transaction manager (MS-TDS 2.2.6.9).
const (
	tmBegin    = 5
	tmCommit   = 7
	tmRollback = 8
)

// transaction carries one out.
func (c *conn) transaction(r *reader, w *writer) {
	kind := r.u16()
	switch kind {
	case tmBegin:
		c.began(w)
	case tmCommit, tmRollback:
		id := c.session.Transaction()
		var err *sqlserver.Error
		ended, change := true, sqlserver.Committed
		if kind == tmCommit {
			ended, err = c.session.Commit()
		} else {
			err, change = c.session.Rollback(), sqlserver.RolledBack
		}
		if err != nil {
			w.Message(err)
			w.Done(-1, true)
			return
		}
		if ended {
			w.Transaction(change, id)
		}
		r.text8()
		if flags := r.u8(); flags&1 != 0 {
			c.began(w)
		}
	default:
		w.Message(&sqlserver.Error{Number: 102, State: 99, Class: 15, Message: "The lab does not model this transaction request."})
		w.Done(-1, true)
	}
}

func (c *conn) began(w *writer) {
	if id, began := c.session.Begin(); began {
		w.Transaction(sqlserver.Began, id)
	}
}
