package licensefile

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode"

	"meshrotate/providers/textform"
)

// plain is the text of a file: UTF-8, without byte order mark, and without the blanks and NULs around it.
func plain(file []byte) []byte {
	return bytes.Trim(textform.UTF8(file), " \t\r\n\x00")
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
