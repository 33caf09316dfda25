// Package appsettings reads and edits single values in a .NET appsettings.json and keeps every other byte.
//
// The judge of what a file says is the product's own reader, Microsoft.Extensions.Configuration.Json: System.Text.Json
// with comments skipped and trailing commas allowed, at most 64 levels deep. What it refuses is refused here, and what it
// reads is read here. Three of its habits matter most to a tool that edits:
//
//   - A key is a path, "Some:Setting". It may be written nested, flat, or half of each, in any case. Given twice in
//     one file, in any of these ways, it makes .NET refuse the whole file, and the service does not start.
//   - Several layers make up the configuration. A later file or an environment variable hides an earlier value, so
//     editing the file that loses changes nothing. Host says which layers a program reads, and in which order;
//     Effective, which of them wins.
//   - Bytes that are not valid UTF-8 are read as U+FFFD without complaint.
//
// Where versions of the library differ, version 10 is followed. Versions 6 and 8 read null as an empty text; an empty array
// says nothing in 6 and null in 8, where 10 reads an empty text; 6 and 8 know fewer of the variables that Azure names. None
// of this changes what Set writes, which is always a string.
//
// The scanner is the package's own. A general parser for JSON with comments (github.com/tailscale/hujson was tried) accepts
// a comment between a name and its colon, lone surrogates and any depth, all of which .NET refuses; and it does not end a
// line comment at a carriage return, as .NET does.
//
// No error holds a value or any text of the file but key names. The messages of .NET itself do: a bare word in the place
// of a value is repeated whole.
package appsettings

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"meshrotate/reconciler/secret"
)

// Setting is what one layer says about one key. The zero Setting says nothing about it.
type Setting struct {
	Found bool         // the layer sets the key, be it to null
	Null  bool         // it sets the key to null, or to an empty object, which .NET reads as null
	Value secret.Value // the text that .NET reads, UTF-8; zero when not Found or Null

	// Line and Column say where the value starts in a file, both from 1, columns in characters. They are 0 when the key
	// is not Found or the layer is an environment.
	Line, Column int
}

// RefusedError says that .NET would refuse to read a file, and why. Line and Column count from 1; columns are characters.
type RefusedError struct {
	Line, Column int
	Reason       string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Reason)
}

// Get says what a file sets a key to. A key is a path with colons, its case does not matter. A key that the file does not
// hold is no error; a file that .NET would not read is a *RefusedError.
func Get(file []byte, key string) (Setting, error) {
	d, err := read(file)
	if err != nil {
		return Setting{}, err
	}
	return d.setting(key), nil
}

// document is a file that was read to its end.
type document struct {
	text
	tree
}

func read(file []byte) (*document, error) {
	d := &document{text: decode(file), tree: newTree()}
	if err := scan(d.utf8, &d.tree); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *document) setting(key string) Setting {
	i, ok := d.find(key)
	if !ok || d.nodes[i].kind == absent {
		return Setting{}
	}
	n := d.nodes[i]
	s := Setting{Found: true}
	s.Line, s.Column = position(d.utf8, n.from)
	if value, ok := d.value(n); ok {
		s.Value = secret.New(value)
	} else {
		s.Null = true
	}
	return s
}

// value is the text that .NET makes of a value; false is null.
func (d *document) value(n node) ([]byte, bool) {
	token := d.utf8[n.from:n.to]
	switch n.kind {
	case quoted:
		return unquote(token), true
	case number:
		return token, true
	case yes:
		return []byte("True"), true
	case no:
		return []byte("False"), true
	case emptyArray:
		return []byte{}, true
	}
	return nil, false
}

// position turns an offset into a line and a column. A line ends at a line feed, as System.Text.Json counts.
func position(utf8Text []byte, offset int) (line, column int) {
	before := utf8Text[:offset]
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[start:]) + 1
}
