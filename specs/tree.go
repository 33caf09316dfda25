package specs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

const (
	maxBytes = 1 << 20 // of a document, looked at before it is parsed
	maxDepth = 32      // of nested lists and mappings
)

// parse turns the bytes into one YAML node, or reports why it cannot.
func (r *reader) parse(data []byte) *yaml.Node {
	tooLarge := len(data) > maxBytes // callers read one byte more than that, and no further
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	switch {
	case tooLarge:
		r.whole("the document is larger than 1 MiB", "one document describes one deployment; write relays as ranges: relay-[001..500].contoso.example")
	case bytes.IndexByte(data, 0) >= 0:
		r.line(data, bytes.IndexByte(data, 0), "a NUL byte is not text", "save the document as UTF-8")
	case !utf8.Valid(data):
		r.line(data, invalidAt(data), "this is not UTF-8", "save the document as UTF-8")
	case !r.seen(data):
	default:
		return r.decode(data)
	}
	return nil
}

// seen reports the first character, in a comment as well, by which a document is read in another way than it is shown. YAML 1.1 ends a
// line, and with it a comment, at four that editors and forges do not: what follows them would be read, and reviewed by nobody.
func (r *reader) seen(data []byte) bool {
	for at, c := range string(data) {
		switch {
		case c == '\r' && bytes.HasPrefix(data[at+1:], []byte("\n")):
			continue
		case c == '\r', c == 0x85, c == 0x2028, c == 0x2029:
			r.line(data, at, fmt.Sprintf("a new line begins behind this character (%U) for YAML, and for a reviewer it does not", c), "end lines with a line feed, or with a carriage return and a line feed")
		case control(string(c)):
			r.line(data, at, fmt.Sprintf("a control character (%U), which a reviewer does not see", c), "delete it; in a comment, too")
		default:
			continue
		}
		return false
	}
	return true
}

func (r *reader) decode(data []byte) *yaml.Node {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
		r.whole("the document is empty", "start with apiVersion: "+APIVersion)
		return nil
	} else if err != nil {
		r.syntax(err)
		return nil
	}
	if err := decoder.Decode(&second); err == nil {
		r.atNode(&second, nil, "a second document starts here", "one file holds one deployment")
		return nil
	} else if !errors.Is(err, io.EOF) {
		r.syntax(err)
		return nil
	}
	return doc.Content[0]
}

// invalidAt is the offset of the first byte that is not UTF-8.
func invalidAt(data []byte) int {
	at := 0
	for at < len(data) {
		c, size := utf8.DecodeRune(data[at:])
		if c == utf8.RuneError && size <= 1 {
			break
		}
		at += size
	}
	return at
}

var yamlLine = form(`^(?:yaml: )?line (\d+): `)

// syntax reports what the YAML parser says, without the names that it may quote.
func (r *reader) syntax(err error) {
	p := &Problem{File: r.file, Text: strings.TrimPrefix(err.Error(), "yaml: ")}
	if m := yamlLine().FindStringSubmatch(err.Error()); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		p.Column = 1
		p.Text = strings.TrimPrefix(p.Text, "line "+m[1]+": ")
	}
	switch {
	case strings.Contains(p.Text, "anchor"):
		p.Text, p.Hint = "anchors and aliases are not allowed", "a text that starts with & or * needs quotes"
	case strings.Contains(p.Text, "cannot start any token"):
		p.Hint = "indent with spaces, not tabs; a text that starts with @, ` or % needs quotes"
	case strings.Contains(p.Text, "mapping values are not allowed"):
		p.Hint = `a text that holds ": " needs quotes`
	case strings.Contains(p.Text, "expected ',' or ']'"):
		p.Hint = `in a list on one line, here or on the next, a range needs quotes: ["relay-[01..12].contoso.example"]`
	case strings.Contains(p.Text, "unknown escape"):
		p.Hint = `write Windows paths without quotes or in single quotes: '%ProgramFiles%\IdentityMesh'`
	}
	p.Text = "this is not YAML: " + p.Text
	r.problems = append(r.problems, p)
}

// value turns a node into what encoding/json would give, for the schema and for decoding. What it refuses it reports,
// and returns nil in its place.
func (r *reader) value(n *yaml.Node, path []string) any {
	switch {
	case len(path) > maxDepth:
		return r.refuse(n, path, fmt.Sprintf("nested deeper than %d levels", maxDepth), "")
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return r.refuse(n, path, "anchors and aliases are not allowed", "write the value out; a text that starts with & or * needs quotes")
	case n.Style&yaml.TaggedStyle != 0:
		return r.refuse(n, path, "YAML tags are not allowed", "a text that starts with ! needs quotes")
	case n.Kind == yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			list[i] = r.value(item, under(path, strconv.Itoa(i)))
		}
		return list
	case n.Kind == yaml.MappingNode:
		return r.mapping(n, path)
	}
	return r.scalar(n, path)
}

func (r *reader) mapping(n *yaml.Node, path []string) any {
	object := make(map[string]any, len(n.Content)/2)
	first := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.ShortTag() == "!!merge":
			r.refuse(key, path, "merge keys are not allowed", "write the values out")
		case key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" || key.Anchor != "" || key.Style&yaml.TaggedStyle != 0:
			r.refuse(key, path, "a key must be a plain text", "write the key in quotes")
		case control(key.Value):
			r.refuse(key, path, "a key holds a control character", "")
		case first[key.Value] > 0:
			at := path
			if r.names[key.Value] { // any other key may be a secret in the wrong place
				at = under(path, key.Value)
			}
			r.refuse(key, at, fmt.Sprintf("this key stands here twice, first on line %d", first[key.Value]), "keep one of them")
		default:
			first[key.Value] = key.Line
			object[key.Value] = r.value(value, under(path, key.Value))
		}
	}
	return object
}

var (
	plainInteger = form(`^-?(0|[1-9][0-9]*)$`)
	oldBoolean   = form(`^(?i:yes|no|on|off|y|n)$`)
)

// scalar reads one value as YAML 1.2 does. Where YAML 1.1 reads something else, or where a number would lose how it is
// written, it refuses: such a document means different things to different programs.
func (r *reader) scalar(n *yaml.Node, path []string) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		if n.Value != "true" && n.Value != "false" {
			return r.refuse(n, path, "this may be read as true or false", "write true or false, or the text in quotes")
		}
		return n.Value == "true"
	case "!!int":
		if !plainInteger().MatchString(n.Value) {
			return r.refuse(n, path, "this number is not in plain decimal", "write it in plain digits, or the text in quotes")
		}
		return json.Number(n.Value)
	case "!!float":
		if plainInteger().MatchString(n.Value) { // beyond 64 bits
			return r.refuse(n, path, "this number is too large", "write it as a text, in quotes")
		}
		return r.refuse(n, path, "a number with a fraction or an exponent loses how it is written (1.10 becomes 1.1)", "write it as a text, in quotes")
	case "!!timestamp":
		return r.refuse(n, path, "some programs read this as a date, others as a text", "write it in quotes")
	}
	if n.Style == 0 && oldBoolean().MatchString(n.Value) {
		return r.refuse(n, path, "this word is a truth value in YAML 1.1", "write true or false, or the text in quotes")
	}
	if control(n.Value) {
		return r.refuse(n, path, "the text holds a control character", "")
	}
	return n.Value
}

// control says whether text holds what a terminal or another YAML reader may act upon. Line breaks and tabs are kept.
func control(text string) bool {
	return strings.ContainsFunc(text, func(c rune) bool {
		switch {
		case c == '\n' || c == '\r' || c == '\t':
			return false
		case c < 0x20, c >= 0x7f && c < 0xa0: // C0, DEL, C1
			return true
		case c == 0x2028, c == 0x2029, c == 0xfeff, c == 0xfffe, c == 0xffff:
			return true
		case c >= 0x202a && c <= 0x202e, c >= 0x2066 && c <= 0x2069: // they reorder what a reviewer sees
			return true
		}
		return false
	})
}

// under is path with one more part, never in path's own memory.
func under(path []string, part string) []string {
	return append(path[:len(path):len(path)], part)
}
