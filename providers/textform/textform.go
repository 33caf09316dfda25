// Package textform reads a text in the Unicode form that it was written in.
package textform

import (
	"bytes"
	"unicode/utf16"
)

// UTF8 is a text in UTF-8, without a byte order mark. A text in UTF-16 is told by its mark; or, without one, by its first two characters,
// where these are of ASCII, as those of JSON and XML are.
func UTF8(text []byte) []byte {
	for _, mark := range []struct {
		bom string
		big bool
	}{{"\xff\xfe", false}, {"\xfe\xff", true}} {
		if rest, ok := bytes.CutPrefix(text, []byte(mark.bom)); ok {
			text = fromUTF16(rest, mark.big)
		}
	}
	if len(text) >= 4 && (text[0] == 0) != (text[1] == 0) && (text[0] == 0) == (text[2] == 0) && (text[1] == 0) == (text[3] == 0) {
		text = fromUTF16(text, text[0] == 0)
	}
	return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
}

func fromUTF16(b []byte, big bool) []byte {
	units := make([]uint16, len(b)/2)
	for i := range units {
		lo, hi := b[2*i], b[2*i+1]
		if big {
			lo, hi = hi, lo
		}
		units[i] = uint16(hi)<<8 | uint16(lo)
	}
	return []byte(string(utf16.Decode(units)))
}
