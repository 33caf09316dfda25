package winrm

import (
	"bytes"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"
)

// The scanner reads the XML that WinRM writes, and nothing else: UTF-8, namespaces, no DTD, ASCII names. It never
// copies text, so a Receive of hundreds of kilobytes costs one pass. It accepts only what encoding/xml accepts too.
type scanner struct {
	buf    []byte
	pos    int
	open   [][]byte // raw names of the open elements
	scopes []int    // number of bindings outside each open element
	bound  []binding
	ended  bool // the last start tag was <x/>: its end follows

	room struct { // of the slices above, for answers as they are
		open   [8][]byte
		scopes [8]int
		bound  [12]binding
		attrs  [8]attr // of the last start tag: whoever wants one keeps its text
	}
}

type binding struct{ prefix, uri string }

type kind int

const (
	startTag kind = iota + 1
	endTag
	charData
)

type token struct {
	kind  kind
	space string // namespace
	local string
	attrs []attr
	text  []byte // character data, escapes resolved
}

type attr struct{ space, local, value string }

const maxDepth = 64

// declaration is the XML declaration, the only processing instruction that is taken.
var declaration = regexp.MustCompile(`^<\?xml version=(?:"1\.0"|'1\.0')(?: encoding=(?:"(?i:utf-8)"|'(?i:utf-8)'))?(?: standalone=(?:"yes"|"no"|'yes'|'no'))? ?\?>`)

var errXML = violation("the answer is not well-formed XML")

// scanners are for answers while they are read.
var scanners = sync.Pool{New: func() any { return new(scanner) }}

// release gives the scanner to the next answer, with nothing of this one in it.
func (s *scanner) release() {
	*s = scanner{}
	scanners.Put(s)
}

// begin makes a new scanner read b.
func (s *scanner) begin(b []byte) error {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(b) || bytes.Contains(b, []byte("\xef\xbf\xbe")) || bytes.Contains(b, []byte("\xef\xbf\xbf")) {
		return errXML
	}
	for _, c := range b {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			return errXML
		}
	}
	s.buf = b
	s.open, s.scopes = s.room.open[:0], s.room.scopes[:0]
	s.bound = append(s.room.bound[:0], binding{"xml", "http://www.w3.org/XML/1998/namespace"})
	if bytes.HasPrefix(b, []byte("<?")) {
		if s.pos = len(declaration.Find(b)); s.pos == 0 {
			return errXML
		}
	}
	return nil
}

// next is the next token. Comments are skipped. Outside the root element there are no tokens but its own.
func (s *scanner) next() (token, error) {
	if s.ended {
		s.ended = false
		s.pop()
		return token{kind: endTag}, nil
	}
	for {
		if s.pos >= len(s.buf) {
			return token{}, errXML
		}
		rest := s.buf[s.pos:]
		switch {
		case rest[0] != '<':
			return s.chars()
		case bytes.HasPrefix(rest, []byte("<!--")):
			end := bytes.Index(rest[4:], []byte("--"))
			if end < 0 || !bytes.HasPrefix(rest[4+end:], []byte("-->")) {
				return token{}, errXML
			}
			s.pos += 4 + end + 3
		case bytes.HasPrefix(rest, []byte("<![CDATA[")):
			end := bytes.Index(rest, []byte("]]>"))
			if end < 0 || len(s.open) == 0 {
				return token{}, errXML
			}
			s.pos += end + 3
			return token{kind: charData, text: rest[9:end]}, nil
		case bytes.HasPrefix(rest, []byte("</")):
			return s.end()
		default:
			return s.start()
		}
	}
}

func (s *scanner) chars() (token, error) {
	rest := s.buf[s.pos:]
	n := bytes.IndexByte(rest, '<')
	if n < 0 {
		n = len(rest)
	}
	s.pos += n
	raw := rest[:n]
	if bytes.Contains(raw, []byte("]]>")) || len(s.open) == 0 && len(bytes.TrimSpace(raw)) > 0 {
		return token{}, errXML
	}
	text, err := unescape(raw)
	return token{kind: charData, text: text}, err
}

func (s *scanner) end() (token, error) {
	s.pos += 2
	name := s.name()
	s.space()
	if len(s.open) == 0 || !bytes.Equal(name, s.open[len(s.open)-1]) || !s.skip('>') {
		return token{}, errXML
	}
	s.pop()
	return token{kind: endTag}, nil
}

func (s *scanner) pop() {
	last := len(s.open) - 1
	s.bound = s.bound[:s.scopes[last]]
	s.open, s.scopes = s.open[:last], s.scopes[:last]
}

func (s *scanner) start() (token, error) {
	s.pos++
	name := s.name()
	if len(name) == 0 || len(s.open) == maxDepth {
		return token{}, errXML
	}
	s.open, s.scopes = append(s.open, name), append(s.scopes, len(s.bound))
	t := token{kind: startTag, attrs: s.room.attrs[:0]}
	for {
		spaced := s.space()
		if s.skip('>') {
			break
		}
		if s.skip('/') {
			if !s.skip('>') {
				return token{}, errXML
			}
			s.ended = true
			break
		}
		if !spaced {
			return token{}, errXML
		}
		if err := s.attribute(&t); err != nil {
			return token{}, err
		}
	}
	return t, s.resolve(&t, name)
}

// attribute reads name="value" and binds it when it declares a namespace.
func (s *scanner) attribute(t *token) error {
	prefix, local, ok := split(s.name())
	s.space()
	if !ok || !s.skip('=') {
		return errXML
	}
	s.space()
	if s.pos >= len(s.buf) || s.buf[s.pos] != '"' && s.buf[s.pos] != '\'' {
		return errXML
	}
	quote := s.buf[s.pos]
	rest := s.buf[s.pos+1:]
	n := bytes.IndexByte(rest, quote)
	if n < 0 || bytes.IndexByte(rest[:n], '<') >= 0 || bytes.Contains(rest[:n], []byte("]]>")) {
		return errXML
	}
	s.pos += n + 2
	value, err := unescape(rest[:n])
	if err != nil {
		return err
	}
	switch {
	case prefix == "xmlns":
		if len(value) == 0 {
			return errXML
		}
		s.bound = append(s.bound, binding{local, known(value)})
	case prefix == "" && local == "xmlns":
		s.bound = append(s.bound, binding{"", known(value)})
	default:
		t.attrs = append(t.attrs, attr{prefix, local, known(value)})
	}
	return nil
}

// resolve replaces prefixes by namespaces and refuses what is not bound or given twice.
func (s *scanner) resolve(t *token, name []byte) error {
	prefix, local, ok := split(name)
	space, bound := s.lookup(prefix)
	if !ok || !bound {
		return errXML
	}
	t.space, t.local = space, local
	for i := range t.attrs {
		a := &t.attrs[i]
		if a.space != "" {
			if a.space, bound = s.lookup(a.space); !bound {
				return errXML
			}
		}
		for _, b := range t.attrs[:i] {
			if b.space == a.space && b.local == a.local {
				return errXML
			}
		}
	}
	return nil
}

func (s *scanner) lookup(prefix string) (string, bool) {
	for i := len(s.bound) - 1; i >= 0; i-- {
		if s.bound[i].prefix == prefix {
			return s.bound[i].uri, true
		}
	}
	return "", prefix == ""
}

func (s *scanner) skip(c byte) bool {
	if s.pos < len(s.buf) && s.buf[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

func (s *scanner) space() bool {
	from := s.pos
	for s.pos < len(s.buf) && strings.IndexByte(" \t\r\n", s.buf[s.pos]) >= 0 {
		s.pos++
	}
	return s.pos > from
}

func (s *scanner) name() []byte {
	from := s.pos
	for s.pos < len(s.buf) {
		c := s.buf[s.pos]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
		if !letter && (s.pos == from || c != ':' && c != '-' && c != '.' && (c < '0' || c > '9')) {
			break
		}
		s.pos++
	}
	return s.buf[from:s.pos]
}

// split cuts a raw name into prefix and local part.
func split(name []byte) (prefix, local string, ok bool) {
	prefix, local, found := strings.Cut(known(name), ":")
	if !found {
		prefix, local = "", prefix
	}
	return prefix, local, local != "" && (!found || prefix != "") && strings.IndexByte("-.0123456789", local[0]) < 0 && !strings.Contains(local, ":")
}

// known is text as a string. What Windows writes into every answer is there already.
func known(text []byte) string {
	if s, ok := usual[string(text)]; ok { // this makes no string
		return s
	}
	return string(text)
}

// answers are the actions of those that are no faults.
const answers = actionTransfer + "CreateResponse " + actionTransfer + "DeleteResponse " + actionShell + "CommandResponse " + actionShell + "SendResponse " +
	actionShell + "ReceiveResponse " + actionShell + "SignalResponse"

var usual = func() map[string]string {
	all := map[string]string{}
	for s := range strings.FieldsSeq(nsSOAP + " " + nsAddressing + " " + nsTransfer + " " + nsManagement + " " + nsShell + " " + nsFault + ` ` + answers + ` en-US xml:lang xmlns:s xmlns:a xmlns:x xmlns:w xmlns:p xmlns:rsp
		s:Envelope s:Header s:Body a:Action a:MessageID a:To a:RelatesTo x:ResourceCreated a:Address a:ReferenceParameters w:ResourceURI w:SelectorSet w:Selector Name ShellId
		rsp:Shell rsp:ShellId rsp:ResourceUri rsp:Owner rsp:ClientIP rsp:IdleTimeOut rsp:InputStreams rsp:OutputStreams rsp:CommandResponse rsp:CommandId rsp:SendResponse
		rsp:ReceiveResponse rsp:Stream rsp:CommandState rsp:ExitCode rsp:SignalResponse CommandId State End stdout stderr TRUE true`) {
		all[s] = s
	}
	return all
}()
