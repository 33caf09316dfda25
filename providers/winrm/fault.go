package winrm

import "fmt"

// The codes in WSManFault/@Code that change what is done next. Those below 65,536 are Win32 errors (MS-ERREF 2.2), the
// others are WinRM's own (MS-WSMV 2.2.9.1 and winerror.h).
const (
	codeAccessDenied     = 5
	codeBusy             = 170
	codeAborted          = 995  // the operation ended because its command or shell did
	codeShutdown         = 1115 // the host is shutting down
	codeWaitTimeout      = 1460
	codeDeniedResult     = 0x80070005
	codeTimedOut         = 2150858793 // no output within OperationTimeout
	codeInvalidSelectors = 2150858843 // an unknown shell, a finished command, or a wrong selector
	codeShellsQuota      = 2150859173
	codeOperationsQuota  = 2150859174
)

// Fault is a SOAP fault: the host's own words for a refusal.
type Fault struct {
	Code    uint32 // WSManFault/@Code; 0 when there was none
	Subcode string // as in "TimedOut", without its prefix
	Reason  string // the host's message, cut to 400 bytes
	Status  int    // of the HTTP answer
}

func (f *Fault) Error() string {
	switch {
	case f.Reason == "":
		return fmt.Sprintf("fault %d (%s)", f.Code, f.Subcode)
	default:
		return fmt.Sprintf("fault %d (%s): %s", f.Code, f.Subcode, f.Reason)
	}
}

// fault is the Error for a fault that answers op.
func (s *Session) fault(op operation, f *Fault) *Error {
	e := s.fail(op, f.class(op), f)
	if op.shape == shapeCommand && e.Class != Unknown {
		e.Ran = false
	}
	return e
}

func (f *Fault) class(op operation) Class {
	starting := op.shape != shapeSend && op.shape != shapeSendEnd && op.shape != shapeReceive
	switch f.Code {
	case codeAccessDenied, codeDeniedResult:
		return Denied
	case codeShellsQuota:
		return Quota
	case codeOperationsQuota:
		return OperationsQuota
	case codeTimedOut, codeWaitTimeout, codeBusy, codeAborted, codeShutdown:
		return lostClass(op)
	}
	if starting {
		return Rejected
	}
	return Unknown
}
