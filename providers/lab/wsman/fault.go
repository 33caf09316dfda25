package wsman

import "fmt"

// Codes of WSManFault: those of winerror.h below 1e6, those of wsmerror.h and HRESULTs above.
const (
	codeAccessDenied        = 5
	codeInvalidParameter    = 87
	codeBusy                = 170
	codeAlreadyExists       = 183
	codeAborted             = 995
	codeInternal            = 1359
	codeNotFound            = 2147942402
	codeInvalidAction       = 2150858753
	codeVersionMismatch     = 2150858765
	codeInvalidHeader       = 2150858767
	codeMustUnderstand      = 2150858768
	codeHeaderRequired      = 2150858769
	codeInvalidBody         = 2150858791
	codeTimedOut            = 2150858793
	codeInvalidResource     = 2150858811
	codeSchema              = 2150858817
	codeInvalidXML          = 2150858819
	codeOptionValue         = 2150858835
	codeUnexpectedSelectors = 2150858843
	codeMinEnvelope         = 2150858878
	codeInvalidTimeout      = 2150858881
	codeInvalidOptionSet    = 2150859140
	codeInvalidInputStream  = 2150859147
	codeInvalidStreams      = 2150859149
	codeShellQuota          = 2150859173
	codeOperationQuota      = 2150859174
	codeProcessQuota        = 2150859241
)

// fault is an answer that says no. It travels as HTTP 500 with a SOAP fault.
type fault struct {
	code uint32
	text string
}

func (f *fault) Error() string { return fmt.Sprintf("WSManFault %d: %s", f.code, f.text) }

// subcode names who is to blame and the WS-Management subcode (DSP0226 14.6).
func (f *fault) subcode() (role, name string) {
	switch f.code {
	case codeTimedOut:
		return "Receiver", "w:TimedOut"
	case codeUnexpectedSelectors:
		return "Sender", "w:InvalidSelectors"
	case codeShellQuota, codeOperationQuota, codeProcessQuota:
		return "Sender", "w:QuotaLimit"
	case codeInvalidAction:
		return "Sender", "a:ActionNotSupported"
	case codeHeaderRequired:
		return "Sender", "a:MessageInformationHeaderRequired"
	case codeInvalidHeader:
		return "Sender", "a:InvalidMessageInformationHeader"
	case codeInvalidResource:
		return "Sender", "a:DestinationUnreachable"
	case codeSchema, codeInvalidXML, codeInvalidBody:
		return "Sender", "w:SchemaValidationError"
	case codeInvalidTimeout:
		return "Sender", "w:InvalidTimeout"
	case codeMinEnvelope:
		return "Sender", "w:EncodingLimit"
	case codeOptionValue, codeInvalidOptionSet:
		return "Sender", "w:InvalidOptions"
	case codeMustUnderstand:
		return "MustUnderstand", ""
	case codeVersionMismatch:
		return "VersionMismatch", ""
	case codeAccessDenied:
		return "Sender", "w:AccessDenied"
	}
	return "Receiver", "w:InternalError"
}

// appendFault writes the Body's content.
func appendFault(b []byte, f *fault, machine string) []byte {
	role, name := f.subcode()
	b = append(b, `<s:Fault><s:Code><s:Value>s:`...)
	b = append(b, role...)
	b = append(b, `</s:Value>`...)
	if name != "" {
		b = append(b, `<s:Subcode><s:Value>`...)
		b = append(b, name...)
		b = append(b, `</s:Value></s:Subcode>`...)
	}
	b = append(b, `</s:Code><s:Reason><s:Text xml:lang="en-US">`...)
	b = appendText(b, f.text)
	b = append(b, `</s:Text></s:Reason><s:Detail><f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="`...)
	b = fmt.Append(b, f.code)
	b = append(b, `" Machine="`...)
	b = appendText(b, machine)
	b = append(b, `"><f:Message>`...)
	b = appendText(b, f.text)
	return append(b, `</f:Message></f:WSManFault></s:Detail></s:Fault>`...)
}
