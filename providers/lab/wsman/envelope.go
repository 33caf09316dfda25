package wsman

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Namespaces and names of WS-Management and its remote shell (MS-WSMV 2.2.1, DSP0226).
const (
	nsSOAP       = "http://www.w3.org/2003/05/soap-envelope"
	nsAddressing = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
	nsTransfer   = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
	nsWSMan      = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
	nsMicrosoft  = "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"
	nsShell      = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
	nsIdentity   = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"

	resourceCmd = nsShell + "/cmd"
	anonymous   = nsAddressing + "/role/anonymous"
)

// minEnvelope is the smallest MaxEnvelopeSize that a service must accept (DSP0226 R6.2-2).
const minEnvelope = 8192

// envelope is a request that was understood.
type envelope struct {
	action    Action
	messageID string
	shellID   string
	timeout   time.Duration
	maxSize   int
	options   map[string]string
	body      *element // the first element in the Body; nil when it is empty
}

// parseEnvelope reads a request. Its error is a *fault; messageID is set as soon as it is known, for RelatesTo.
func parseEnvelope(in []byte) (*envelope, error) {
	env := &envelope{timeout: time.Minute}
	root, err := parseXML(in)
	if err != nil {
		return env, &fault{code: codeInvalidXML, text: err.Error()}
	}
	if root.name != "Envelope" || root.space != nsSOAP {
		return env, &fault{code: codeVersionMismatch, text: "the root element is not a SOAP 1.2 Envelope"}
	}
	header, err1 := root.only(nsSOAP, "Header")
	body, err2 := root.only(nsSOAP, "Body")
	if err := errors.Join(err1, err2); err != nil {
		return env, &fault{code: codeSchema, text: err.Error()}
	}
	if body == nil || len(body.children) > 1 {
		return env, &fault{code: codeInvalidBody, text: "one Body with at most one element is expected"}
	}
	if len(body.children) == 1 {
		env.body = body.children[0]
	}
	if env.body != nil && env.body.space == nsIdentity && env.body.name == "Identify" {
		env.action = Identify
		return env, nil
	}
	if header == nil {
		return env, &fault{code: codeHeaderRequired, text: "there is no Header"}
	}
	return env, env.readHeader(header)
}

func (env *envelope) readHeader(header *element) error {
	seen := map[string]*element{}
	for _, h := range header.children {
		key := h.space + " " + h.name
		if !known(h) {
			// The attribute counts only in SOAP's namespace (SOAP 1.2 part 1, 5.2.3).
			if v := h.attr(nsSOAP, "mustUnderstand"); v == "true" || v == "1" {
				return &fault{code: codeMustUnderstand, text: "header " + h.name + " is not understood"}
			}
			continue
		}
		if seen[key] != nil {
			return &fault{code: codeInvalidHeader, text: "header " + h.name + " comes twice"}
		}
		seen[key] = h
	}
	env.messageID = seen[nsAddressing+" MessageID"].string()
	for _, name := range []string{"MessageID", "To", "Action", "ReplyTo"} {
		if seen[nsAddressing+" "+name] == nil {
			return &fault{code: codeHeaderRequired, text: "header " + name + " is missing"}
		}
	}
	if env.messageID == "" || strings.ContainsAny(env.messageID, "<>&\"'") {
		return &fault{code: codeInvalidHeader, text: "MessageID is not a URI"}
	}
	address, err := seen[nsAddressing+" ReplyTo"].only(nsAddressing, "Address")
	if err != nil || address.string() != anonymous {
		return &fault{code: codeInvalidHeader, text: "ReplyTo is not the anonymous address"}
	}
	if err := env.readTarget(seen); err != nil {
		return err
	}
	return env.readLimits(seen)
}

// known says whether a header means something here.
func known(h *element) bool {
	switch h.space {
	case nsAddressing:
		return h.name == "To" || h.name == "ReplyTo" || h.name == "MessageID" || h.name == "Action" || h.name == "FaultTo"
	case nsWSMan:
		switch h.name {
		case "ResourceURI", "SelectorSet", "OptionSet", "OperationTimeout", "MaxEnvelopeSize", "Locale":
			return true
		}
	case nsMicrosoft:
		switch h.name {
		case "DataLocale", "SessionId", "OperationID", "SequenceId", "ActivityId":
			return true
		}
	}
	return false
}

// readTarget settles what is asked of which shell.
func (env *envelope) readTarget(seen map[string]*element) error {
	uri := seen[nsAddressing+" Action"].string()
	if env.action = actionOf(uri); env.action == "" {
		return &fault{code: codeInvalidAction, text: "action " + uri + " is not supported"}
	}
	if got := seen[nsWSMan+" ResourceURI"].string(); !strings.EqualFold(got, resourceCmd) {
		return &fault{code: codeInvalidResource, text: "resource " + got + " is not supported"}
	}
	if set := seen[nsWSMan+" SelectorSet"]; set != nil {
		for _, s := range set.children {
			if s.space != nsWSMan || s.name != "Selector" || !strings.EqualFold(s.attr("", "Name"), "ShellId") || env.shellID != "" {
				return &fault{code: codeUnexpectedSelectors, text: "the selectors do not fit the resource"}
			}
			env.shellID = s.string()
		}
	}
	switch {
	case env.action == Create && env.shellID != "":
		return &fault{code: codeUnexpectedSelectors, text: "Create takes no selector"}
	case env.action != Create && env.shellID == "":
		return &fault{code: codeUnexpectedSelectors, text: "selector ShellId is missing"}
	}
	return nil
}

// readLimits takes the timeout, the size limit and the options.
func (env *envelope) readLimits(seen map[string]*element) error {
	if h := seen[nsWSMan+" OperationTimeout"]; h != nil {
		d, err := parseDuration(h.string())
		if err != nil {
			return &fault{code: codeInvalidTimeout, text: "OperationTimeout: " + err.Error()}
		}
		env.timeout = d
	}
	if h := seen[nsWSMan+" MaxEnvelopeSize"]; h != nil {
		n, err := strconv.ParseUint(h.string(), 10, 32)
		if err != nil || n < minEnvelope {
			return &fault{code: codeMinEnvelope, text: "MaxEnvelopeSize is not a number from 8192 up"}
		}
		env.maxSize = int(n)
	}
	set := seen[nsWSMan+" OptionSet"]
	if set == nil {
		return nil
	}
	env.options = map[string]string{}
	for _, o := range set.children {
		name := o.attr("", "Name")
		if o.space != nsWSMan || o.name != "Option" || name == "" {
			return &fault{code: codeInvalidOptionSet, text: "OptionSet holds something else than named options"}
		}
		env.options[strings.ToUpper(name)] = o.string()
	}
	return nil
}

// actionOf maps a request's action URI; "" when it is unknown.
func actionOf(uri string) Action {
	switch uri {
	case nsTransfer + "/Create":
		return Create
	case nsTransfer + "/Delete":
		return Delete
	case nsShell + "/Command":
		return Command
	case nsShell + "/Send":
		return Send
	case nsShell + "/Receive":
		return Receive
	case nsShell + "/Signal":
		return Signal
	}
	return ""
}

// parseDuration reads an xs:duration (XML Schema part 2, 3.2.6) that is positive and has no years and months, whose
// length is not fixed.
func parseDuration(s string) (time.Duration, error) {
	bad := fmt.Errorf("%q is not an xs:duration such as PT60S", s)
	rest, ok := strings.CutPrefix(s, "P")
	if !ok || rest == "" || strings.HasSuffix(rest, "T") {
		return 0, bad
	}
	date, clock, _ := strings.Cut(rest, "T")
	var total float64
	for _, part := range []struct {
		text, units string
		seconds     []float64
	}{{date, "D", []float64{86400}}, {clock, "HMS", []float64{3600, 60, 1}}} {
		next := 0
		for text := part.text; text != ""; {
			n := strings.IndexAny(text, part.units)
			if n < 1 {
				return 0, bad
			}
			unit := strings.IndexByte(part.units, text[n])
			value, err := strconv.ParseFloat(text[:n], 64)
			if err != nil || strings.Trim(text[:n], "0123456789.") != "" || unit < next ||
				strings.Contains(text[:n], ".") && text[n] != 'S' {
				return 0, bad
			}
			total += value * part.seconds[unit]
			next, text = unit+1, text[n+1:]
		}
	}
	if total <= 0 || total > 1e8 {
		return 0, bad
	}
	return time.Duration(total * float64(time.Second)), nil
}
