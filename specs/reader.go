package specs

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// reader collects what is wrong with one document, and knows where everything stands in it.
type reader struct {
	file string
	// dir is the document's folder, and onDisk says that it is one of this machine and not of a Git revision.
	dir      string
	onDisk   bool
	sections []Section
	root     *yaml.Node
	// names are the keys that the schema knows.
	names    map[string]bool
	problems []*Problem
	// broken are the paths whose form is wrong. They are left out of what is decoded, so that the rest can still be
	// checked, and nothing is reported twice.
	broken [][]string
}

// whole reports a problem of the whole document.
func (r *reader) whole(text, hint string) {
	r.problems = append(r.problems, &Problem{File: r.file, Text: text, Hint: hint})
}

// line reports a problem at a byte offset.
func (r *reader) line(data []byte, offset int, text, hint string) {
	before := data[:offset]
	r.problems = append(r.problems, &Problem{File: r.file, Line: bytes.Count(before, []byte("\n")) + 1,
		Column: offset - bytes.LastIndexByte(before, '\n'), Text: text, Hint: hint})
}

// full says that enough has been found. What comes then is not kept: a document of the wrong kind is wrong
// everywhere, and is answered as fast as any other.
func (r *reader) full() bool { return len(r.problems) >= maxShown }

// atNode reports a problem at a node.
func (r *reader) atNode(n *yaml.Node, path []string, text, hint string) {
	if r.full() {
		return
	}
	r.problems = append(r.problems, &Problem{File: r.file, Line: n.Line, Column: n.Column, Path: pathText(path), Text: text, Hint: hint})
}

// at reports a problem at a path: at the key when there is one, else at the nearest thing around it.
func (r *reader) at(path []string, text, hint string) {
	if r.full() {
		return
	}
	r.atNode(r.find(path).at, path, text, hint)
}

// refuseAt is refuse for what stands at a path.
func (r *reader) refuseAt(path []string, text, hint string) {
	r.at(path, text, hint)
	if !r.full() {
		r.broken = append(r.broken, path)
	}
}

// refuse reports a node whose form is wrong, and marks its path.
func (r *reader) refuse(n *yaml.Node, path []string, text, hint string) any {
	r.atNode(n, path, text, hint)
	if !r.full() {
		r.broken = append(r.broken, path)
	}
	return nil
}

// isBroken says whether something at, above or under the path has a wrong form.
func (r *reader) isBroken(path ...string) bool {
	return slices.ContainsFunc(r.broken, func(b []string) bool {
		n := min(len(b), len(path))
		return slices.Equal(b[:n], path[:n])
	})
}

// place is where a path leads.
type place struct {
	value *yaml.Node // nil when nothing stands there
	at    *yaml.Node // what to point at
}

// find follows a path as far as it goes.
func (r *reader) find(path []string) place {
	p := place{value: r.root, at: r.root}
	for _, part := range path {
		next := step(p.value, part)
		if next.value == nil {
			return place{at: p.at}
		}
		p = next
	}
	return p
}

func step(n *yaml.Node, part string) place {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == part {
				return place{value: n.Content[i+1], at: n.Content[i]}
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(part); err == nil && i >= 0 && i < len(n.Content) {
			return place{value: n.Content[i], at: n.Content[i]}
		}
	}
	return place{}
}

// pathText is how people read a path: hosts.relays[2], connect.hosts["relay01.example"].port.
func pathText(path []string) string {
	var b strings.Builder
	for i, part := range path {
		switch _, err := strconv.Atoi(part); {
		case err == nil:
			b.WriteString("[" + part + "]")
		case part == "" || strings.ContainsFunc(part, func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) }):
			b.WriteString("[" + strconv.Quote(shorten(part)) + "]")
		default:
			if i > 0 {
				b.WriteString(".")
			}
			b.WriteString(shorten(part))
		}
	}
	return b.String()
}

// shorten keeps a message readable whatever a document holds.
func shorten(text string) string {
	if runes := []rune(text); len(runes) > 80 {
		return string(runes[:80]) + "…"
	}
	return text
}
