// Package hostset writes a set of host names as a short text.
//
//	admin01,relay-[0001..9900],relay-dmz.hq.example engine01 10.0.0.[1..9]
//
// Items have spaces between. Names of one domain are one item: their first labels with commas between, and then the
// domain once. Names that count up are written as a range, as a document writes them. What would be read as something
// else is written as a backslash and two hex digits, and nothing at all as a backslash and a dash. So any strings come
// back as they were, sorted, each once.
package hostset

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Max is how many names a set may hold: a text of a few bytes must not fill the memory.
const Max = 1 << 20

// empty stands for a name or a label without a character.
const empty = `\-`

// ErrTooMany says that a set has more than Max names.
var ErrTooMany = fmt.Errorf("a set of hosts holds more than %d names", Max)

// Unfold returns the names of a text that Fold made, sorted, each once; nil of "". They share memory.
func Unfold(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	names := make([]string, 0, 1+strings.Count(text, " ")+strings.Count(text, ","))
	for item := range strings.SplitSeq(text, " ") {
		var err error
		if names, err = unfold(names, item); err != nil {
			return nil, err
		}
		if len(names) > Max {
			return nil, ErrTooMany
		}
	}
	if !slices.IsSorted(names) {
		slices.Sort(names)
	}
	return slices.Compact(names), nil
}

// unfold appends the names of one item.
func unfold(names []string, item string) ([]string, error) {
	last := strings.LastIndexByte(item, ',')
	if last < 0 {
		return unfoldOne(names, item, "")
	}
	at := dot(item[last+1:])
	if at < 0 {
		at = len(item) - last - 1
	}
	domain, err := unescapePart(item[last+1+at:])
	if err != nil || strings.ContainsAny(item[last+1+at:], "[]") {
		return nil, badItem(item)
	}
	for label := range strings.SplitSeq(item[:last+1+at], ",") {
		if dot(label) >= 0 {
			return nil, badItem(item)
		}
		if names, err = unfoldOne(names, label, domain); err != nil {
			return nil, err
		}
		if len(names) > Max {
			return nil, ErrTooMany
		}
	}
	return names, nil
}

// unfoldOne appends what a name, or a range of names, in a domain stands for.
func unfoldOne(names []string, label, domain string) ([]string, error) {
	if strings.IndexByte(label, '[') < 0 {
		name, err := unescape(label)
		return append(names, name+domain), err
	}
	r, err := parse(label)
	if err != nil {
		return nil, err
	}
	r.suffix += domain
	return r.appendTo(names), nil
}

// dot is where the first label ends, -1 when it is the only one. The dots of a range do not count.
func dot(name string) int {
	within := false
	for i := range len(name) {
		switch name[i] {
		case '[', ']':
			within = name[i] == '['
		case '.':
			if !within {
				return i
			}
		}
	}
	return -1
}

func escape(name string) string {
	if name == "" {
		return empty
	}
	if !strings.ContainsFunc(name, strange) {
		return name
	}
	var b strings.Builder
	for i := 0; i < len(name); {
		r, size := utf8.DecodeRuneInString(name[i:])
		if strange(r) && (r != utf8.RuneError || size == 1) {
			fmt.Fprintf(&b, `\%02x`, name[i]) // all of them are one byte
		} else {
			b.WriteString(name[i : i+size])
		}
		i += size
	}
	return b.String()
}

// strange are characters that have a meaning in the text, do not survive JSON, or that people cannot see.
func strange(r rune) bool {
	return r <= ' ' || r == ',' || r == '[' || r == ']' || r == '\\' || r == 0x7f || r == utf8.RuneError
}

func unescape(item string) (string, error) {
	if strings.IndexByte(item, '\\') < 0 {
		if item == "" {
			return "", errors.New("a set of hosts has an empty item")
		}
		return item, nil
	}
	var b strings.Builder
	for i := 0; i < len(item); i++ {
		if item[i] != '\\' {
			b.WriteByte(item[i])
			continue
		}
		if strings.HasPrefix(item[i:], empty) {
			i++
			continue
		}
		if i+3 > len(item) {
			return "", badItem(item)
		}
		c, err := hex.DecodeString(item[i+1 : i+3])
		if err != nil {
			return "", badItem(item)
		}
		b.Write(c)
		i += 2
	}
	return b.String(), nil
}

func badItem(item string) error {
	if len(item) > 80 {
		item = item[:80] + "…"
	}
	return fmt.Errorf("%q is no item of a set of hosts", item)
}
