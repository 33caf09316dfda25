package appsettings

import (
	"fmt"
	"strconv"
)

// maxDepth is the default of System.Text.Json's JsonDocumentOptions.MaxDepth. The outermost object counts.
const maxDepth = 64

// scanner walks a text once, from front to back, and puts what it finds into a tree. The words of the language (strings,
// numbers, comments) are in token.go.
type scanner struct {
	text []byte
	pos  int
	tree *tree
}

// scan reads a whole document. Every error is a *RefusedError.
func scan(text []byte, t *tree) error {
	s := &scanner{text: text, tree: t}
	if err := s.skip(); err != nil {
		return err
	}
	if s.peek() != '{' {
		return s.refuse("the file must hold one object, and nothing but comments before it")
	}
	if _, err := s.object(0, 1); err != nil {
		return err
	}
	if err := s.skip(); err != nil {
		return err
	}
	if s.pos < len(text) {
		return s.refuse("there is text after the end of the document")
	}
	return nil
}

// value reads any value into node i. at is where its name starts, for messages.
func (s *scanner) value(i int32, at, depth int) (err error) {
	from, kind := s.pos, absent
	switch c := s.peek(); {
	case c == '{':
		kind, err = s.object(i, depth+1)
	case c == '[':
		kind, err = s.array(i, depth+1)
	case c == '"':
		kind, err = quoted, s.quoted()
	case c == '-' || isDigit(c):
		kind, err = number, s.number()
	default:
		kind, err = s.literal()
	}
	if err != nil {
		return err
	}
	return s.put(i, kind, at, from)
}

// put records the value that was just read. A filled object or array is a section and says nothing about its own key. An
// empty one replaces what was there; anything else must be the first: that is how .NET does it.
func (s *scanner) put(i int32, k kind, at, from int) error {
	n := &s.tree.nodes[i]
	switch k {
	case absent:
		return nil
	case emptyObject, emptyArray:
	default:
		if n.kind != absent {
			line, column := position(s.text, n.from)
			s.pos = at
			return s.refuse(fmt.Sprintf("duplicate key %s, its other value is at line %d, column %d", s.tree.key(i), line, column))
		}
	}
	n.kind, n.from, n.to = k, from, s.pos
	return nil
}

// object reads "{…}" whose members belong under node i. It returns emptyObject when there are none.
func (s *scanner) object(i int32, depth int) (kind, error) {
	count, err := s.items('}', depth, func(int) error {
		at := s.pos
		name, err := s.name()
		if err != nil {
			return err
		}
		return s.value(s.tree.descend(i, name, at), at, depth)
	})
	if count == 0 {
		return emptyObject, err
	}
	return absent, err
}

// array reads "[…]" whose elements belong under node i. .NET makes keys of the indexes.
func (s *scanner) array(i int32, depth int) (kind, error) {
	count, err := s.items(']', depth, func(index int) error {
		return s.value(s.tree.descend(i, strconv.Itoa(index), s.pos), s.pos, depth)
	})
	if count == 0 {
		return emptyArray, err
	}
	return absent, err
}

// items reads what stands between two brackets: items with commas between them, and maybe one after the last.
func (s *scanner) items(end byte, depth int, item func(index int) error) (count int, err error) {
	if depth > maxDepth {
		return 0, s.refuse(fmt.Sprintf("nested deeper than %d levels", maxDepth))
	}
	for s.pos++; ; count++ {
		if err := s.skip(); err != nil {
			return count, err
		}
		if s.peek() == end {
			s.pos++
			return count, nil
		}
		if err := item(count); err != nil {
			return count, err
		}
		if err := s.skip(); err != nil {
			return count, err
		}
		if s.peek() == ',' {
			s.pos++
		} else if s.peek() != end {
			return count, s.refuse(fmt.Sprintf("a comma or %q is expected", end))
		}
	}
}

// name reads a member's name and its colon, and stops at the value.
func (s *scanner) name() (string, error) {
	from := s.pos
	if s.peek() != '"' {
		return "", s.refuse("a name in double quotes is expected")
	}
	if err := s.quoted(); err != nil {
		return "", err
	}
	name := unquote(s.text[from:s.pos])
	s.blanks() // a comment here is an error in .NET
	if s.peek() != ':' {
		return "", s.refuse("a colon is expected right after a name")
	}
	s.pos++
	return string(name), s.skip()
}

// peek is the next byte. At the end it is NUL, which is valid nowhere outside of a comment.
func (s *scanner) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

// refuse is the error for what stands at the scanner's position.
func (s *scanner) refuse(reason string) error {
	if s.pos >= len(s.text) {
		reason += "; the file ends here"
	}
	line, column := position(s.text, s.pos)
	return &RefusedError{Line: line, Column: column, Reason: reason}
}
