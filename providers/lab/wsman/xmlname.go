package wsman

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// resolve takes the namespace declarations out of e's attributes and gives every name its namespace.
func (p *parser) resolve(e *element, raw string, scope int) error {
	kept := e.attrs[:0]
	for _, a := range e.attrs {
		if a.name == "xmlns" {
			p.bindings = append(p.bindings, binding{"", a.value})
		} else if prefix, ok := strings.CutPrefix(a.name, "xmlns:"); ok {
			if a.value == "" {
				return fmt.Errorf("prefix %s has no namespace", prefix)
			}
			p.bindings = append(p.bindings, binding{prefix, a.value})
		} else {
			kept = append(kept, a)
		}
	}
	e.attrs = kept
	var err error
	if e.space, e.name, err = p.lookup(raw, true); err != nil {
		return err
	}
	for i := range e.attrs {
		if e.attrs[i].space, e.attrs[i].name, err = p.lookup(e.attrs[i].name, false); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) lookup(raw string, useDefault bool) (space, name string, err error) {
	prefix, name, found := strings.Cut(raw, ":")
	if !found {
		prefix, name = "", raw
		if !useDefault {
			return "", name, nil
		}
	}
	for i := len(p.bindings) - 1; i >= 0; i-- {
		if p.bindings[i].prefix == prefix {
			return p.bindings[i].space, name, nil
		}
	}
	if prefix == "" {
		return "", name, nil
	}
	return "", "", fmt.Errorf("prefix %s is not declared", prefix)
}

// unescape replaces the five entities and character references. Text without any is returned as it is.
func unescape(b []byte) ([]byte, error) {
	if bytes.IndexByte(b, '&') < 0 {
		return b, nil
	}
	out := make([]byte, 0, len(b))
	for {
		n := bytes.IndexByte(b, '&')
		if n < 0 {
			return append(out, b...), nil
		}
		out = append(out, b[:n]...)
		b = b[n+1:]
		end := bytes.IndexByte(b, ';')
		if end < 1 || end > 10 {
			return nil, errors.New("bad entity")
		}
		r, err := entity(string(b[:end]))
		if err != nil {
			return nil, err
		}
		out, b = utf8.AppendRune(out, r), b[end+1:]
	}
}

func entity(name string) (rune, error) {
	switch name {
	case "lt":
		return '<', nil
	case "gt":
		return '>', nil
	case "amp":
		return '&', nil
	case "quot":
		return '"', nil
	case "apos":
		return '\'', nil
	}
	digits, isRef := strings.CutPrefix(name, "#")
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 21)
	if !isRef || err != nil || n == 0 || !utf8.ValidRune(rune(n)) {
		return 0, errors.New("bad entity")
	}
	return rune(n), nil
}
