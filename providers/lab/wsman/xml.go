package wsman

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// element is one node of a parsed envelope. Text is the character data directly inside it.
type element struct {
	space, name string
	attrs       []attribute
	children    []*element
	text        []byte
}

type attribute struct{ space, name, value string }

// attr returns an attribute's value; "" when it is not there.
func (e *element) attr(space, name string) string {
	for _, a := range e.attrs {
		if a.space == space && a.name == name {
			return a.value
		}
	}
	return ""
}

// only returns the single child of that name: nil when there is none, an error when there are several.
func (e *element) only(space, name string) (*element, error) {
	var found *element
	for _, c := range e.children {
		if c.space != space || c.name != name {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("%s comes twice", name)
		}
		found = c
	}
	return found, nil
}

// string is the element's text without surrounding white space.
func (e *element) string() string {
	if e == nil {
		return ""
	}
	return string(bytes.TrimSpace(e.text))
}

const (
	maxDepth    = 32
	maxElements = 4096
	xmlSpace    = "http://www.w3.org/XML/1998/namespace"
)

// parser reads the subset of XML that SOAP 1.2 allows: no document type, no processing instructions. It is small
// because encoding/xml takes more time over one message's base64 than the rest of the server over the whole message.
type parser struct {
	in       []byte
	at       int
	elements int
	bindings []binding
}

type binding struct{ prefix, space string }

// parseXML returns the root element. The result may refer to in.
func parseXML(in []byte) (*element, error) {
	if !utf8.Valid(in) {
		return nil, errors.New("not UTF-8")
	}
	p := &parser{in: bytes.TrimPrefix(in, []byte("\xef\xbb\xbf"))}
	p.bindings = append(make([]binding, 0, 16), binding{"xml", xmlSpace})
	if bytes.HasPrefix(p.in, []byte("<?xml ")) {
		end := bytes.Index(p.in, []byte("?>"))
		if end < 0 {
			return nil, errors.New("the XML declaration does not end")
		}
		p.at = end + 2
	}
	if err := p.misc(); err != nil {
		return nil, err
	}
	root, err := p.element(0)
	if err != nil {
		return nil, fmt.Errorf("at byte %d: %w", p.at, err)
	}
	if err := p.misc(); err != nil {
		return nil, err
	}
	if p.at != len(p.in) {
		return nil, errors.New("text after the root element")
	}
	return root, nil
}

// misc skips white space and comments outside the root.
func (p *parser) misc() error {
	for {
		p.space()
		if !p.has("<!--") {
			return nil
		}
		if err := p.comment(); err != nil {
			return err
		}
	}
}

func (p *parser) space() {
	for p.at < len(p.in) && strings.IndexByte(" \t\r\n", p.in[p.at]) >= 0 {
		p.at++
	}
}

func (p *parser) has(s string) bool { return bytes.HasPrefix(p.in[p.at:], []byte(s)) }

func (p *parser) comment() error {
	end := bytes.Index(p.in[p.at+4:], []byte("--"))
	if end < 0 || !bytes.HasPrefix(p.in[p.at+4+end:], []byte("-->")) {
		return errors.New("bad comment")
	}
	p.at += 4 + end + 3
	return nil
}

// element reads one element with everything in it.
func (p *parser) element(depth int) (*element, error) {
	if p.elements++; p.elements > maxElements || depth > maxDepth {
		return nil, errors.New("too many elements or too deep")
	}
	if !p.has("<") {
		return nil, errors.New("an element is expected")
	}
	p.at++
	raw, err := p.name()
	if err != nil {
		return nil, err
	}
	scope := len(p.bindings)
	defer func() { p.bindings = p.bindings[:scope] }()
	e := &element{}
	if e.attrs, err = p.attributes(); err != nil {
		return nil, err
	}
	if err := p.resolve(e, raw, scope); err != nil {
		return nil, err
	}
	if p.has("/>") {
		p.at += 2
		return e, nil
	}
	p.at++ // attributes has seen that it is '>'
	if err := p.content(e, depth); err != nil {
		return nil, err
	}
	end, err := p.name()
	if err != nil || end != raw {
		return nil, fmt.Errorf("element %s is not closed", raw)
	}
	p.space()
	if !p.has(">") {
		return nil, fmt.Errorf("element %s is not closed", raw)
	}
	p.at++
	return e, nil
}

// content reads up to and including the "</" of the end tag.
func (p *parser) content(e *element, depth int) error {
	for {
		n := bytes.IndexByte(p.in[p.at:], '<')
		if n < 0 {
			return errors.New("the document ends inside an element")
		}
		text, err := unescape(p.in[p.at : p.at+n])
		if err != nil {
			return err
		}
		e.addText(text)
		p.at += n
		switch {
		case p.has("</"):
			p.at += 2
			return nil
		case p.has("<!--"):
			if err := p.comment(); err != nil {
				return err
			}
		case p.has("<![CDATA["):
			end := bytes.Index(p.in[p.at:], []byte("]]>"))
			if end < 0 {
				return errors.New("CDATA does not end")
			}
			e.addText(p.in[p.at+9 : p.at+end])
			p.at += end + 3
		case p.has("<!"), p.has("<?"):
			return errors.New("SOAP allows no declarations and no processing instructions")
		default:
			child, err := p.element(depth + 1)
			if err != nil {
				return err
			}
			e.children = append(e.children, child)
		}
	}
}

// addText keeps a lone piece of text without copying it.
func (e *element) addText(b []byte) {
	switch {
	case len(b) == 0:
	case e.text == nil:
		e.text = b[:len(b):len(b)]
	default:
		e.text = append(e.text, b...)
	}
}

func (p *parser) name() (string, error) {
	start := p.at
	for p.at < len(p.in) && strings.IndexByte(" \t\r\n=/><\"'&", p.in[p.at]) < 0 {
		p.at++
	}
	name := string(p.in[start:p.at])
	prefix, local, cut := strings.Cut(name, ":")
	if name == "" || cut && (prefix == "" || local == "" || strings.Contains(local, ":")) {
		return "", errors.New("bad name")
	}
	return name, nil
}

// attributes reads up to the '>' or "/>", which it leaves. Names keep their prefix until resolve.
func (p *parser) attributes() (attrs []attribute, err error) {
	for {
		before := p.at
		p.space()
		if p.has(">") || p.has("/>") {
			return attrs, nil
		}
		if p.at == before {
			return nil, errors.New("white space is expected")
		}
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		p.space()
		if !p.has("=") {
			return nil, errors.New("an attribute without a value")
		}
		p.at++
		p.space()
		if !p.has(`"`) && !p.has("'") {
			return nil, errors.New("an attribute's value is not quoted")
		}
		quote := p.in[p.at]
		n := bytes.IndexByte(p.in[p.at+1:], quote)
		if n < 0 {
			return nil, errors.New("an attribute's value does not end")
		}
		value, err := unescape(p.in[p.at+1 : p.at+1+n])
		if err != nil || bytes.IndexByte(p.in[p.at+1:p.at+1+n], '<') >= 0 {
			return nil, errors.New("bad value of an attribute")
		}
		p.at += n + 2
		for _, a := range attrs {
			if a.name == name {
				return nil, fmt.Errorf("attribute %s comes twice", name)
			}
		}
		attrs = append(attrs, attribute{name: name, value: string(value)})
	}
}
