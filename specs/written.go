package specs

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Written is a version as a document writes it.
type Written struct {
	Value string
	Line  int
	start int // of the value itself in the text, without quotes
}

// VersionsIn are those that are written below one section of a document's secrets, in its order. A document that cannot be read has
// none.
func VersionsIn(data []byte, section string) []Written {
	r := reader{}
	body := bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if r.root = r.parse(data); r.root == nil {
		return nil
	}
	p := r.find([]string{"secrets", section})
	if p.value == nil {
		return nil
	}
	var all []Written
	for _, n := range scalars(p.value, "version") {
		at := len(data) - len(body) + offset(body, n.Line, n.Column)
		if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
			at++
		}
		if bytes.HasPrefix(data[min(at, len(data)):], []byte(n.Value)) { // not of one with escapes
			all = append(all, Written{Value: n.Value, Line: n.Line, start: at})
		}
	}
	return all
}

// scalars are the values of a key, wherever it stands below a node.
func scalars(n *yaml.Node, key string) (all []*yaml.Node) {
	for i, child := range n.Content {
		switch {
		case n.Kind == yaml.MappingNode && i%2 == 0:
		case child.Kind != yaml.ScalarNode:
			all = append(all, scalars(child, key)...)
		case n.Kind == yaml.MappingNode && n.Content[i-1].Value == key:
			all = append(all, child)
		}
	}
	return all
}

// offset is where a line's column begins, both from 1 on; columns are characters.
func offset(text []byte, line, column int) int {
	at := 0
	for l := range strings.Lines(string(text)) {
		if line--; line > 0 {
			at += len(l)
			continue
		}
		for i := range l {
			if column--; column == 0 {
				return at + i
			}
		}
	}
	return len(text)
}

// With is the text with another value there, and every other byte as it was.
func (w Written) With(data []byte, value string) []byte {
	return bytes.Join([][]byte{data[:w.start], []byte(value), data[w.start+len(w.Value):]}, nil)
}
