package appsettings

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"meshrotate/reconciler/secret"
)

// SetList returns the file with these members in the list, and no others. What was there and stays keeps its bytes and, in an
// object, its name; new ones follow behind the last, spelled as it is. Every byte that belongs to no member and stands between
// none stays. The result is read again before it is returned.
func SetList(file []byte, key string, want []string) ([]byte, error) {
	before, err := read(file)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(want, func(w string) bool { return !utf8.ValidString(w) }); i >= 0 {
		return nil, fmt.Errorf("%s: a member is not UTF-8 text", show(key))
	}
	for at := file; ; {
		d, err := read(at)
		if err != nil {
			return nil, fmt.Errorf("the edit was not made, it would not read back: %w", err)
		}
		l, err := d.list(key)
		if err != nil {
			return nil, err
		}
		if l.Text {
			return Set(at, key, secret.NewString(l.text(want)))
		}
		next, changed, err := d.nearer(l, want)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", show(key), err)
		}
		if !changed {
			return at, d.onlyList(before, key)
		}
		at = next
	}
}

// text is the one text with these members: those that stay keep their bytes.
func (l list) text(want []string) string {
	separator := ","
	if i := strings.IndexFunc(l.whole, isSeparator); i >= 0 {
		rest := l.whole[i+1:]
		separator = l.whole[i:i+1] + rest[:len(rest)-len(strings.TrimLeft(rest, " "))]
	}
	var keep []string
	for _, m := range l.Members {
		if slices.Contains(want, m) && !slices.Contains(keep, m) {
			keep = append(keep, m)
		}
	}
	if len(keep) == len(want) && len(keep) == len(l.Members) {
		return l.whole
	}
	for i, m := range keep {
		keep[i] = strings.TrimSpace(m)
	}
	for _, m := range want {
		if !slices.Contains(l.Members, m) {
			keep = append(keep, m)
		}
	}
	return strings.Join(keep, separator)
}

// nearer adds one member that is missing, or takes one out that is not wanted, or there twice. What is spelled flat has no place
// left when its last member is gone: new ones come first.
func (d *document) nearer(l list, want []string) (file []byte, changed bool, err error) {
	for _, w := range want {
		if !slices.Contains(l.Members, w) {
			file, err = d.with(l, w)
			return file, true, err
		}
	}
	for i, m := range l.Members {
		if !slices.Contains(want, m) || slices.Contains(l.Members[:i], m) {
			file, err = d.without(l.members[i])
			return file, true, err
		}
	}
	return nil, false, nil
}

// cut replaces a part of the text.
type cut struct {
	from, to int
	text     []byte
}

func (d *document) carve(cuts ...cut) []byte {
	slices.SortFunc(cuts, func(a, b cut) int { return a.from - b.from })
	after, done := make([]byte, 0, len(d.file)+64), 0
	for _, c := range cuts {
		after = append(after, d.file[done:d.offset(c.from)]...)
		after = append(after, d.encode(c.text)...)
		done = d.offset(c.to)
	}
	return append(after, d.file[done:]...)
}

// remark is the end of the comments that end a member's line and say something of it, and whether a comma stands before that; ok is
// false without any.
func (d *document) remark(n node) (end int, comma, ok bool) {
	s := &scanner{text: d.utf8, pos: n.to}
	for {
		for s.peek() == ' ' || s.peek() == '\t' {
			s.pos++
		}
		from := s.pos
		switch c := s.peek(); {
		case c == ',' && !comma:
			comma = true
			s.pos++
		case c == '/' && s.comment() == nil && !bytes.ContainsAny(d.utf8[from:s.pos], "\r\n"):
			end, ok = s.pos, true
		default:
			return end, comma, ok && (c == '\r' || c == '\n')
		}
	}
}

// without is the file without a member, one comma, and the white space before it, unless that ends a comment. What was remarked of it
// stays, on a line of its own.
func (d *document) without(m int32) ([]byte, error) {
	n := d.nodes[m]
	before, mark, err := d.before(n.at)
	if err != nil {
		return nil, err
	}
	took, after := cut{from: n.at, to: n.to}, &scanner{text: d.utf8, pos: n.to}
	space := n.at - len(d.space(n.at))
	switch _, _, remarked := d.remark(n); {
	case !remarked && space == before+1:
		took.from = space
	case remarked && !bytes.ContainsAny(d.utf8[space:n.at], "\r\n"):
		took.text = d.newline()
	}
	if err := after.skip(); err != nil {
		return nil, err
	}
	comma := cut{from: before, to: before + 1}
	switch {
	case after.peek() == ',':
		comma = cut{from: after.pos, to: after.pos + 1}
	case mark != ',':
		return d.carve(took), nil
	}
	return d.carve(comma, took), nil
}

// newline is how the file ends its lines.
func (d *document) newline() []byte {
	if bytes.Contains(d.utf8, []byte("\r\n")) {
		return []byte("\r\n")
	}
	return []byte("\n")
}

// space is the white space in front of an offset.
func (d *document) space(at int) []byte {
	return d.utf8[len(bytes.TrimRight(d.utf8[:at], " \t\r\n")):at]
}

// before is the last mark of the language in front of a member: a bracket or a comma.
func (d *document) before(at int) (pos int, mark byte, err error) {
	s := &scanner{text: d.utf8}
	for {
		if err := s.skip(); err != nil {
			return 0, 0, err
		}
		switch {
		case s.pos >= at:
			return pos, mark, nil
		case s.peek() == '"':
			if err := s.quoted(); err != nil {
				return 0, 0, err
			}
		default:
			pos, mark = s.pos, s.peek()
			s.pos++
		}
	}
}

// with is the file with one member more.
func (d *document) with(l list, member string) ([]byte, error) {
	own := d.nodes[l.node]
	if len(l.members) == 0 {
		switch own.kind {
		case emptyArray:
			return d.carve(cut{own.from + 1, own.from + 1, quote([]byte(member))}), nil
		case emptyObject:
			return d.carve(cut{own.from + 1, own.from + 1, append([]byte(`"0": `), quote([]byte(member))...)}), nil
		}
		if l.Found && own.kind == null {
			return nil, errors.New("is null, and no list")
		}
		return nil, errors.New("not in the file: it must be there, be it as []")
	}
	last := slices.MaxFunc(l.members, func(a, b int32) int { return cmp.Compare(d.nodes[a].to, d.nodes[b].to) })
	n := d.nodes[last]
	text := slices.Clone(d.space(n.at))
	if n.at != n.from {
		name, err := d.named(n, l)
		if err != nil {
			return nil, err
		}
		text = append(text, name...)
	}
	text = append(text, quote([]byte(member))...)
	end, comma, remarked := d.remark(n)
	if !remarked {
		return d.carve(cut{n.to, n.to, append([]byte(","), text...)}), nil
	}
	if !bytes.ContainsAny(d.space(n.at), "\r\n") {
		text = append(d.newline(), text...)
	}
	if comma {
		return d.carve(cut{end, end, append(text, ',')}), nil
	}
	return d.carve(cut{n.to, n.to, []byte(",")}, cut{end, end, text}), nil
}

// named is the name of a further member, with all that stands between a name and its value, spelled as this one is.
func (d *document) named(n node, l list) ([]byte, error) {
	s := &scanner{text: d.utf8, pos: n.at}
	if err := s.quoted(); err != nil {
		return nil, err
	}
	taken := map[string]bool{}
	for _, m := range l.members {
		number := d.nodes[m].name
		if n, err := strconv.ParseUint(number, 10, 64); err != nil || strconv.FormatUint(n, 10) != number {
			return nil, fmt.Errorf("a member is called %s: only numbers can be continued", show(number))
		}
		taken[number] = true
	}
	next := 0 // the first that is free: who counts upwards finds it, and who binds them all does too
	for taken[strconv.Itoa(next)] {
		next++
	}
	name := string(unquote(d.utf8[n.at:s.pos]))
	name = name[:strings.LastIndexByte(name, ':')+1] + strconv.Itoa(next)
	between := d.utf8[s.pos:n.from]
	if bytes.IndexFunc(between, func(r rune) bool { return r > '~' }) >= 0 || bytes.Contains(between, []byte("/")) {
		between = []byte(": ")
	}
	return append(quote([]byte(name)), between...), nil
}

// onlyList demands that this file says of every other key what the one before says of it.
func (d *document) onlyList(before *document, key string) error {
	was, is := before.others(key), d.others(key)
	for path, text := range was {
		if is[path] != text {
			return fmt.Errorf("the edit was not made: it would change %s", show(path))
		}
	}
	if len(was) != len(is) {
		return errors.New("the edit was not made: it would add a key")
	}
	return nil
}

// others are the spellings of the values of all keys but those of a list, by key in one case.
func (d *document) others(key string) map[string]string {
	list, _ := d.find(key)
	paths := make([]string, len(d.nodes))
	all := map[string]string{}
	for i, n := range d.nodes {
		if i == 0 || int32(i) == list || n.parent == list && list != 0 {
			continue
		}
		paths[i] = paths[n.parent] + ":" + fold(n.name)
		if n.kind != absent {
			all[paths[i]] = string(d.utf8[n.from:n.to])
		}
	}
	return all
}
