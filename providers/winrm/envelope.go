package winrm

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/gofrs/uuid"
	"github.com/masterzen/winrm"
)

// A shape is one kind of envelope.
type shape int

const (
	shapeCreate shape = iota + 1
	shapeCommand
	shapeSend
	shapeSendEnd
	shapeReceive
	shapeDelete
)

// values are what varies between envelopes of one shape.
type values struct {
	to, timeout, idle, messageID string
	shell, command, line         string
	envelope                     int
	data                         []byte
}

// A template is an envelope cut at its slots: text, slot, text, slot, ..., text.
type template struct {
	text  []string
	slots []string
}

// The builders take some time and do not escape what they are given. So each shape is built once, with a marker for
// every value, and cut at the markers; the values are escaped as they are filled in.
var templates = sync.OnceValues(compile)

var (
	marker    = regexp.MustCompile(`\{\{(\w+)\}\}`)
	ownID     = regexp.MustCompile(`(<a:MessageID>)[^<]*(</a:MessageID>)`)
	ownSize   = regexp.MustCompile(`(<w:MaxEnvelopeSize [^>]*>)[^<]*(</w:MaxEnvelopeSize>)`)
	cdata     = regexp.MustCompile(`<!\[CDATA\[(.*?)\]\]>`)
	ownStream = regexp.MustCompile(`(<rsp:Stream [^>]*>)[^<]*(</rsp:Stream>)`)
)

func compile() (map[shape]template, error) {
	p := winrm.NewParameters("{{timeout}}", "en-US", 1)
	const to, shell, command = "{{to}}", "{{shell}}", "{{command}}"
	data := []byte("data")
	built := map[shape]string{
		shapeCreate:  winrm.NewOpenShellRequest(to, p).String(),
		shapeCommand: winrm.NewExecuteCommandRequest(to, shell, "{{line}}", nil, p).String(),
		shapeSend:    winrm.NewSendInputRequest(to, shell, command, data, false, p).String(),
		shapeSendEnd: winrm.NewSendInputRequest(to, shell, command, data, true, p).String(),
		shapeReceive: winrm.NewGetOutputRequest(to, shell, command, "stdout stderr", p).String(),
		shapeDelete:  winrm.NewDeleteShellRequest(to, shell, p).String(),
	}
	all := map[shape]template{}
	for s, text := range built {
		text, err := correct(s, text)
		if err != nil {
			return nil, fmt.Errorf("envelope %d: %w", s, err)
		}
		all[s] = cut(text)
	}
	return all, nil
}

// correct changes what the builders fix differently: no profile is loaded, standard input is no console (MS-WSMV
// 3.1.4.11), the shell ends when idle, and mustUnderstand is SOAP's. It fails when there is nothing to change.
func correct(s shape, text string) (string, error) {
	text = ownID.ReplaceAllString(text, "${1}{{id}}${2}")
	text = ownSize.ReplaceAllString(text, "${1}{{size}}${2}")
	text = ownStream.ReplaceAllString(text, "${1}{{data}}${2}")
	text = cdata.ReplaceAllString(text, "$1")
	text = strings.ReplaceAll(text, ` mustUnderstand=`, ` env:mustUnderstand=`)
	swaps := map[shape][][2]string{
		shapeCreate: {
			{`Name="WINRS_NOPROFILE">FALSE<`, `Name="WINRS_NOPROFILE">TRUE<`},
			{`<rsp:InputStreams>`, `<rsp:IdleTimeOut>{{idle}}</rsp:IdleTimeOut><rsp:InputStreams>`},
		},
		shapeCommand: {{`Name="WINRS_CONSOLEMODE_STDIN">TRUE<`, `Name="WINRS_CONSOLEMODE_STDIN">FALSE<`}},
	}
	for _, swap := range swaps[s] {
		if strings.Count(text, swap[0]) != 1 {
			return "", fmt.Errorf("the builder does not write %s", swap[0])
		}
		text = strings.Replace(text, swap[0], swap[1], 1)
	}
	return text, nil
}

func cut(text string) template {
	var t template
	at := 0
	for _, m := range marker.FindAllStringSubmatchIndex(text, -1) {
		t.text = append(t.text, text[at:m[0]])
		t.slots = append(t.slots, text[m[2]:m[3]])
		at = m[1]
	}
	t.text = append(t.text, text[at:])
	return t
}

// render is the envelope with v in its slots.
func (s shape) render(v values) ([]byte, error) {
	all, err := templates()
	if err != nil {
		return nil, err
	}
	t, ok := all[s]
	if !ok {
		return nil, errors.New("no such envelope")
	}
	b := make([]byte, 0, envelopeOverhead+len(v.line)+base64.StdEncoding.EncodedLen(len(v.data)))
	for i, slot := range t.slots {
		b = append(b, t.text[i]...)
		switch slot {
		case "to":
			b = appendEscaped(b, v.to)
		case "timeout":
			b = appendEscaped(b, v.timeout)
		case "idle":
			b = appendEscaped(b, v.idle)
		case "id":
			b = appendEscaped(b, v.messageID)
		case "size":
			b = strconv.AppendInt(b, int64(v.envelope), 10)
		case "shell":
			b = appendEscaped(b, v.shell)
		case "command":
			b = appendEscaped(b, v.command)
		case "line":
			b = appendEscaped(b, v.line)
		case "data":
			b = base64.StdEncoding.AppendEncode(b, v.data)
		default:
			return nil, fmt.Errorf("no value for the slot %q", slot)
		}
	}
	return append(b, t.text[len(t.slots)]...), nil
}

// newMessageID is a fresh MessageID. An ID that is still under way on the host gets fault 1359.
func newMessageID() (string, error) {
	id, err := uuid.NewV4()
	if err != nil {
		return "", err
	}
	return "uuid:" + strings.ToUpper(id.String()), nil
}
