package winrm

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"meshrotate/providers/lab/ntlm"
	"net"
	"net/http"
	"regexp"
)

// process does what a request asks for and returns the answer.
func (s *server) process(action, envelope string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.envelopes = append(s.envelopes, envelope)
	id := find(`CommandId="([^"]*)"`, envelope)
	switch action {
	case "Create":
		return wrap(actionTransfer+"CreateResponse", envelope, `<rsp:Shell><rsp:ShellId>SHELL-`+fmt.Sprint(s.counts["Create"])+`</rsp:ShellId></rsp:Shell>`)
	case "Command":
		return wrap(actionShell+"CommandResponse", envelope, `<rsp:CommandResponse><rsp:CommandId>COMMAND-`+fmt.Sprint(s.counts["Command"])+`</rsp:CommandId></rsp:CommandResponse>`)
	case "Send":
		data, err := base64.StdEncoding.DecodeString(find(`<rsp:Stream [^>]*>([^<]*)<`, envelope))
		if err != nil {
			s.t.Error(err)
		}
		s.stdin[id] = append(s.stdin[id], data...)
		return wrap(actionShell+"SendResponse", envelope, `<rsp:SendResponse/>`)
	case "Receive":
		return wrap(actionShell+"ReceiveResponse", envelope, `<rsp:ReceiveResponse>`+s.streams(find(`CommandId="([^"]*)"`, envelope))+`</rsp:ReceiveResponse>`)
	case "Signal":
		return wrap(actionShell+"SignalResponse", envelope, `<rsp:SignalResponse/>`)
	case "Delete":
		return wrap(actionTransfer+"DeleteResponse", envelope, "")
	}
	s.t.Errorf("a strange action: %s", envelope)
	return ""
}

// streams is the whole output in two pieces with padding of their own, an empty one with the end, and the exit code.
func (s *server) streams(id string) string {
	out := s.stdin[id]
	if s.output != nil {
		out = s.output(out)
	}
	one := func(data []byte, end string) string {
		return fmt.Sprintf(`<rsp:Stream Name="stdout" CommandId="%s"%s>%s</rsp:Stream>`, id, end, base64.StdEncoding.EncodeToString(data))
	}
	exit := s.exit
	if exit == "" {
		exit = "<rsp:ExitCode>0</rsp:ExitCode>"
	}
	half := len(out) / 2
	return one(out[:half], "") + one(out[half:], "") + one(nil, ` End="true"`) +
		`<rsp:Stream Name="stderr" CommandId="` + id + `" End="true"></rsp:Stream>` +
		`<rsp:CommandState CommandId="` + id + `" State="` + stateDone + `">` + exit + `</rsp:CommandState>`
}

func wrap(action, request, body string) string {
	return `<s:Envelope xml:lang="en-US" xmlns:s="` + nsSOAP + `" xmlns:a="` + nsAddressing + `" xmlns:rsp="` + nsShell +
		`"><s:Header><a:Action>` + action + `</a:Action><a:MessageID>uuid:1</a:MessageID><a:RelatesTo>` +
		find(`<a:MessageID>([^<]*)<`, request) + `</a:RelatesTo></s:Header><s:Body>` + body + `</s:Body></s:Envelope>`
}

func fault(request string, code uint32) string {
	return wrap("http://schemas.dmtf.org/wbem/wsman/1/wsman/fault", request, fmt.Sprintf(`<s:Fault><s:Code><s:Value>s:Receiver</s:Value>`+
		`<s:Subcode><s:Value xmlns:w="w">w:Some</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="">What the host says. </s:Text></s:Reason>`+
		`<s:Detail><f:WSManFault xmlns:f="`+nsFault+`" Code="%d" Machine="lab"><f:Message>More.</f:Message></f:WSManFault></s:Detail></s:Fault>`, code))
}

func find(pattern, text string) string {
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	return m[1]
}

func send(c net.Conn, status int, contentType string, out []byte, t trouble) bool {
	switch t.cut {
	case "mid":
		_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", contentType, len(out), out[:len(out)/2])
		return false
	case "header":
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: app")
		return false
	}
	return httpAnswer(c, status, contentType, out, nil) && !t.close
}

func httpAnswer(c net.Conn, status int, contentType string, body []byte, offers []string) bool {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\nContent-Length: %d\r\n", status, http.StatusText(status), len(body))
	if contentType != "" {
		fmt.Fprintf(&b, "Content-Type: %s\r\n", contentType)
	}
	for _, o := range offers {
		fmt.Fprintf(&b, "WWW-Authenticate: %s\r\n", o)
	}
	b.WriteString("\r\n")
	b.Write(body)
	_, err := c.Write(b.Bytes())
	return err == nil
}

func seal(keys *ntlm.Context, clear []byte, forge bool) (string, []byte) {
	sealed := bytes.Clone(clear)
	signature, err := keys.Seal(sealed)
	if err != nil {
		panic(err)
	}
	if forge {
		signature[5] ^= 1
	}
	b := []byte(sealHead + "UTF-8" + sealLength + fmt.Sprint(len(clear)) + sealMiddle)
	b = binary.LittleEndian.AppendUint32(b, signatureSize)
	b = append(append(b, signature[:]...), sealed...)
	return sealType, append(b, sealEnd...)
}
