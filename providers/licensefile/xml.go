package licensefile

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"golang.org/x/net/html/charset"

	"meshrotate/providers/part"
)

// deepest is how deep elements may stand in each other: no license needs more.
const deepest = 100

// ofXML reads elements and attributes as an object: who is whose part counts as it does in JSON. Its signature is not read: XML signatures
// are over a canonical form, which only whoever made the file can be trusted to know.
func ofXML(text []byte) (*License, error) {
	d := xml.NewDecoder(bytes.NewReader(text))
	d.CharsetReader = func(label string, in io.Reader) (io.Reader, error) {
		if strings.HasPrefix(strings.ToLower(label), "utf-16") {
			return in, nil // as .NET declares what it writes into a string; the bytes are UTF-8 by now
		}
		return charset.NewReaderLabel(label, in)
	}
	whole := &element{}
	open, elements := []*element{whole}, 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			l := claims(whole.root())
			l.Layout = markup
			return l, nil
		}
		var syntax *xml.SyntaxError
		switch {
		case err == nil:
		case elements > 1 && errors.As(err, &syntax) && syntax.Msg == "unexpected EOF":
			return nil, errors.New("the license file is cut short: it ends in the middle of its XML")
		default:
			return &License{Layout: Unknown}, nil // what begins with a bracket need not be XML, or not of the version that is read here
		}
		last := open[len(open)-1]
		switch t := token.(type) {
		case xml.StartElement:
			if elements++; len(open) > deepest {
				return &License{Layout: Unknown}, nil
			}
			e := &element{name: t.Name.Local, attributes: t.Attr}
			last.inner = append(last.inner, e)
			open = append(open, e)
		case xml.CharData:
			last.text += string(t)
		case xml.EndElement:
			open = open[:len(open)-1]
		}
	}
}

// element is one of an XML file.
type element struct {
	name       string
	text       string
	attributes []xml.Attr
	inner      []*element
}

// root is what the outermost element says.
func (e *element) root() map[string]any {
	for _, inner := range e.inner {
		return inner.object()
	}
	return map[string]any{}
}

// object is what an element says of itself, by name. What it says twice, and not the same, it does not say.
func (e *element) object() map[string]any {
	o, twice := map[string]any{}, map[string]bool{}
	put := func(name, value string) {
		if name, value = strings.ToLower(name), strings.TrimSpace(value); value == "" {
			return
		}
		if was, is := o[name]; is && was != value {
			twice[name] = true
		}
		o[name] = value
	}
	for _, a := range e.attributes {
		put(a.Name.Local, a.Value)
	}
	for _, inner := range e.inner {
		name, more := inner.named()
		if more == nil || strings.TrimSpace(inner.text) != "" && !part.Is(plainName(inner.name)) {
			put(name, inner.text)
		}
		if more == nil {
			continue
		}
		name = strings.ToLower(name)
		for o[name] != nil { // its own text has the name, or another one has
			if part.Is(plainName(name)) {
				name += "_" // which does not count in a name: it is a part still
			} else {
				name = "@" + name
			}
		}
		o[name] = more
	}
	for name := range twice {
		delete(o, name)
	}
	return o
}

// named is what an element says besides its text, nil for nothing, and by which name. <Attribute name="Tier"> is a tier, and nothing more.
func (e *element) named() (name string, more map[string]any) {
	for _, a := range e.attributes {
		if matches(e.name, "attribute", "feature", "property") && matches(a.Name.Local, "name", "key") && len(e.attributes) == 1 && len(e.inner) == 0 {
			return a.Value, nil
		}
	}
	if len(e.attributes)+len(e.inner) == 0 {
		return e.name, nil
	}
	return e.name, e.object()
}
