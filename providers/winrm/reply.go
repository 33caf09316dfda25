package winrm

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/masterzen/winrm/soap"
)

// Namespaces of what is read in a reply.
const (
	nsSOAP       = soap.NS_SOAP_ENV
	nsAddressing = soap.NS_ADDRESSING
	nsTransfer   = soap.NS_TRANSFER
	nsManagement = soap.NS_WSMAN_DMTF
	nsShell      = soap.NS_WIN_SHELL
	nsFault      = soap.NS_WSMAN_FAULT

	stateDone = nsShell + "/CommandState/Done"
	maxReason = 400
)

// A reply is what one answer says. Its bytes point into the answer.
type reply struct {
	relatesTo, action string
	body              string // local name of the body's first element
	shell, command    string
	streams           []stream
	state             string // of the command, a URI
	stateOf           string // the command that state is about
	exitCode          string // its text, "" when there was none
	fault             *Fault
}

type stream struct {
	name, command string
	data          []byte // base64, each stream with padding of its own
}

// parseReply reads one SOAP envelope. It refuses whatever is not one from start to end.
func parseReply(b []byte) (*reply, error) {
	r := &reply{}
	s := scanners.Get().(*scanner)
	defer s.release()
	if err := s.begin(b); err != nil {
		return r, err
	}
	root, err := s.root()
	if err != nil {
		return r, err
	}
	if !root.is(nsSOAP, "Envelope") {
		return r, violation("the answer is no SOAP envelope")
	}
	var headers, bodies int
	err = s.children(func(t token) error {
		switch {
		case t.is(nsSOAP, "Header"):
			headers++
			return r.header(s)
		case t.is(nsSOAP, "Body"):
			bodies++
			return r.content(s)
		}
		return violation("the SOAP envelope holds a strange element")
	})
	if err == nil {
		err = s.rest()
	}
	if err == nil && (headers != 1 || bodies != 1) {
		err = violation("the SOAP envelope has %d headers and %d bodies", headers, bodies)
	}
	return r, err
}

func (r *reply) header(s *scanner) error {
	return s.children(func(t token) (err error) {
		switch {
		case t.is(nsAddressing, "RelatesTo"):
			return s.once(&r.relatesTo)
		case t.is(nsAddressing, "Action"):
			return s.once(&r.action)
		}
		return s.ignore()
	})
}

func (r *reply) content(s *scanner) error {
	return s.children(func(t token) error {
		if r.body == "" {
			r.body = t.local
		}
		switch {
		case t.is(nsSOAP, "Fault"):
			return r.readFault(s)
		case t.is(nsShell, "Shell"):
			return s.children(func(t token) error {
				if t.is(nsShell, "ShellId") {
					return s.same(&r.shell)
				}
				return s.ignore()
			})
		case t.is(nsTransfer, "ResourceCreated"):
			return r.selector(s)
		case t.is(nsShell, "CommandResponse"):
			return s.children(func(t token) error {
				if t.is(nsShell, "CommandId") {
					return s.once(&r.command)
				}
				return s.ignore()
			})
		case t.is(nsShell, "ReceiveResponse"):
			return r.received(s)
		}
		return s.ignore()
	})
}

// selector finds the shell's name, wherever it is below.
func (r *reply) selector(s *scanner) error {
	return s.children(func(t token) error {
		switch {
		case t.is(nsManagement, "Selector") && t.attr("Name") == "ShellId":
			return s.same(&r.shell)
		case t.is(nsManagement, "SelectorSet"), t.is(nsAddressing, "ReferenceParameters"):
			return r.selector(s)
		}
		return s.ignore()
	})
}

func (r *reply) received(s *scanner) error {
	return s.children(func(t token) error {
		switch {
		case t.is(nsShell, "Stream"):
			data, err := s.content()
			r.streams = append(r.streams, stream{t.attr("Name"), t.attr("CommandId"), data})
			return err
		case t.is(nsShell, "CommandState"):
			if r.state != "" {
				return violation("the answer has two command states")
			}
			r.state, r.stateOf = t.attr("State"), t.attr("CommandId")
			return s.children(func(t token) error {
				if t.is(nsShell, "ExitCode") {
					return s.once(&r.exitCode)
				}
				return s.ignore()
			})
		}
		return s.ignore()
	})
}

func (r *reply) readFault(s *scanner) error {
	f := &Fault{}
	r.fault = f
	return s.children(func(t token) error {
		return f.read(s, t)
	})
}

// read takes what it knows out of a fault's element t, at any depth.
func (f *Fault) read(s *scanner, t token) error {
	switch {
	case t.is(nsSOAP, "Subcode"):
		return s.children(func(t token) error {
			if !t.is(nsSOAP, "Value") || f.Subcode != "" {
				return s.ignore()
			}
			text, err := s.content()
			_, local, _ := bytes.Cut(bytes.TrimSpace(text), []byte(":"))
			f.Subcode = clip(local)
			return err
		})
	case t.is(nsSOAP, "Text"), t.is(nsFault, "Message"):
		text, err := s.words()
		if f.Reason == "" {
			f.Reason = clip(text)
		}
		return err
	case t.is(nsFault, "WSManFault"):
		if n, err := strconv.ParseUint(t.attr("Code"), 10, 32); err == nil && f.Code == 0 {
			f.Code = uint32(n)
		}
	}
	return s.children(func(t token) error { return f.read(s, t) })
}

// clip makes text fit for an error message: one line, of bounded length.
func clip(text []byte) string {
	words := strings.Join(strings.Fields(string(text[:min(len(text), 4*maxReason)])), " ")
	if len(words) > maxReason {
		words = words[:maxReason]
	}
	return strings.ToValidUTF8(words, string(utf8.RuneError))
}

// answers checks that r answers the message id and has what op needs.
func (r *reply) answers(op *operation, id string) error {
	if r.relatesTo != id && (r.relatesTo != "" || r.fault == nil) {
		return violation("the answer is to another message")
	}
	if r.fault != nil {
		return nil
	}
	if r.action != op.answer {
		return violation("the answer has the action %q instead of %q", clip([]byte(r.action)), op.answer)
	}
	switch op.shape {
	case shapeCreate:
		if r.shell == "" {
			return violation("the answer names no shell")
		}
	case shapeCommand:
		if r.command == "" {
			return violation("the answer names no command")
		}
	case shapeSend, shapeSendEnd:
		if r.body != "SendResponse" {
			return violation("the answer to Send has no SendResponse")
		}
	case shapeReceive:
		if r.body != "ReceiveResponse" {
			return violation("the answer to Receive has no ReceiveResponse")
		}
	}
	return nil
}

// output is what a reply to Receive brought for one command.
func (r *reply) output(command string) (Output, error) {
	var out Output
	for _, st := range r.streams {
		if !strings.EqualFold(st.command, command) {
			return Output{}, violation("the answer holds another command's output")
		}
		dst := &out.Stdout
		switch st.name {
		case "stdout":
		case "stderr":
			dst = &out.Stderr
		default:
			return Output{}, violation("the answer holds the strange stream %q", clip([]byte(st.name)))
		}
		b, err := base64.StdEncoding.AppendDecode(*dst, bytes.TrimSpace(st.data))
		if err != nil {
			return Output{}, violation("the output is not base64")
		}
		*dst = b
	}
	if r.state == "" {
		return out, nil
	}
	if !strings.EqualFold(r.stateOf, command) {
		return Output{}, violation("the answer holds another command's state")
	}
	if r.state != stateDone {
		return out, nil
	}
	code, err := strconv.ParseUint(strings.TrimSpace(r.exitCode), 10, 32)
	if err != nil {
		return Output{}, violation("the command has ended without an exit code")
	}
	out.Done, out.ExitCode = true, uint32(code)
	return out, nil
}
