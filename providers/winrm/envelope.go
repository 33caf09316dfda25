package winrm

import (
	"crypto/rand"
	"encoding/base64"
	"strconv"
	"strings"
	"sync"

	"github.com/gofrs/uuid"
	"github.com/masterzen/winrm"
	"github.com/masterzen/winrm/soap"
)

// A shape is one kind of envelope: XML with slots, as in {to}, that hold what varies. Each says what the builder in
// github.com/masterzen/winrm says, with these differences: no profile is loaded, standard input is no console (MS-WSMV
// 3.1.4.11), the shell has a name and ends when it is idle, mustUnderstand is SOAP's, and a value is escaped.
type shape string

const (
	shapeCreate = envelopeHead + `<a:Action env:mustUnderstand="true">` + actionTransfer + `Create</a:Action>
` + resource + `<w:OptionSet><w:Option Name="WINRS_NOPROFILE">TRUE</w:Option><w:Option Name="WINRS_CODEPAGE">65001</w:Option></w:OptionSet>
</env:Header><env:Body><rsp:Shell ShellId="{shell}">
<rsp:IdleTimeOut>{idle}</rsp:IdleTimeOut>
<rsp:InputStreams>stdin</rsp:InputStreams>
<rsp:OutputStreams>stdout stderr</rsp:OutputStreams>
</rsp:Shell></env:Body></env:Envelope>`

	shapeCommand = envelopeHead + `<a:Action env:mustUnderstand="true">` + actionShell + `Command</a:Action>
` + selector + `<w:OptionSet><w:Option Name="WINRS_CONSOLEMODE_STDIN">FALSE</w:Option><w:Option Name="WINRS_SKIP_CMD_SHELL">FALSE</w:Option></w:OptionSet>
</env:Header><env:Body><rsp:CommandLine>
<rsp:Command>{line}</rsp:Command>
</rsp:CommandLine></env:Body></env:Envelope>`

	sendHead = envelopeHead + `<a:Action env:mustUnderstand="true">` + actionShell + `Send</a:Action>
` + selector + `</env:Header><env:Body><rsp:Send>
`
	sendTail = `
</rsp:Send></env:Body></env:Envelope>`

	shapeSend    = sendHead + `<rsp:Stream Name="stdin" CommandId="{command}">{data}</rsp:Stream>` + sendTail
	shapeSendEnd = sendHead + `<rsp:Stream Name="stdin" CommandId="{command}" End="true">{data}</rsp:Stream>` + sendTail

	shapeReceive = envelopeHead + `<a:Action env:mustUnderstand="true">` + actionShell + `Receive</a:Action>
` + selector + `</env:Header><env:Body><rsp:Receive>
<rsp:DesiredStream CommandId="{command}">stdout stderr</rsp:DesiredStream>
</rsp:Receive></env:Body></env:Envelope>`

	shapeSignal = envelopeHead + `<a:Action env:mustUnderstand="true">` + actionShell + `Signal</a:Action>
` + selector + `</env:Header><env:Body><rsp:Signal CommandId="{command}">
<rsp:Code>` + soap.NS_WIN_SHELL + `/signal/terminate</rsp:Code>
</rsp:Signal></env:Body></env:Envelope>`

	shapeDelete = envelopeHead + `<a:Action env:mustUnderstand="true">` + actionTransfer + `Delete</a:Action>
` + selector + `</env:Header><env:Body/></env:Envelope>`
)

// What all shapes begin with, and what they are about: a new shell for Create, one that is there for all others.
const (
	envelopeHead = `<?xml version="1.0" encoding="utf-8" ?>
<env:Envelope xmlns:env="` + soap.NS_SOAP_ENV + `" xmlns:a="` + soap.NS_ADDRESSING + `" xmlns:rsp="` + soap.NS_WIN_SHELL +
		`" xmlns:w="` + soap.NS_WSMAN_DMTF + `" xmlns:p="` + soap.NS_WSMAN_MSFT + `"><env:Header>
<a:To>{to}</a:To>
<a:ReplyTo><a:Address env:mustUnderstand="true">` + soap.NS_ADDRESSING + `/role/anonymous</a:Address></a:ReplyTo>
<w:MaxEnvelopeSize env:mustUnderstand="true">{size}</w:MaxEnvelopeSize>
<w:OperationTimeout>{timeout}</w:OperationTimeout>
<a:MessageID>{id}</a:MessageID>
<w:Locale env:mustUnderstand="false" xml:lang="{locale}"/>
<p:DataLocale env:mustUnderstand="false" xml:lang="{locale}"/>
`
	resource = `<w:ResourceURI env:mustUnderstand="true">` + soap.NS_WIN_SHELL + `/cmd</w:ResourceURI>
`
	selector = `<w:SelectorSet><w:Selector Name="ShellId">{shell}</w:Selector></w:SelectorSet>
` + resource
)

// values are what varies between envelopes of one shape.
type values struct {
	*winrm.Parameters // the session's timeout, locale and size of an envelope

	to, idle, messageID  string
	shell, command, line string
	data                 []byte
}

// headRoom is what a message leaves free before it, for the heads of HTTP and of sealing: a message is as large as what it
// carries, and is not copied on its way out.
const headRoom = 1 << 10

// messages are the rooms of messages that were sent: every host takes eight, and they are most of what it takes.
var messages sync.Pool

// message is the envelope behind headRoom bytes, with room for the end of sealing. It is to be released.
func (s shape) message(v *values) []byte {
	return s.append(empty(len(v.line)+base64.StdEncoding.EncodedLen(len(v.data))), v)
}

// empty is a message without an envelope, with room for one that carries so much. It is to be released.
func empty(carries int) []byte {
	size := headRoom + envelopeOverhead + carries + len(sealEnd)
	room, ok := messages.Get().(*[]byte)
	if !ok || cap(*room) < size {
		return make([]byte, headRoom, size)
	}
	return (*room)[:headRoom]
}

// release gives a message's room to the next one, with nothing in it.
func release(message []byte) {
	if message == nil {
		return
	}
	message = message[:cap(message)]
	clear(message)
	messages.Put(new(message[:0]))
}

// append adds the envelope with v in its slots. A value is never looked at for slots, for it may come from the host.
func (s shape) append(b []byte, v *values) []byte {
	for rest := string(s); ; {
		text, from, found := strings.Cut(rest, "{")
		b = append(b, text...)
		if !found {
			return b
		}
		slot, after, _ := strings.Cut(from, "}")
		b, rest = v.fill(b, slot), after
	}
}

// fill appends the value of one slot.
func (v *values) fill(b []byte, slot string) []byte {
	switch slot {
	case "to":
		return appendEscaped(b, v.to)
	case "size":
		return strconv.AppendInt(b, int64(v.EnvelopeSize), 10)
	case "timeout":
		return appendEscaped(b, v.Timeout)
	case "id":
		return appendEscaped(b, v.messageID)
	case "locale":
		return appendEscaped(b, v.Locale)
	case "idle":
		return appendEscaped(b, v.idle)
	case "shell":
		return appendEscaped(b, v.shell)
	case "command":
		return appendEscaped(b, v.command)
	case "line":
		return appendEscaped(b, v.line)
	case "data":
		return base64.StdEncoding.AppendEncode(b, v.data)
	}
	panic("winrm: an envelope has no slot " + slot)
}

// newMessageID is a fresh MessageID. An ID that is still under way on the host gets fault 1359.
func newMessageID() (string, error) {
	var id uuid.UUID
	if _, err := rand.Read(id[:]); err != nil {
		return "", err
	}
	id.SetVersion(uuid.V4)
	id.SetVariant(uuid.VariantRFC4122)
	const digits = "0123456789ABCDEF"
	var room [len("uuid:") + 36]byte // in capitals, as Windows writes them; String would take three copies for that
	text := append(room[:0], "uuid:"...)
	for i, b := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			text = append(text, '-')
		}
		text = append(text, digits[b>>4], digits[b&15])
	}
	return string(text), nil
}
