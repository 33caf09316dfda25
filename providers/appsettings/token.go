package appsettings

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// blanks skips white space: the four characters of RFC 8259, section 2, and no other.
func (s *scanner) blanks() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

// skip skips white space and comments.
func (s *scanner) skip() error {
	for s.blanks(); s.peek() == '/'; s.blanks() {
		if err := s.comment(); err != nil {
			return err
		}
	}
	return nil
}

// comment skips one comment. A line comment ends at a line feed or a carriage return, and .NET refuses U+2028 and
// U+2029 in it, which some readers take for the end of the line.
func (s *scanner) comment() error {
	rest := s.text[s.pos:]
	switch {
	case bytes.HasPrefix(rest, []byte("/*")):
		end := bytes.Index(rest[2:], []byte("*/"))
		if end < 0 {
			return s.refuse("the comment that starts here is never closed")
		}
		s.pos += 2 + end + 2
	case bytes.HasPrefix(rest, []byte("//")):
		line := rest
		if end := bytes.IndexAny(rest, "\r\n"); end >= 0 {
			line = rest[:end]
		}
		if bytes.Contains(line, []byte("\u2028")) || bytes.Contains(line, []byte("\u2029")) {
			return s.refuse("the comment that starts here holds a Unicode line or paragraph separator")
		}
		s.pos += len(line)
	default:
		return s.refuse("a lone slash")
	}
	return nil
}

// quoted skips a string. Escaped surrogates must come in pairs: .NET parses lone ones, then fails to read them.
func (s *scanner) quoted() error {
	from := s.pos
	for s.pos++; s.pos < len(s.text); {
		switch c := s.text[s.pos]; {
		case c == '"':
			s.pos++
			return nil
		case c == '\\':
			n := escape(s.text[s.pos:])
			if n == 0 {
				return s.refuse("an invalid escape in a string")
			}
			s.pos += n
		case c < ' ':
			return s.refuse("a control character in a string; it must be escaped")
		default:
			s.pos++
		}
	}
	s.pos = from
	return s.refuse("the string that starts here is never closed")
}

// escape is the length of the escape that b starts with, both halves of a surrogate pair together; 0 when it is invalid.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	if b[1] != 'u' {
		if bytes.IndexByte([]byte(`"\/bfnrt`), b[1]) < 0 {
			return 0
		}
		return 2
	}
	r, ok := hex4(b)
	if !ok {
		return 0
	}
	if !utf16.IsSurrogate(r) {
		return 6
	}
	if low, ok := hex4(b[6:]); !ok || utf16.DecodeRune(r, low) == utf8.RuneError {
		return 0
	}
	return 12
}

// hex4 reads \uXXXX at the start of b.
func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[2:6] {
		switch {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// unquote is the text of a string that quoted has passed.
func unquote(token []byte) []byte {
	inner := token[1 : len(token)-1]
	out := make([]byte, 0, len(inner))
	for len(inner) > 0 {
		plain := bytes.IndexByte(inner, '\\')
		if plain < 0 {
			return append(out, inner...)
		}
		out = append(out, inner[:plain]...)
		inner = inner[plain:]
		n := escape(inner)
		switch r, _ := hex4(inner); n {
		case 2:
			out = append(out, unescaped(inner[1]))
		case 6:
			out = utf8.AppendRune(out, r)
		case 12:
			low, _ := hex4(inner[6:])
			out = utf8.AppendRune(out, utf16.DecodeRune(r, low))
		}
		inner = inner[n:]
	}
	return out
}

func unescaped(c byte) byte {
	if i := bytes.IndexByte([]byte("bfnrt"), c); i >= 0 {
		return "\b\f\n\r\t"[i]
	}
	return c
}

// quote writes a string so that any reader understands it: ASCII only, every other character escaped. So it does not depend
// on the file's encoding, and no tool that guesses an encoding can spoil it.
func quote(value []byte) []byte {
	out := []byte{'"'}
	for _, r := range string(value) {
		switch {
		case r == '"' || r == '\\':
			out = append(out, '\\', byte(r))
		case ' ' <= r && r < 0x7f:
			out = append(out, byte(r))
		default:
			for _, u := range utf16.AppendRune(nil, r) {
				out = append(out, '\\', 'u')
				out = append(out, strconv.FormatUint(0x10000|uint64(u), 16)[1:]...)
			}
		}
	}
	return append(out, '"')
}

// number skips a number, RFC 8259, section 6. What may follow it is for the caller to say.
func (s *scanner) number() error {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
		if isDigit(s.peek()) {
			return s.refuse("a number with a leading zero")
		}
	} else if !s.digits() {
		return s.refuse("a digit is expected in a number")
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return s.refuse("a digit is expected in a number after the decimal point")
		}
	}
	if s.peek()|0x20 == 'e' {
		s.pos++
		if s.peek() == '+' || s.peek() == '-' {
			s.pos++
		}
		if !s.digits() {
			return s.refuse("a digit is expected in a number's exponent")
		}
	}
	return nil
}

// digits skips digits and says whether there were any.
func (s *scanner) digits() bool {
	from := s.pos
	for isDigit(s.peek()) {
		s.pos++
	}
	return s.pos > from
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// literal skips true, false or null.
func (s *scanner) literal() (kind, error) {
	rest := s.text[s.pos:]
	switch {
	case bytes.HasPrefix(rest, []byte("null")):
		s.pos += 4
		return null, nil
	case bytes.HasPrefix(rest, []byte("true")):
		s.pos += 4
		return yes, nil
	case bytes.HasPrefix(rest, []byte("false")):
		s.pos += 5
		return no, nil
	}
	return absent, s.refuse("a value is expected")
}
