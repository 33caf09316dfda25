package winrm

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/masterzen/winrm"
	"github.com/masterzen/winrm/soap"
)

// hostile are values that all need escaping, or look like slots.
var hostile = values{
	Parameters: winrm.NewParameters("PT60S", "en-US", 512000),
	to:         "http://h/wsman?a&b", idle: "PT180S", messageID: "uuid:1", shell: `S"{command}`, command: "C<{data}>", line: "echo <&> {line}", data: []byte("data"),
}

// envelopes are all shapes, and what github.com/masterzen/winrm builds for the same purpose. Its builders escape the
// command line and nothing else, so they are given the rest escaped.
func envelopes(v values) map[string]struct {
	shape  shape
	theirs *soap.SoapMessage
} {
	escaped := func(s string) string { return string(appendEscaped(nil, s)) }
	to, shell, command := escaped(v.to), escaped(v.shell), escaped(v.command)
	return map[string]struct {
		shape  shape
		theirs *soap.SoapMessage
	}{
		"create":   {shapeCreate, winrm.NewOpenShellRequest(to, v.Parameters)},
		"command":  {shapeCommand, winrm.NewExecuteCommandRequest(to, shell, v.line, nil, v.Parameters)},
		"send":     {shapeSend, winrm.NewSendInputRequest(to, shell, command, v.data, false, v.Parameters)},
		"send end": {shapeSendEnd, winrm.NewSendInputRequest(to, shell, command, v.data, true, v.Parameters)},
		"receive":  {shapeReceive, winrm.NewGetOutputRequest(to, shell, command, "stdout stderr", v.Parameters)},
		"signal":   {shapeSignal, winrm.NewSignalRequest(to, shell, command, v.Parameters)},
		"delete":   {shapeDelete, winrm.NewDeleteShellRequest(to, shell, v.Parameters)},
	}
}

// TestEnvelopes compares every envelope, as XML, with the one that an independent client builds. What differs is what
// this package means to do differently.
func TestEnvelopes(t *testing.T) {
	inOption := func(name, old, changed string) [2]string {
		name = ` Name="` + name + "\">\n"
		return [2]string{name + old, name + changed}
	}
	meant := []struct {
		only, reason string
		swap         [2]string
	}{
		{"", "the attribute is SOAP's (SOAP 1.2 part 1, 5.2.3); Windows lets theirs pass", [2]string{" mustUnderstand=", " " + soap.NS_SOAP_ENV + ":mustUnderstand="}},
		{"create", "a profile takes time and leaves traces", inOption("WINRS_NOPROFILE", "FALSE", "TRUE")},
		{"create", "a shell that nobody deletes must end", [2]string{"<" + soap.NS_WIN_SHELL + ":InputStreams>",
			"<" + soap.NS_WIN_SHELL + ":IdleTimeOut>\nPT180S\n</>\n<" + soap.NS_WIN_SHELL + ":InputStreams>"}},
		{"create", "a shell whose answer is lost must be deleted", [2]string{"<" + soap.NS_WIN_SHELL + ":Shell>", "<" + soap.NS_WIN_SHELL + `:Shell ShellId="S\"{command}">`}},
		{"command", "standard input is no console (MS-WSMV 3.1.4.11)", inOption("WINRS_CONSOLEMODE_STDIN", "TRUE", "FALSE")},
	}
	for name, e := range envelopes(hostile) {
		t.Run(name, func(t *testing.T) {
			ours := e.shape.append(nil, &hostile)
			want := canonical(t, []byte(e.theirs.String()))
			for _, m := range meant {
				if m.only != "" && m.only != name {
					continue
				}
				if !strings.Contains(want, m.swap[0]) {
					t.Errorf("theirs no longer has %s: is %q settled?", m.swap[0], m.reason)
				}
				want = strings.ReplaceAll(want, m.swap[0], m.swap[1])
			}
			if diff := cmp.Diff(want, canonical(t, ours)); diff != "" {
				t.Errorf("theirs, with what is meant to differ (-), and ours (+):\n%s", diff)
			}
			if _, err := referenceShape(ours); err != nil {
				t.Error(err)
			}
			if len(ours)-len(hostile.data) > envelopeOverhead-200 {
				t.Errorf("%d bytes beside its data", len(ours))
			}
		})
	}
}

// canonical is a document as tokens with resolved names, one a line: no prefixes, no order of attributes, no space
// between elements. Every message has an ID of its own, which is not compared.
func canonical(t *testing.T, b []byte) string {
	t.Helper()
	var lines []string
	d := xml.NewDecoder(bytes.NewReader(b))
	name := func(n xml.Name) string { return strings.TrimPrefix(n.Space+":"+n.Local, ":") }
	inID := false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return strings.Join(lines, "\n")
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		switch e := token.(type) {
		case xml.StartElement:
			inID = e.Name.Local == "MessageID"
			slices.SortFunc(e.Attr, func(a, b xml.Attr) int { return strings.Compare(a.Name.Local, b.Name.Local) })
			var attrs []string
			for _, a := range e.Attr {
				if a.Name.Space != "xmlns" {
					attrs = append(attrs, fmt.Sprintf(" %s=%q", name(a.Name), a.Value))
				}
			}
			lines = append(lines, "<"+name(e.Name)+strings.Join(attrs, "")+">")
		case xml.EndElement:
			lines, inID = append(lines, "</>"), false
		case xml.CharData:
			if text := strings.TrimSpace(string(e)); text != "" && !inID {
				lines = append(lines, text)
			}
		}
	}
}

// BenchmarkEnvelope is what making one message costs, beside its data.
func BenchmarkEnvelope(b *testing.B) {
	for name, e := range envelopes(hostile) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e.shape.append(nil, &hostile)
			}
		})
	}
}
