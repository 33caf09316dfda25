package winrm

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// appendEscaped appends s for use in element text and in quoted attributes.
func appendEscaped(b []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; c {
		case '&':
			b = append(b, "&amp;"...)
		case '<':
			b = append(b, "&lt;"...)
		case '>':
			b = append(b, "&gt;"...)
		case '"':
			b = append(b, "&quot;"...)
		default:
			b = append(b, c)
		}
	}
	return b
}

// unescape resolves the five named entities and character references. Without any it returns raw itself.
func unescape(raw []byte) ([]byte, error) {
	at := bytes.IndexByte(raw, '&')
	if at < 0 {
		return raw, nil
	}
	out := append(make([]byte, 0, len(raw)), raw[:at]...)
	for raw = raw[at:]; len(raw) > 0; {
		if raw[0] != '&' {
			out = append(out, raw[0])
			raw = raw[1:]
			continue
		}
		end := bytes.IndexByte(raw[:min(len(raw), 12)], ';')
		if end < 0 {
			return nil, errXML
		}
		r, ok := entity(string(raw[1:end]))
		if !ok {
			return nil, errXML
		}
		out = utf8.AppendRune(out, r)
		raw = raw[end+1:]
	}
	return out, nil
}

func entity(name string) (rune, bool) {
	switch name {
	case "amp":
		return '&', true
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	digits, base := strings.TrimPrefix(name, "#"), 10
	if digits == name {
		return 0, false
	}
	if hex := strings.TrimPrefix(digits, "x"); hex != digits {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	r := rune(n)
	ok := err == nil && n <= utf8.MaxRune && utf8.ValidRune(r) && (r >= ' ' || r == '\t' || r == '\n' || r == '\r') && r != 0xfffe && r != 0xffff
	return r, ok
}
