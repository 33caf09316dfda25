package wsman

import "time"

// Action is a step of the protocol at which something can be recorded or go wrong.
type Action string

// The steps, in the order in which a client takes them.
const (
	Connect   Action = "Connect"   // a connection was accepted; nothing is read yet
	Handshake Action = "Handshake" // one request of an NTLM or Kerberos login, the first without a token included
	Identify  Action = "Identify"
	Create    Action = "Create"
	Command   Action = "Command"
	Send      Action = "Send"
	Receive   Action = "Receive"
	Signal    Action = "Signal"
	Delete    Action = "Delete"
	Invalid   Action = "Invalid" // a message that is no valid request
)

// Event is one step, before it happens.
type Event struct {
	Action Action
	// N counts the events of this action on this server, from 1.
	N int
	// Client is the process that asks, where there is no wire that hides it: a Direct's name.
	Client string
	// Connection tells the client's connections to the server apart, from 1, where Client is known.
	Connection int
	// Server tells servers apart that one hook is for; empty where each has its own.
	Server string
	// User is who asks; empty for Connect and Handshake.
	User string
	// CommandLine is the command's that the step is about; empty where there is none.
	CommandLine string
}

// Kind says what goes wrong.
type Kind int

// The kinds. None is first: the zero Fault does nothing.
const (
	None Kind = iota
	// Refuse closes the connection at once. At Connect nothing has been read.
	Refuse
	// CutBefore closes the connection; the request is not processed.
	CutBefore
	// CutAfter processes the request and closes the connection without an answer.
	CutAfter
	// CutMid processes the request, sends half of the answer and closes the connection.
	CutMid
	// Hang leaves the request unprocessed and unanswered until the client or the server closes.
	Hang
	// HangAfter processes the request, then hangs.
	HangAfter
	// Status answers with Fault.Status and no body; the request is not processed. 401 also ends the login.
	Status
	// WSManFault answers with a SOAP fault of Fault.Code; the request is not processed.
	WSManFault
	// WSManFaultAfter processes the request, then answers with a SOAP fault of Fault.Code.
	WSManFaultAfter
	// ClearText answers a sealed request in the clear.
	ClearText
	// BadSignature seals the answer with a wrong signature.
	BadSignature
	// WrongRelatesTo answers as if to another message.
	WrongRelatesTo
	// DoneWithoutExitCode drops the exit code from Receive's answer.
	DoneWithoutExitCode
)

// Fault is something that goes wrong at an event. The zero Fault is nothing.
type Fault struct {
	Kind Kind
	// Status is the HTTP status for Kind Status: 400, 401, 413, 500 are what Windows sends without a body.
	Status int
	// Page puts a page of HTML into the answer of Kind Status, as what lies between does.
	Page bool
	// Code is the WSManFault code for WSManFault and WSManFaultAfter.
	Code uint32
	// Delay passes before anything else, with any Kind, None included.
	Delay time.Duration
}

// happen counts and records an event and asks what goes wrong with it.
func (s *Server) happen(e Event) Fault {
	s.mu.Lock()
	if s.counts == nil {
		s.counts = map[Action]int{}
	}
	s.counts[e.Action]++
	e.N = s.counts[e.Action]
	s.mu.Unlock()
	if s.Record != nil {
		s.Record(e)
	}
	if s.Faults == nil {
		return Fault{}
	}
	return s.Faults(e)
}
