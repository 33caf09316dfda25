package hostset

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// run is a range of names: prefix, a number, suffix.
type run struct {
	prefix, suffix string
	from, to       uint64
	width          int // of the number, with leading zeros; 0 without
}

// size is how many names it stands for.
func (r run) size() uint64 { return r.to - r.from + 1 }

func (r run) String() string {
	return fmt.Sprintf("%s[%0*d..%0*d]%s", escapePart(r.prefix), r.width, r.from, r.width, r.to, escapePart(r.suffix))
}

// escapePart is escape for a part of a name, which may be empty.
func escapePart(part string) string {
	if part == "" {
		return ""
	}
	return escape(part)
}

func parse(item string) (run, error) {
	prefix, rest, _ := strings.Cut(item, "[")
	ends, suffix, closed := strings.Cut(rest, "]")
	first, last, both := strings.Cut(ends, "..")
	from, err1 := number(first)
	to, err2 := number(last)
	r := run{from: from, to: to}
	if len(first) > 1 && first[0] == '0' {
		r.width = len(first)
	}
	var err3, err4 error
	r.prefix, err3 = unescapePart(prefix)
	r.suffix, err4 = unescapePart(suffix)
	bad := !closed || !both || to < from || r.width > 0 && len(last) != r.width || strings.ContainsAny(suffix, "[]")
	if bad || errors.Join(err1, err2, err3, err4) != nil {
		return run{}, badItem(item)
	}
	if r.size() > Max {
		return run{}, ErrTooMany
	}
	return r, nil
}

func unescapePart(part string) (string, error) {
	if part == "" {
		return "", nil
	}
	return unescape(part)
}

// number reads digits and nothing else.
func number(digits string) (uint64, error) {
	if len(digits) > maxDigits || strings.Trim(digits, "0123456789") != "" {
		return 0, errors.New("no number")
	}
	return strconv.ParseUint(digits, 10, 64)
}

// appendTo writes all names into one piece of memory.
func (r run) appendTo(names []string) []string {
	each := len(r.prefix) + max(r.width, len(strconv.FormatUint(r.to, 10))) + len(r.suffix)
	text := make([]byte, 0, each*int(r.size()))
	ends := make([]int, 0, r.size())
	for n := r.from; n <= r.to; n++ {
		text = append(text, r.prefix...)
		for digits := len(strconv.AppendUint(nil, n, 10)); digits < r.width; digits++ {
			text = append(text, '0')
		}
		text = strconv.AppendUint(text, n, 10)
		text = append(text, r.suffix...)
		ends = append(ends, len(text))
	}
	names = slices.Grow(names, len(ends))
	whole, start := string(text), 0
	for _, end := range ends {
		names = append(names, whole[start:end])
		start = end
	}
	return names
}
