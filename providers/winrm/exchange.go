package winrm

import (
	"context"
	"errors"
	"net/http"
	"time"

	"meshrotate/providers/limits"
)

// An operation is one kind of request: its name for people, its envelope, and the Action that answers it.
type operation struct {
	name   string
	shape  shape
	answer string
	ran    bool // when it fails, a command may have taken effect
}

const (
	actionTransfer = nsTransfer + "/"
	actionShell    = nsShell + "/"
)

var (
	opConnect   = &operation{name: "connect"}
	opHandshake = &operation{name: "authenticate"}
	opCreate    = &operation{"create a shell", shapeCreate, actionTransfer + "CreateResponse", false}
	opCommand   = &operation{"start a command", shapeCommand, actionShell + "CommandResponse", true}
	opSend      = &operation{"send its input", shapeSend, actionShell + "SendResponse", true}
	opSendEnd   = &operation{"send the end of its input", shapeSendEnd, actionShell + "SendResponse", true}
	opReceive   = &operation{"receive its output", shapeReceive, actionShell + "ReceiveResponse", true}
	opSignal    = &operation{"terminate a command", shapeSignal, actionShell + "SignalResponse", false}
	opDelete    = &operation{"delete the shell", shapeDelete, actionTransfer + "DeleteResponse", false}
)

// A connection that breaks while it is made or logged in to, or that this machine has no room for, is replaced this often,
// this long after, when a process on the host waits for what is to be sent.
const (
	reconnects     = 2
	reconnectPause = 500 * time.Millisecond
)

// exchange sends one request and returns its answer. It resends only what the host certainly did not process, on a new
// connection: once after 401 or 400 (the keys are old, or the login is gone) or when the connection was found ended before
// the whole request was written, and after a refused login as often as the Guard says.
func (s *Session) exchange(ctx context.Context, op *operation, v *values) (*reply, error) {
	if s.broken != nil && op.ran {
		return nil, s.broken
	}
	for again := false; ; {
		if err := s.reconnect(ctx, op); err != nil {
			if op.shape == shapeCommand {
				return nil, err // it was not sent
			}
			return nil, s.settle(op, err)
		}
		id, err := newMessageID()
		if err != nil {
			return nil, s.fail(op, Refused, err)
		}
		v.messageID = id
		status, body, err := s.post(ctx, op, v)
		old := err == nil && (status == http.StatusUnauthorized || status == http.StatusBadRequest)
		unsent := err != nil && errors.As(err, new(*unsentError)) && ctx.Err() == nil
		if old || unsent {
			s.drop()
			if !again {
				again = true
				continue
			}
		}
		switch {
		case s.cfg.Guard.again(s.cfg.Name, err): // a login that goes with the request, which the host did not process
			s.drop()
			continue
		case unsent && op.shape == shapeCommand:
			return nil, err
		case err != nil:
			return nil, s.settle(op, err)
		}
		r, err := s.read(op, id, status, body)
		return r, s.settle(op, err)
	}
}

// reconnect is connect for op. What feeds or reads a process that runs already is worth some patience: nothing of op has
// been sent, the process waits, and giving up leaves its outcome unknown.
func (s *Session) reconnect(ctx context.Context, op *operation) error {
	for n := 0; ; n++ {
		err := s.connect(ctx)
		if err == nil || !op.ran || op.shape == shapeCommand || n == reconnects || !cutShort(err) && limits.Met(err) == nil || ctx.Err() != nil {
			return err
		}
		if s.cfg.Sleep(ctx, reconnectPause) != nil {
			return err
		}
	}
}

// post makes the request and sends it, which releases it. A Guard watches the first request of a connection that logs in with it.
func (s *Session) post(ctx context.Context, op *operation, v *values) (int, []byte, error) {
	message := op.shape.message(v)
	c := s.conn
	if c.proven {
		return s.roundTrip(ctx, op, c, message)
	}
	leave, err := s.cfg.Guard.enter(ctx, &s.cfg)
	if err != nil {
		release(message)
		return 0, nil, s.refusedByGuard(ctx, err)
	}
	status, body, err := s.roundTrip(ctx, op, c, message)
	if err == nil && status == http.StatusUnauthorized {
		err = s.unauthorized(c.offers)
	}
	c.proven = status == http.StatusOK || status == http.StatusInternalServerError
	if err == nil && !c.proven {
		leave(&httpError{status}) // says nothing about the credential
		return status, body, nil
	}
	leave(err)
	return status, body, err
}

func (s *Session) roundTrip(ctx context.Context, op *operation, c *connection, message []byte) (int, []byte, error) {
	s.requests++
	status, body, err := c.talk(ctx, message)
	switch {
	case err == nil:
		return status, body, nil
	case errors.As(err, new(*protocolError)):
		return 0, nil, s.fail(op, Protocol, err)
	case isAlert(err) && ctx.Err() == nil:
		return 0, nil, s.fail(op, TLS, err)
	}
	if errors.As(err, new(*unsentError)) {
		unsent := *op
		unsent.ran = false
		return 0, nil, s.lost(ctx, &unsent, err)
	}
	return 0, nil, s.lost(ctx, op, err)
}

// read turns an HTTP answer into a reply, or into the error that it stands for.
func (s *Session) read(op *operation, id string, status int, body []byte) (*reply, error) {
	switch status {
	case http.StatusOK, http.StatusInternalServerError:
	default:
		return nil, s.answered(op, status)
	}
	if len(body) == 0 {
		return nil, s.fail(op, Protocol, &httpError{status})
	}
	r, err := parseReply(body)
	if err != nil {
		return nil, s.fail(op, Protocol, err)
	}
	if err := r.answers(op, id); err != nil {
		return nil, s.fail(op, Protocol, err)
	}
	if r.fault != nil {
		r.fault.Status = status
		return nil, s.fault(op, r.fault)
	}
	if status != http.StatusOK {
		return nil, s.fail(op, Protocol, &httpError{status})
	}
	return r, nil
}

// settle closes the connection after an error that leaves it in doubt. When a command may have run it closes the
// session too, and says so, whatever went wrong: a host that cannot be reached any more leaves the outcome unknown.
func (s *Session) settle(op *operation, err error) error {
	if err == nil || errors.As(err, new(*Fault)) {
		return err
	}
	s.drop()
	if !op.ran {
		return err
	}
	var e *Error
	if errors.As(err, &e) {
		e.Ran = true
		if e.Class == Unreachable || e.Class == Canceled || e.Class == Local {
			e.Class = Unknown
		}
	}
	s.broken = err
	return err
}
