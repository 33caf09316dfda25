package licensefile

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
)

// plain is the text of a file: UTF-8, without byte order mark, and without the blanks and NULs around it.
func plain(file []byte) []byte {
	for _, mark := range []struct {
		bom string
		big bool
	}{{"\xff\xfe", false}, {"\xfe\xff", true}} {
		if rest, ok := bytes.CutPrefix(file, []byte(mark.bom)); ok {
			file = fromUTF16(rest, mark.big)
		}
	}
	if len(file) >= 4 && (file[0] == 0) != (file[1] == 0) && (file[0] == 0) == (file[2] == 0) && (file[1] == 0) == (file[3] == 0) {
		file = fromUTF16(file, file[0] == 0) // without a mark, as some editors leave it
	}
	return bytes.Trim(bytes.TrimPrefix(file, []byte("\xef\xbb\xbf")), " \t\r\n\x00")
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

var errMore = errors.New("more follows")

// unmarshal keeps numbers as they are written.
func unmarshal(text []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(strict(text)))
	d.UseNumber()
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errMore
	}
	return nil
}

// strict leaves out what .NET's readers of JSON can be told to take: comments, and a comma after the last.
func strict(text []byte) []byte {
	out := make([]byte, 0, len(text))
	comma := -1 // where one is in out, with nothing but blanks behind it
	for i := 0; i < len(text); i++ {
		rest := text[i:]
		switch c := text[i]; {
		case c == '"':
			n := 1
			for n < len(rest) && rest[n] != '"' {
				if rest[n] == '\\' {
					n++
				}
				n++
			}
			n = min(n+1, len(rest))
			out, comma, i = append(out, rest[:n]...), -1, i+n-1
		case bytes.HasPrefix(rest, []byte("//")):
			i += max(bytes.IndexAny(append(rest[:len(rest):len(rest)], '\n'), "\r\n")-1, 0)
		case bytes.HasPrefix(rest, []byte("/*")) && bytes.Contains(rest, []byte("*/")):
			i += 1 + bytes.Index(rest[2:], []byte("*/")) + 2
		case (c == '}' || c == ']') && comma >= 0:
			out = append(append(out[:comma], out[comma+1:]...), c)
			comma = -1
		default:
			if c == ',' {
				comma = len(out)
			} else if !unicode.IsSpace(rune(c)) {
				comma = -1
			}
			out = append(out, c)
		}
	}
	return out
}

func inBase64(r rune) bool {
	return unicode.IsLetter(r) && r < unicode.MaxASCII || unicode.IsDigit(r) || strings.ContainsRune("+/-_=\r\n", r)
}

var standardBase64 = strings.NewReplacer("-", "+", "_", "/", "\r", "", "\n", "")

// decode takes both base64 alphabets, padded or not, in one line or many.
func decode(s string) ([]byte, error) {
	s = standardBase64.Replace(strings.TrimRight(s, "=\r\n"))
	return base64.RawStdEncoding.DecodeString(s)
}
