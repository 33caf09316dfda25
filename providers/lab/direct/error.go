package direct

import (
	"context"
	"errors"
	"fmt"

	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/winrm"
)

// The codes in a fault that change what is done next, as in package winrm.
const (
	codeAccessDenied     = 5
	codeBusy             = 170
	codeAborted          = 995
	codeTimedOut         = 2150858793
	codeInvalidSelectors = 2150858843
	codeShellsQuota      = 2150859173
	codeOperationsQuota  = 2150859174
	codeProcessesQuota   = 2150859241
)

// refuses says that the host began with nothing.
func refuses(code uint32) bool {
	switch code {
	case codeAccessDenied, codeInvalidSelectors, codeShellsQuota, codeOperationsQuota, codeProcessesQuota:
		return true
	}
	return false
}

// Unreachable is the error for a host that cannot be connected to.
func Unreachable(host string, err error) error {
	return &winrm.Error{Class: winrm.Unreachable, Host: host, Doing: "connect", Err: err}
}

// explain says what became of a request, in the words of package winrm.
func (s *Shell) explain(ctx context.Context, op operation, err error) error {
	e := &winrm.Error{Host: s.host, Doing: op.name, Ran: op.ran, Err: err}
	var status *wsman.StatusError
	switch code := wsman.Code(err); {
	case code != 0:
		e.Err = &winrm.Fault{Code: code, Reason: err.Error(), Status: 500}
		e.Class = classOf(code, op)
		if op.name == "start a command" && refuses(code) {
			e.Ran = false
		}
	case errors.Is(err, wsman.ErrAnswer):
		e.Class = winrm.Protocol
	case errors.As(err, &status):
		e.Class, e.Err = classOfStatus(status.Status, op), fmt.Errorf("HTTP %d without a message", status.Status)
	default:
		e.Class = lost(op)
		if gaveUp := context.Cause(ctx); gaveUp != nil {
			e.Err = gaveUp
			if !op.ran && errors.Is(ctx.Err(), context.Canceled) {
				e.Class = winrm.Canceled
			}
		}
	}
	return e
}

func lost(op operation) winrm.Class {
	if op.ran {
		return winrm.Unknown
	}
	return winrm.Unreachable
}

func classOf(code uint32, op operation) winrm.Class {
	switch code {
	case codeAccessDenied:
		return winrm.Denied
	case codeShellsQuota:
		return winrm.Quota
	case codeOperationsQuota:
		return winrm.OperationsQuota
	case codeTimedOut, codeBusy, codeAborted:
		return lost(op)
	}
	if !op.ran || op.name == "start a command" && refuses(code) {
		return winrm.Rejected
	}
	return winrm.Unknown
}

func classOfStatus(status int, op operation) winrm.Class {
	switch status {
	case 401, 403:
		return winrm.Denied
	case 404:
		return winrm.Unsupported
	case 413:
		return winrm.Rejected
	case 503:
		return lost(op)
	}
	return winrm.Protocol
}
