package wsman

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

const (
	envelopeOpen = `<s:Envelope xml:lang="en-US" xmlns:s="` + nsSOAP + `" xmlns:a="` + nsAddressing + `" xmlns:x="` + nsTransfer +
		`" xmlns:w="` + nsWSMan + `" xmlns:rsp="` + nsShell + `" xmlns:p="` + nsMicrosoft + `"><s:Header><a:Action>`
	envelopeClose = `</s:Body></s:Envelope>`

	actionFault   = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
	stateDone     = nsShell + "/CommandState/Done"
	stateRunning  = nsShell + "/CommandState/Running"
	typeSOAP      = "application/soap+xml;charset=UTF-8"
	responseSlack = 2600 // bytes of an answer beside the base64 of its streams, generously
)

// appendHead writes everything up to the Body's content.
func appendHead(b []byte, action, relatesTo string) []byte {
	b = append(b, envelopeOpen...)
	b = append(b, action...)
	b = append(b, `</a:Action><a:MessageID>uuid:`...)
	b = append(b, newID()...)
	b = append(b, `</a:MessageID><a:To>`+anonymous+`</a:To>`...)
	if relatesTo != "" {
		b = append(b, `<a:RelatesTo>`...)
		b = appendText(b, relatesTo)
		b = append(b, `</a:RelatesTo>`...)
	}
	return append(b, `</s:Header><s:Body>`...)
}

// responseAction is the action of a successful answer.
func responseAction(a Action) string {
	switch a {
	case Create, Delete:
		return nsTransfer + "/" + string(a) + "Response"
	default:
		return nsShell + "/" + string(a) + "Response"
	}
}

// appendStream writes one Stream element; its base64 is padded on its own.
func appendStream(b []byte, name, commandID string, data []byte, end bool) []byte {
	b = append(b, `<rsp:Stream Name="`...)
	b = append(b, name...)
	b = append(b, `" CommandId="`...)
	b = append(b, commandID...)
	if end {
		b = append(b, `" End="true`...)
	}
	b = append(b, `">`...)
	b = base64.StdEncoding.AppendEncode(b, data)
	return append(b, `</rsp:Stream>`...)
}

// appendText escapes text for element content and attribute values.
func appendText(b []byte, s string) []byte {
	for _, r := range s {
		switch r {
		case '<':
			b = append(b, "&lt;"...)
		case '>':
			b = append(b, "&gt;"...)
		case '&':
			b = append(b, "&amp;"...)
		case '"':
			b = append(b, "&quot;"...)
		default:
			if r < ' ' && r != '\t' && r != '\n' && r != '\r' {
				r = '?'
			}
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}

// newID is a random GUID in upper case, as Windows writes them.
func newID() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails: crypto/rand ends the process instead (Go 1.24)
	raw[6], raw[8] = raw[6]&0x0f|0x40, raw[8]&0x3f|0x80
	text := make([]byte, 36)
	for i, at := 0, 0; i < len(raw); i++ {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			text[at] = '-'
			at++
		}
		hex.Encode(text[at:], raw[i:i+1])
		at += 2
	}
	return strings.ToUpper(string(text))
}
