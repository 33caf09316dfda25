package render

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Safe makes a text from anywhere harmless on a terminal: control characters, escapes, what turns the direction of
// text and what cannot be seen are shown as \x1b or \u202e, and bytes that are not UTF-8 as \xff. The result is one line.
func Safe(s string) string {
	if !strings.ContainsFunc(s, acts) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteByte(' ')
		case !acts(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		s = s[n:]
	}
	return b.String()
}

// acts says whether a character does something rather than show something. Categories: Unicode 15, section 4.5.
func acts(r rune) bool {
	return r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co)
}

// safeJSON escapes in a JSON text the characters that act, which JSON allows in strings as they are. Outside of
// strings JSON has none but newlines.
func safeJSON(data []byte) []byte {
	risky := func(r rune) bool { return r != '\n' && r != utf8.RuneError && acts(r) }
	if !bytes.ContainsFunc(data, risky) {
		return data
	}
	var b bytes.Buffer
	for _, r := range string(data) {
		switch {
		case !risky(r):
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.Bytes()
}

// clip shortens a text to at most n characters.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
