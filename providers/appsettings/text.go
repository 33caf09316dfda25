package appsettings

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// text is a file as .NET's StreamReader decodes it: by its byte order mark, UTF-8 without one, and whatever is invalid
// becomes U+FFFD. The scanner sees UTF-8 only.
type text struct {
	file  []byte
	utf8  []byte
	start int // length of the byte order mark
	width int // bytes of an ASCII character: 1, 2 or 4
	order binary.ByteOrder
	plain bool // utf8 is the file's own bytes
}

// decode tells the encodings apart as .NET does. UTF-32 goes before UTF-16: its mark starts with the other's.
func decode(file []byte) text {
	t := text{file: file, width: 1}
	for _, mark := range []struct {
		bytes string
		width int
		order binary.ByteOrder
	}{
		{"\xef\xbb\xbf", 1, nil},
		{"\xff\xfe\x00\x00", 4, binary.LittleEndian},
		{"\x00\x00\xfe\xff", 4, binary.BigEndian},
		{"\xff\xfe", 2, binary.LittleEndian},
		{"\xfe\xff", 2, binary.BigEndian},
	} {
		if bytes.HasPrefix(file, []byte(mark.bytes)) {
			t.start, t.width, t.order = len(mark.bytes), mark.width, mark.order
			break
		}
	}
	body := file[t.start:]
	if t.plain = t.width == 1 && utf8.Valid(body); t.plain {
		t.utf8 = body
		return t
	}
	t.utf8 = make([]byte, 0, len(body))
	for len(body) > 0 {
		r, n := t.next(body)
		t.utf8 = utf8.AppendRune(t.utf8, r)
		body = body[n:]
	}
	return t
}

// next decodes one character of the file and says how many bytes it takes.
func (t *text) next(b []byte) (rune, int) {
	switch {
	case t.width == 1:
		return nextUTF8(b)
	case len(b) < t.width:
		return utf8.RuneError, len(b)
	case t.width == 4:
		if r := t.order.Uint32(b); r <= utf8.MaxRune && utf8.ValidRune(rune(r)) {
			return rune(r), 4
		}
		return utf8.RuneError, 4
	}
	r := rune(t.order.Uint16(b))
	if !utf16.IsSurrogate(r) {
		return r, 2
	}
	if len(b) >= 4 {
		if pair := utf16.DecodeRune(r, rune(t.order.Uint16(b[2:]))); pair != utf8.RuneError {
			return pair, 4
		}
	}
	return utf8.RuneError, 2
}

// nextUTF8 replaces a broken sequence as a whole, by the "maximal subpart" rule of the Unicode Standard, section 3.9. Go's
// own decoder replaces each byte of it.
func nextUTF8(b []byte) (rune, int) {
	if r, n := utf8.DecodeRune(b); r != utf8.RuneError || n > 1 {
		return r, n
	}
	low, high, more := byte(0x80), byte(0xbf), 0
	switch c := b[0]; {
	case 0xe0 <= c && c <= 0xef:
		more = 2
	case 0xf0 <= c && c <= 0xf4:
		more = 3
	}
	switch b[0] { // table 3-7: overlong forms, surrogates, beyond U+10FFFF
	case 0xe0:
		low = 0xa0
	case 0xed:
		high = 0x9f
	case 0xf0:
		low = 0x90
	case 0xf4:
		high = 0x8f
	}
	n := 1
	for ; n <= more && n < len(b) && low <= b[n] && b[n] <= high; n++ {
		low, high = 0x80, 0xbf
	}
	return utf8.RuneError, n
}

// offset is where in the file the character at an offset of the UTF-8 text starts.
func (t *text) offset(want int) int {
	if t.plain {
		return t.start + want
	}
	at := t.start
	for done := 0; done < want; {
		r, n := t.next(t.file[at:])
		done += utf8.RuneLen(r)
		at += n
	}
	return at
}

// encode writes ASCII in the file's encoding.
func (t *text) encode(ascii []byte) []byte {
	if t.width == 1 {
		return ascii
	}
	out := make([]byte, len(ascii)*t.width)
	for i, c := range ascii {
		if t.width == 2 {
			t.order.PutUint16(out[i*2:], uint16(c))
		} else {
			t.order.PutUint32(out[i*4:], uint32(c))
		}
	}
	return out
}
