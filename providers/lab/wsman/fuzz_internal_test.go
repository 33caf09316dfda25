package wsman

import (
	"bytes"
	"encoding/xml"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

const sample = `<?xml version="1.0" encoding="utf-8" ?><env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"><env:Header><a:To>u</a:To><a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo><w:OperationTimeout>PT60S</w:OperationTimeout><a:MessageID>uuid:1</a:MessageID><a:Action>http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Send</a:Action><w:SelectorSet><w:Selector Name="ShellId">S</w:Selector></w:SelectorSet><w:ResourceURI>http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd</w:ResourceURI></env:Header><env:Body><rsp:Send><rsp:Stream Name="stdin" CommandId="C" End="true">YQ==</rsp:Stream></rsp:Send></env:Body></env:Envelope>`

func TestParseEnvelope(t *testing.T) {
	env, err := parseEnvelope([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	id, data, end, err := sendRequest(env.body)
	if err != nil || id != "C" || string(data) != "a" || !end || env.action != Send || env.shellID != "S" || env.timeout != time.Minute {
		t.Errorf("%+v, %q %q %v %v", env, id, data, end, err)
	}
}

// FuzzEnvelope looks for panics, and for documents that encoding/xml refuses while this parser takes them.
func FuzzEnvelope(f *testing.F) {
	for _, seed := range []string{sample, strings.Replace(sample, "YQ==", "<![CDATA[x]]>&#x41;&amp;<!-- c -->", 1), "<a/>", "<a b='c' xmlns='d'>&lt;</a>", "\xef\xbb\xbf<a></a>"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		root, err := parseXML(bytes.Clone(in))
		if err != nil {
			return
		}
		if env, err := parseEnvelope(bytes.Clone(in)); err == nil && env.action != Identify {
			_ = commandID(env)
			_, _, _ = shellRequest(env.body)
			_, _ = commandRequest(env)
			_, _, _, _ = sendRequest(env.body)
			_, _, _ = receiveRequest(env.body)
			_, _, _ = signalRequest(env.body)
		}
		if text, ok := reference(in); ok && letters(text) != letters(collect(root)) {
			t.Errorf("text differs: %q, encoding/xml has %q", collect(root), text)
		}
	})
}

// reference is the document's character data by encoding/xml; false when that refuses it, as it does for names that
// this parser is content with.
func reference(in []byte) (string, bool) {
	d := xml.NewDecoder(bytes.NewReader(in))
	var b strings.Builder
	depth := 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			return b.String(), true
		}
		if err != nil {
			return "", false
		}
		switch token := token.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth > 0 {
				b.Write(token)
			}
		}
	}
}

// letters is what both parsers must agree on: the order differs where an element mixes text and children, and
// encoding/xml unites line ends.
func letters(s string) string {
	b := []byte(strings.NewReplacer("\r", "", "\n", "").Replace(s))
	slices.Sort(b)
	return string(b)
}

// collect is all character data under e.
func collect(e *element) string {
	var b strings.Builder
	b.Write(e.text)
	for _, c := range e.children {
		b.WriteString(collect(c))
	}
	return b.String()
}

func FuzzSealed(f *testing.F) {
	f.Add([]byte(sealedHead + "3" + sealedMiddle + "\x10\x00\x00\x00" + "0123456789abcdef" + "abc" + sealedTail))
	f.Add([]byte(sealedHead + sealedMiddle + sealedTail))
	f.Fuzz(func(t *testing.T, in []byte) {
		signature, data, length, err := splitSealed(in)
		if err == nil && (len(signature) != 16 || length < 0 || len(signature)+len(data)+len(sealedHead)+len(sealedMiddle)+len(sealedTail)+4 > len(in)) {
			t.Errorf("%d %d %d", len(signature), len(data), length)
		}
	})
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"PT60S": time.Minute, "PT1M30S": 90 * time.Second, "P1DT1H": 25 * time.Hour, "PT0.5S": 500 * time.Millisecond, "PT60.000S": time.Minute,
		"": 0, "60": 0, "PT": 0, "P": 0, "PT60": 0, "PT60s": 0, "PT1S1M": 0, "PT1.5M": 0, "-PT1S": 0, "PT0S": 0, "P1Y": 0, "PT1e3S": 0, "PT99999999999S": 0, "PT-1S": 0, "P1DT": 0,
	} {
		if got, err := parseDuration(text); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}
