package winrm

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"io"
	"meshrotate/providers/lab/ntlm"
	"strings"
	"testing"

	"github.com/bodgit/ntlmssp"
)

// FuzzReply looks for panics, and for what encoding/xml would read otherwise.
func FuzzReply(f *testing.F) {
	f.Add([]byte(received(`<rsp:Stream Name="stdout" CommandId="C">YQ==</rsp:Stream><rsp:CommandState CommandId="C" State="x"><rsp:ExitCode>0</rsp:ExitCode></rsp:CommandState>`)))
	f.Add([]byte(fault(`<a:MessageID>uuid:1</a:MessageID>`, codeTimedOut)))
	f.Add([]byte("<?xml version=\"1.0\" encoding='utf-8'?><a:b xmlns:a='c' d=\"&lt;&#x41;\"><![CDATA[<]]><!-- e --></a:b >"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseReply(b)
		if err == nil {
			_, _ = r.output("C")
			_ = r.answers(opReceive, "uuid:1")
		} else if bad := (*protocolError)(nil); !errors.As(err, &bad) {
			t.Errorf("a strange error: %v", err)
		}
		mine, ok := shapeOf(b)
		if !ok {
			return
		}
		theirs, err := referenceShape(b)
		if err != nil {
			t.Fatalf("encoding/xml refuses what we accept: %v\n%q", err, b)
		}
		if mine != theirs {
			t.Fatalf("we read %q, encoding/xml reads %q", mine, theirs)
		}
	})
}

// shapeOf is all that the scanner sees of a document.
func shapeOf(b []byte) (string, bool) {
	s := &scanner{}
	if s.begin(b) != nil {
		return "", false
	}
	root, err := s.root()
	if err != nil {
		return "", false
	}
	var out strings.Builder
	open := func(t token) {
		out.WriteString("<" + t.space + " " + t.local)
		for _, a := range t.attrs {
			out.WriteString(" " + a.space + " " + a.local + "=" + a.value)
		}
		out.WriteString(">")
	}
	open(root)
	for depth := 1; depth > 0; {
		t, err := s.next()
		if err != nil {
			return "", false
		}
		switch t.kind {
		case startTag:
			depth++
			open(t)
		case endTag:
			depth--
			out.WriteString("</>")
		case charData:
			out.WriteString(string(t.text))
		}
	}
	return lines(out.String()), s.rest() == nil
}

func referenceShape(b []byte) (string, error) {
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))))
	var out strings.Builder
	for depth := 0; ; {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return lines(out.String()), nil
		}
		if err != nil {
			return "", err
		}
		switch t := t.(type) {
		case xml.StartElement:
			depth++
			out.WriteString("<" + t.Name.Space + " " + t.Name.Local)
			for _, a := range t.Attr {
				if a.Name.Space != "xmlns" && (a.Name.Space != "" || a.Name.Local != "xmlns") {
					out.WriteString(" " + a.Name.Space + " " + a.Name.Local + "=" + a.Value)
				}
			}
			out.WriteString(">")
		case xml.EndElement:
			depth--
			out.WriteString("</>")
		case xml.CharData:
			if depth > 0 {
				out.WriteString(string(t))
			}
		}
	}
}

// lines drops line ends: encoding/xml makes one out of two, which nothing here depends on.
func lines(s string) string { return strings.NewReplacer("\r", "", "\n", "").Replace(s) }

func FuzzSealed(f *testing.F) {
	body := []byte(sealHead + "UTF-8;Length=3" + sealMiddle + "\x10\x00\x00\x00\x01\x00\x00\x00abcdefgh\x00\x00\x00\x00xyz" + sealEnd)
	f.Add(body)
	if signature, sealed, err := decodeSealed(body); err != nil || len(signature) != 16 || string(sealed) != "xyz" {
		f.Errorf("got %q, %q, %v", signature, sealed, err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		signature, sealed, err := decodeSealed(b)
		if err == nil && (len(signature) != signatureSize || !bytes.Contains(b, sealed)) {
			t.Errorf("got %q, %q", signature, sealed)
		}
	})
}

// FuzzChallenge shows that no challenge that is let through makes the NTLM client panic, or weakens it.
func FuzzChallenge(f *testing.F) {
	first, err := ntlmssp.NewClient()
	if err != nil {
		f.Fatal(err)
	}
	hello, err := first.Authenticate(nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	challenge, _, err := (&ntlm.Server{}).Begin(hello)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(challenge)
	f.Add(challenge[:50])
	short := bytes.Clone(challenge)
	binary.LittleEndian.PutUint16(short[40:], 4) // target information ends at once
	f.Add(short)
	f.Fuzz(func(t *testing.T, b []byte) {
		if checkChallenge(b) != nil {
			return
		}
		c, err := ntlmssp.NewClient(ntlmssp.SetDomain("LAB"), ntlmssp.SetUserInfo("admin", "x"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Authenticate(nil, nil); err != nil {
			t.Fatal(err)
		}
		theirs, err := c.Authenticate(b, nil)
		if err != nil {
			return
		}
		l := &ntlmLogin{domain: "LAB", user: "admin", password: []byte("x")}
		if binary.LittleEndian.Uint32(b[20:])&flagAnonymous != 0 {
			answer := l.authenticate(b, newNonces())
			if binary.LittleEndian.Uint32(answer[60:])&flagAnonymous != 0 {
				t.Error("it is anonymous")
			}
			return
		}
		n := noncesOf(t, l, theirs)
		l.negotiate()
		l.authenticate(b, n)
		k := sessionKeys(n.exported[:])
		for range 3 {
			message := append(make([]byte, headRoom), "canary of some length"...)
			want, signature, err := c.SecuritySession().Wrap(message[headRoom:])
			if err != nil {
				t.Fatal(err)
			}
			body, at, err := (&sealer{k}).wrap(message, headRoom)
			if err != nil || bytes.Contains(body, []byte("canary")) {
				t.Errorf("not sealed: %v", err)
			}
			if !bytes.HasSuffix(body[at:], []byte(string(signature)+string(want)+sealEnd)) {
				t.Error("sealed in another way than by the library")
			}
		}
	})
}
