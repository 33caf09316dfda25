package render

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"meshrotate/reconciler"
)

// page is text under way to a terminal. Everything that is written to it is made Safe.
type page struct {
	w      *bytes.Buffer
	width  int
	colour bool
	most   int // how many characters of one text are shown, where there is not room for all; 0: all
}

// cut is as much of a text as there is room for.
func (p *page) cut(s string) string {
	if p.most == 0 {
		return s
	}
	return clip(s, p.most)
}

// The colours, as the parameters of a terminal's SGR sequence (ECMA-48, section 8.3.117).
const (
	plain  = ""
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (p *page) columns() int {
	if p.width <= 0 {
		return 80
	}
	return max(p.width, 40)
}

func (p *page) paint(style, s string) string {
	if !p.colour || style == plain || s == "" {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}

// blank ends a paragraph.
func (p *page) blank() { p.w.WriteByte('\n') }

// line writes a sentence, wrapped. Further lines are indented by four.
func (p *page) line(format string, args ...any) { p.hang(plain, "", 4, fmt.Sprintf(format, args...)) }

// hang writes a label and, in the column indent, a wrapped text. A label that is too long has a line of its own. The
// style is the label's, or the text's when there is no label.
func (p *page) hang(style, label string, indent int, text string) {
	if label = Safe(label); p.most > 0 {
		text = clip(text, p.most+100) // a finding's code stands after its text
	}
	lines := wrap(Safe(text), p.columns()-indent)
	first := label
	if label != "" {
		if length(label) >= indent {
			p.w.WriteString(p.paint(style, strings.TrimRight(label, " ")) + "\n")
			first = strings.Repeat(" ", indent)
		} else {
			first = p.paint(style, label) + strings.Repeat(" ", indent-length(label))
		}
	} else if len(lines) > 1 {
		lines = wrapFrom(Safe(text), p.columns(), indent)
	}
	for i, l := range lines {
		if i > 0 {
			first = strings.Repeat(" ", indent)
		}
		if label == "" {
			l = p.paint(style, l)
		}
		p.w.WriteString(strings.TrimRight(first+l, " ") + "\n")
	}
}

// under writes a wrapped text in the column indent.
func (p *page) under(indent int, text string) {
	p.hang(plain, strings.Repeat(" ", indent-1), indent, text)
}

// table writes rows in columns as wide as their widest cell, two spaces apart; the last column is wrapped. The first
// row is the head.
func (p *page) table(indent int, rows [][]string) {
	var widths []int
	for _, r := range rows {
		for i, c := range r[:len(r)-1] {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], min(length(Safe(c)), 36))
		}
	}
	for n, r := range rows {
		r = slices.Clone(r)
		for i, c := range r {
			r[i] = p.cut(c)
		}
		label := strings.Repeat(" ", indent)
		for i, c := range r[:len(r)-1] {
			label += pad(Safe(c), widths[i]) + "  "
		}
		if n == 0 {
			p.w.WriteString(p.paint(dim, strings.TrimRight(label+r[len(r)-1], " ")) + "\n")
			continue
		}
		if last := r[len(r)-1]; length(label)+length(last) <= p.columns() || last == "-" {
			p.w.WriteString(strings.TrimRight(label+Safe(last), " ") + "\n")
			continue
		}
		at := length(label)
		if at > p.columns()/2 { // a column of single words is hard to read: it goes below, from the second column on
			at = min(indent+widths[0]+2, p.columns()/2)
		}
		p.hang(plain, strings.TrimRight(label, " "), at, r[len(r)-1])
	}
}

// length is in characters.
func length(s string) int { return utf8.RuneCountInString(s) }

func pad(s string, n int) string { return s + strings.Repeat(" ", max(0, n-length(s))) }

func wrap(s string, width int) []string { return wrapFrom(s, width, 0) }

// command writes a label and a command on one line, however long: it is copied.
func (p *page) command(label, command string) {
	p.w.WriteString(p.paint(bold, label) + "  " + Safe(command) + "\n")
}

// words are the parts of a text that stay whole. A command between backticks is one.
func words(s string) []string {
	var all []string
	var w strings.Builder
	inside := false
	for i, r := range s {
		if r == '`' {
			inside = !inside && strings.Contains(s[i+1:], "`")
		}
		if r != ' ' || inside {
			w.WriteRune(r)
		} else if w.Len() > 0 {
			all = append(all, w.String())
			w.Reset()
		}
	}
	if w.Len() > 0 {
		all = append(all, w.String())
	}
	return all
}

// wrapFrom breaks a text at spaces. All lines but the first are shorter by less. A word that is too long stays whole:
// paths and hashes are copied.
func wrapFrom(s string, width, less int) []string {
	if length(s) <= width {
		return []string{s}
	}
	var lines []string
	var l strings.Builder
	room := width
	for _, word := range words(s) {
		if l.Len() > 0 && length(l.String())+1+length(word) > room {
			lines = append(lines, l.String())
			l.Reset()
			room = width - less
		}
		if l.Len() > 0 {
			l.WriteByte(' ')
		}
		l.WriteString(word)
	}
	return append(lines, l.String())
}

// fleet are findings about no single secret: those about what is remembered, then those about hosts.
func (p *page) fleet(all []reconciler.Finding) {
	heading := map[bool]string{true: "state", false: "hosts"}
	for _, ofState := range []bool{true, false} {
		some := slices.DeleteFunc(slices.Clone(all), func(f reconciler.Finding) bool { return f.OfState() != ofState })
		if len(some) > 0 {
			p.line("%s", heading[ofState])
			p.findings(some)
		}
	}
}
