// Package program is what programs on the machine that meshrotate runs on have in common: how they are ended, and what may be shown
// of what they write.
package program

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"meshrotate/reconciler/secret"
)

// maxSaid is how much of a program's output is kept: its end.
const maxSaid = 16 << 10

// Tail keeps the end of what is written to it. It is no bytes.Buffer, which would be read into past Write.
type Tail struct{ data []byte }

func (t *Tail) Write(b []byte) (int, error) {
	t.data = append(t.data, b...)
	if over := len(t.data) - maxSaid; over > 0 {
		t.data = append(t.data[:0], t.data[over:]...)
	}
	return len(b), nil
}

// Bytes is what was kept.
func (t *Tail) Bytes() []byte { return t.data }

// part is how many letters of a value, in a row, are too many to show.
const part = 5

// LastLine is the last line of what a program wrote that got values, as ": text"; a line that may hold a part of one is withheld.
func LastLine(said []byte, values ...secret.Value) string {
	lines := strings.FieldsFunc(string(said), func(r rune) bool { return r == '\n' || r == '\r' })
	for i := len(lines) - 1; i >= 0; i-- {
		line := strings.TrimSpace(strings.Map(printable, lines[i]))
		switch {
		case line == "":
			continue
		case slices.ContainsFunc(values, func(v secret.Value) bool { return holds(line, v.Expose()) }):
			return "; what it wrote holds a part of a value, and is not shown"
		}
		const most = 300
		if r := []rune(line); len(r) > most {
			line = string(r[:most]) + "…"
		}
		return ": " + line
	}
	return ""
}

func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return ' '
}

// holds says that a text has some letters in a row of a value, as it is or in one of the usual encodings, forwards or backwards, with
// anything but letters and digits between them.
func holds(text string, value []byte) bool {
	text = strings.ToLower(text)
	bare := strings.Map(letters, text)
	for _, one := range written(value) {
		one = strings.ToLower(strings.Map(printable, one))
		if inRow(text, one) || inRow(bare, strings.Map(letters, one)) {
			return true
		}
	}
	return false
}

// inRow says that a text has some letters in a row of another, forwards or backwards.
func inRow(text, of string) bool {
	r := []rune(of)
	back := slices.Clone(r)
	slices.Reverse(back)
	n := min(part, len(r))
	for i := 0; n > 0 && i+n <= len(r); i++ {
		if strings.Contains(text, string(r[i:i+n])) || strings.Contains(text, string(back[i:i+n])) {
			return true
		}
	}
	return false
}

// letters leaves out what is neither a letter nor a digit.
func letters(r rune) rune {
	if unicode.IsLetter(r) || unicode.IsDigit(r) {
		return r
	}
	return -1
}

// written are a value and its usual encodings; base64 in each of the three ways in which it may stand in a longer text. Of a value that is
// base64 itself, such as a key, what it stands for may be written otherwise.
func written(value []byte) []string {
	s := string(value)
	quoted, _ := json.Marshal(s) // of a string it never fails
	all := []string{s, hex.EncodeToString(value), url.QueryEscape(s), url.PathEscape(s), strings.Trim(string(quoted), `"`)}
	for skip := range min(3, len(value)) {
		all = append(all, base64.RawStdEncoding.EncodeToString(value[skip:]), base64.RawURLEncoding.EncodeToString(value[skip:]))
	}
	if raw, err := base64.StdEncoding.DecodeString(s); err == nil && len(raw) >= gram {
		all = append(all, hex.EncodeToString(raw))
	}
	return all
}
