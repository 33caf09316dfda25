package wsman

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

const (
	// maxCommandLine is cmd.exe's, in characters.
	maxCommandLine = 8191
	// chunk is how much of an output stream goes into one Stream element. It is no multiple of 3, so that every
	// element's base64 ends with padding, and it cuts UTF-8 anywhere.
	chunk = 10_000
)

// caller is who asks, and over which connection.
type caller struct {
	user       string
	conn       *conn
	noExitCode bool // leave the exit code out: an injected fault
}

// answer performs a request and returns the whole envelope. Its error is a *fault or errGone.
func (s *Server) answer(env *envelope, relatesTo string, who caller) ([]byte, error) {
	if env.action == Identify {
		return identity("OS: 10.0.20348 SP: 0.0 Stack: 3.0"), nil
	}
	if !s.begin(env.messageID) {
		return nil, &fault{code: codeInternal, text: "An internal error occurred: a message with this MessageID is under way."}
	}
	defer s.end(env.messageID)
	b := appendHead(make([]byte, 0, 2048), responseAction(env.action), relatesTo)
	var err error
	if env.action == Create {
		b, err = s.create(b, env, who)
	} else {
		b, err = s.inShell(b, env, who)
	}
	if err != nil {
		return nil, err
	}
	return append(b, envelopeClose...), nil
}

func (s *Server) faultEnvelope(err error, relatesTo string) []byte {
	var f *fault
	if !errors.As(err, &f) {
		f = &fault{code: codeInternal, text: err.Error()}
	}
	b := appendHead(make([]byte, 0, 2048), actionFault, relatesTo)
	return append(appendFault(b, f, s.machine()), envelopeClose...)
}

// begin notes a message id as under way; false when it is already.
func (s *Server) begin(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, twice := s.underway[id]; twice {
		return false
	}
	if s.underway == nil {
		s.underway = map[string]struct{}{}
	}
	s.underway[id] = struct{}{}
	return true
}

func (s *Server) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.underway, id)
}

// inShell performs what needs a shell.
func (s *Server) inShell(b []byte, env *envelope, who caller) ([]byte, error) {
	sh, err := s.enter(env.shellID, who.user)
	if err != nil {
		return nil, err
	}
	defer s.leave(sh)
	w := patience{timeout: env.timeout, gather: s.Limits.Gather, watch: who.conn.watch, quit: s.quit}
	switch env.action {
	case Delete:
		s.remove(sh)
		return b, nil
	case Command:
		return s.start(b, env, sh)
	case Send:
		return append(b, `<rsp:SendResponse/>`...), s.send(env, sh, w)
	case Receive:
		return s.receive(b, env, sh, w, who.noExitCode)
	default:
		return append(b, `<rsp:SignalResponse/>`...), s.signal(env, sh)
	}
}

func (s *Server) create(b []byte, env *envelope, who caller) ([]byte, error) {
	id, idle, err := shellRequest(env.body)
	if err != nil {
		return nil, err
	}
	if s.Administrator != nil && !s.Administrator(who.user) {
		return nil, &fault{code: codeAccessDenied, text: "Access is denied."}
	}
	codePage, err := env.number("WINRS_CODEPAGE")
	if err != nil {
		return nil, err
	}
	sh, err := s.open(who.user, id, idle, codePage)
	if err != nil {
		return nil, err
	}
	host, _, _ := net.SplitHostPort(who.conn.RemoteAddr().String())
	b = append(b, `<x:ResourceCreated><a:Address>`+anonymous+`</a:Address><a:ReferenceParameters><w:ResourceURI>`+resourceCmd+
		`</w:ResourceURI><w:SelectorSet><w:Selector Name="ShellId">`...)
	b = append(b, sh.id...)
	b = append(b, `</w:Selector></w:SelectorSet></a:ReferenceParameters></x:ResourceCreated><rsp:Shell><rsp:ShellId>`...)
	b = append(b, sh.id...)
	b = append(b, `</rsp:ShellId><rsp:ResourceUri>`+resourceCmd+`</rsp:ResourceUri><rsp:Owner>`...)
	b = appendText(b, who.user)
	b = append(b, `</rsp:Owner><rsp:ClientIP>`...)
	b = appendText(b, host)
	b = append(b, `</rsp:ClientIP><rsp:IdleTimeOut>PT`...)
	b = strconv.AppendFloat(b, sh.idle.Seconds(), 'f', 3, 64)
	return append(b, `S</rsp:IdleTimeOut><rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>`...), nil
}

func (s *Server) start(b []byte, env *envelope, sh *shell) ([]byte, error) {
	line, err := commandRequest(env)
	if err != nil {
		return nil, err
	}
	p, err := s.launch(sh, line, env.yes("WINRS_CONSOLEMODE_STDIN"))
	if err != nil {
		return nil, err
	}
	b = append(b, `<rsp:CommandResponse><rsp:CommandId>`...)
	b = append(b, p.id...)
	return append(b, `</rsp:CommandId></rsp:CommandResponse>`...), nil
}

func (s *Server) send(env *envelope, sh *shell, w patience) error {
	id, data, end, err := sendRequest(env.body)
	if err != nil {
		return err
	}
	p, err := s.command(sh, id)
	if err != nil {
		return err
	}
	return p.send(data, end, w)
}

func (s *Server) receive(b []byte, env *envelope, sh *shell, w patience, noExitCode bool) ([]byte, error) {
	id, want, err := receiveRequest(env.body)
	if err != nil {
		return nil, err
	}
	p, err := s.command(sh, id)
	if err != nil {
		return nil, err
	}
	size := s.Limits.EnvelopeSize
	if env.maxSize > 0 {
		size = min(size, env.maxSize)
	}
	r, err := p.receive(want, (size-responseSlack)*3/4*9/10, w)
	if err != nil {
		return nil, err
	}
	return appendReceived(b, id, r, noExitCode), nil
}

// appendReceived writes the streams in pieces, then the state. When the command is done every stream ends with an
// empty element.
func appendReceived(b []byte, id string, r received, noExitCode bool) []byte {
	b = append(b, `<rsp:ReceiveResponse>`...)
	for i, name := range streams() {
		for data := r.out[i]; len(data) > 0; {
			n := min(chunk, len(data))
			b = appendStream(b, name, id, data[:n], false)
			data = data[n:]
		}
	}
	state := stateRunning
	if r.done {
		state = stateDone
		for _, name := range streams() {
			b = appendStream(b, name, id, nil, true)
		}
	}
	b = append(b, `<rsp:CommandState CommandId="`...)
	b = append(append(append(b, id...), `" State="`...), state...)
	b = append(b, `">`...)
	if r.done && !noExitCode {
		b = append(b, `<rsp:ExitCode>`...)
		b = strconv.AppendUint(b, uint64(r.exit), 10)
		b = append(b, `</rsp:ExitCode>`...)
	}
	return append(b, `</rsp:CommandState></rsp:ReceiveResponse>`...)
}

// signal ends a command, or asks it to end: Ctrl+C and Ctrl+Break cancel the program and leave its answer to be received.
func (s *Server) signal(env *envelope, sh *shell) error {
	id, code, err := signalRequest(env.body)
	if err != nil {
		return err
	}
	switch code {
	case nsShell + "/signal/terminate":
		return s.terminate(sh, id)
	case nsShell + "/signal/ctrl_c", nsShell + "/signal/ctrl_break":
		p, err := s.command(sh, id)
		if err == nil {
			p.cancel()
		}
		return err
	}
	return &fault{code: codeInvalidParameter, text: "signal " + code + " is not supported"}
}

// commandLine is the command that a request is about, for its event; empty when it cannot be told.
func (s *Server) commandLine(env *envelope) string {
	if env.action == Command {
		line, _ := commandRequest(env)
		return line
	}
	id := commandID(env)
	s.mu.Lock()
	defer s.mu.Unlock()
	if sh := s.shells[env.shellID]; sh != nil && sh.commands[id] != nil {
		return sh.commands[id].line
	}
	return ""
}

// unknownCommand is what cmd.exe says.
func unknownCommand(_ context.Context, p Process) uint32 {
	name, _, _ := strings.Cut(p.CommandLine, " ")
	_, _ = io.WriteString(p.Stderr, "'"+name+"' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n")
	return 9009
}

// tooLong is how a command line over the limit ends: it is no fault.
func tooLong(_ context.Context, p Process) uint32 {
	_, _ = io.WriteString(p.Stderr, "The command line is too long.\r\n")
	return 1
}

// identity answers Identify (DSP0226 11). Without a login Windows hides the version.
func identity(version string) []byte {
	return []byte(`<s:Envelope xml:lang="en-US" xmlns:s="` + nsSOAP + `"><s:Header/><s:Body><wsmid:IdentifyResponse xmlns:wsmid="` + nsIdentity +
		`"><wsmid:ProtocolVersion>` + nsWSMan + `</wsmid:ProtocolVersion><wsmid:ProductVendor>Microsoft Corporation</wsmid:ProductVendor>` +
		`<wsmid:ProductVersion>` + version + `</wsmid:ProductVersion></wsmid:IdentifyResponse>` + envelopeClose)
}

func (c *conn) identifyAnonymous(req *http.Request, body []byte) (reply, Fault) {
	env, err := parseEnvelope(body)
	if err != nil || env.action != Identify || !strings.HasPrefix(req.Header.Get("Content-Type"), "application/soap+xml") {
		return reply{status: http.StatusUnauthorized}, Fault{}
	}
	f := c.s.happen(Event{Action: Identify})
	if r, stop := c.strike(f); stop {
		return r, f
	}
	return reply{status: http.StatusOK, contentType: typeSOAP, body: identity("OS: 0.0.0 SP: 0.0 Stack: 3.0")}, f
}
