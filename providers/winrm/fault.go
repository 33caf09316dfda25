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
	codeProcessesQuota   = 2150859241
)

// refusals are the other codes with which a host says that it did not begin with a request, because of what stands in it
// (wsmerror.h, winerror.h). Any other code may come after the effect.
var refusals = map[uint32]bool{
	87:         true, // a wrong parameter
	2147942402: true, // no such program
	2150858753: true, // an unknown action
	2150858767: true, // a header that is wrong,
	2150858768: true, // not understood
	2150858769: true, // or missing
	2150858791: true, // a body that is wrong
	2150858811: true, // an unknown resource
	2150858817: true, // not what the schema says
	2150858819: true, // no XML
	2150858835: true, // a wrong option
	2150858878: true, // an envelope too small
	2150858881: true, // a timeout that is none
	2150859140: true, // a wrong set of options
	2150859147: true, // a wrong stream of input,
	2150859149: true, // of output
}

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

// refuses says that the host began with nothing.
func (f *Fault) refuses() bool {
	switch f.Code {
	case codeAccessDenied, codeDeniedResult, codeInvalidSelectors, codeShellsQuota, codeOperationsQuota, codeProcessesQuota:
		return true
	}
	return refusals[f.Code]
}

// fault is the Error for a fault that answers op.
func (s *Session) fault(op *operation, f *Fault) *Error {
	e := s.fail(op, f.class(op), f)
	if op.shape == shapeCommand && f.refuses() {
		e.Ran = false
	}
	return e
}

func (f *Fault) class(op *operation) Class {
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
	if !op.ran || op.shape == shapeCommand && f.refuses() {
		return Rejected
	}
	return Unknown
}
