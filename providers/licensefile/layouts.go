package licensefile

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// The layouts that are read.
const (
	dotted   = "dotted"   // a payload, a dot and its signature
	jwt      = "jwt"      // a JSON Web Token
	lines    = "lines"    // a payload and its signature, a line each
	envelope = "envelope" // JSON with a payload and its signature
	flat     = "json"     // JSON that says it all itself
	markup   = "xml"
)

// Layouts are the names of all, and Unknown is the name for none of them.
var Layouts = []string{dotted, jwt, lines, envelope, flat, markup, Unknown}

// Unknown is the layout that only the product reads.
const Unknown = "opaque"

// parse reads one layer of a file: depth more may be wrapped in it.
func parse(text []byte, depth int) (*License, error) {
	if inner, ok := unarmoured(text); ok {
		text = inner
	}
	switch {
	case len(text) == 0 || depth == 0 || !utf8.Valid(text):
		return &License{Layout: Unknown}, nil
	case text[0] == '{':
		return ofJSON(text)
	case text[0] == '<':
		return ofXML(text)
	}
	if parts := strings.Split(string(text), "."); len(parts) == 2 || len(parts) == 3 {
		if strings.IndexFunc(parts[0], func(r rune) bool { return !inBase64(r) }) < 0 {
			return ofParts(parts)
		}
	}
	if parts := strings.Fields(string(text)); len(parts) == 2 {
		payload, err1 := decode(parts[0])
		signature, err2 := decode(parts[1])
		if err1 == nil && err2 == nil && legible(payload) {
			return signedBy(lines, parts[0], payload, signature)
		}
	}
	if inner, err := decode(string(text)); err == nil {
		if inner = plain(inner); len(inner) > 0 {
			return parse(inner, depth-1)
		}
	}
	return &License{Layout: Unknown}, nil
}

var armourHeader = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*: `) // RFC 1421, and OpenPGP's

// unarmoured is what stands between BEGIN and END, as in a PEM file. What is damaged in there is somebody else's to say.
func unarmoured(text []byte) (inner []byte, ok bool) {
	if !bytes.HasPrefix(text, []byte("-----BEGIN ")) {
		return nil, false
	}
	var kept [][]byte
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && !bytes.HasPrefix(line, []byte("-----")) && (len(kept) > 0 || !armourHeader.Match(line)) {
			kept = append(kept, line)
		}
	}
	inner = bytes.Join(kept, []byte("\n"))
	if whole, err := decode(string(inner)); err == nil && len(plain(whole)) > 0 {
		return plain(whole), true
	}
	return inner, true
}

// ofParts reads base64 parts with dots between: a payload and a signature, or a JSON Web Token (RFC 7519).
func ofParts(parts []string) (*License, error) {
	layout, payload := dotted, parts[0]
	if len(parts) == 3 {
		layout, payload = jwt, parts[1]
	}
	head, err := decode(parts[0])
	if err != nil || !legible(head) {
		return &License{Layout: Unknown}, nil // words with dots between, or a token of another kind
	}
	last := parts[len(parts)-1]
	body, err := decode(payload)
	signature, err2 := decode(last)
	switch {
	case err != nil, err2 != nil && strings.IndexFunc(last, func(r rune) bool { return !inBase64(r) }) >= 0:
		return &License{Layout: Unknown}, nil // something of the vendor's own is in there
	case err2 != nil:
		return nil, errors.New("the license file is damaged or cut short: its signature has a length that no base64 has")
	}
	if layout == dotted && len(signature) == 0 {
		return nil, errors.New("the license file is cut short: it has no signature")
	}
	l, err := signedBy(layout, payload, body, signature)
	if err != nil || layout == dotted {
		return l, err
	}
	t, ok := tokenOf(parts[0], parts[1], signature)
	if !ok {
		return &License{Layout: Unknown}, nil
	}
	l.unsigned, l.signed, l.tokens = t.unsigned(), nil, []token{t}
	return l, nil
}

// legible says that a payload begins as one that is read here. Of any other nobody knows what it means: it may be encrypted.
func legible(payload []byte) bool {
	text := plain(payload)
	return len(text) > 0 && (text[0] == '{' || text[0] == '<')
}

// signedBy is a payload of JSON or XML with its signature.
func signedBy(layout, encoded string, body, signature []byte) (*License, error) {
	if !legible(body) {
		return &License{Layout: Unknown}, nil
	}
	l, err := ofPayload(plain(body))
	if err != nil || l.Opaque() {
		return l, err
	}
	l.Layout, l.signature = layout, signature
	l.signed = map[Over][]byte{Encoded: []byte(encoded), Decoded: body}
	return l, nil
}

func ofPayload(text []byte) (*License, error) {
	if text[0] == '<' {
		return ofXML(text)
	}
	var o map[string]any
	switch err := unmarshal(text, &o); {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errors.New("the license file is cut short: its payload ends in the middle of its JSON")
	case err != nil:
		return &License{Layout: Unknown}, nil
	}
	return claims(o), nil
}

// ofJSON reads an object: the claims themselves, or a payload beside its signature.
func ofJSON(text []byte) (*License, error) {
	var o map[string]any
	switch err := unmarshal(text, &o); {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errors.New("the license file is cut short: it ends in the middle of its JSON")
	case err != nil:
		return &License{Layout: Unknown}, nil // what begins with a brace need not be JSON
	}
	sig, _ := find(o, "signature", "sig").(string)
	switch payload := find(o, "payload", "license", "data", "content").(type) {
	case string:
		signature, foreign := decode(sig)
		body := []byte(payload)
		if decoded, err := decode(payload); err == nil && len(decoded) > 0 {
			body = decoded
		}
		if sig == "" && !legible(body) {
			break // it is one of its claims: a number, or a key
		}
		l, err := signedBy(envelope, payload, body, signature)
		if err == nil && foreign != nil {
			l.signed = nil // nobody here knows how it is written
		}
		if err == nil {
			l.tokens = tokensOf(o, payload)
			l.unsigned = len(l.tokens) > 0 && !slices.ContainsFunc(l.tokens, func(t token) bool { return !t.unsigned() })
		}
		return l, err
	case map[string]any:
		l := claims(payload)
		l.Layout = envelope // which bytes are signed, nobody can say of an object
		return l, nil
	}
	l := claims(o)
	l.Layout = flat
	return l, nil
}
