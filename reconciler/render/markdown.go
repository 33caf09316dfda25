package render

import (
	"bytes"
	"fmt"
	"html"
	"strings"
)

// maxMarkdown is how many characters a Markdown report may have. GitHub refuses a comment of more than 65,536.
const maxMarkdown = 60_000

// mark is Markdown under way, in the dialect of GitHub (https://github.github.com/gfm/) and GitLab.
type mark struct {
	w    *bytes.Buffer
	size int // characters so far
	full bool
}

// add writes Markdown whose foreign parts are escaped, unless there is no room for it. It keeps some room for the end.
func (m *mark) add(format string, args ...any) bool {
	s := fmt.Sprintf(format, args...)
	if m.full || m.size+length(s) > maxMarkdown-500 {
		m.full = true
		return false
	}
	m.size += length(s)
	m.w.WriteString(s)
	return true
}

// end writes what must not be missing, into the room that add keeps.
func (m *mark) end(format string, args ...any) {
	m.w.WriteString(clip(fmt.Sprintf(format, args...), 490))
}

// row writes one row of a table. Cells are escaped already.
func (m *mark) row(cells ...string) bool { return m.add("| %s |\n", strings.Join(cells, " | ")) }

// head writes a table's head.
func (m *mark) head(titles ...string) {
	m.row(titles...)
	m.add("|%s\n", strings.Repeat(" --- |", len(titles)))
}

// fold writes a folded section: a title, and text in a fenced block in which nothing is Markdown.
func (m *mark) fold(title, text string) bool {
	fence := strings.Repeat("`", max(3, longestRun(text, '`')+1))
	return m.add("\n<details><summary>%s</summary>\n\n%stext\n%s\n%s\n\n</details>\n", md(clip(title, 200)), fence, strings.TrimRight(text, "\n"), fence)
}

// md escapes a text for Markdown. Nothing in it can become markup, a link, a mention or a reference to an issue: an
// empty comment stands between the sign and the name, so that there is neither for the forge.
func md(s string) string {
	s = html.EscapeString(Safe(s))
	var b strings.Builder
	for _, r := range s {
		switch r {
		case '\\', '`', '*', '_', '[', ']', '|', '~', '!', '$', '^':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '@':
			b.WriteString("@<!-- -->")
		default:
			b.WriteRune(r)
		}
	}
	s = strings.ReplaceAll(b.String(), "://", ":<!-- -->//")
	s = wwwBreak(s)
	return numberBreak(s)
}

// wwwBreak keeps "www." from becoming a link.
func wwwBreak(s string) string {
	for _, w := range []string{"www.", "WWW.", "Www."} {
		s = strings.ReplaceAll(s, w, w[:3]+"<!-- -->.")
	}
	return s
}

// numberBreak keeps "#12" and "GH-12" from becoming references. Entities such as &#34; stay.
func numberBreak(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteByte(s[i])
		if s[i] == '#' && (i == 0 || s[i-1] != '&') {
			b.WriteString("<!-- -->")
		}
	}
	out := b.String()
	for _, w := range []string{"GH-", "gh-", "Gh-"} {
		out = strings.ReplaceAll(out, w, w[:2]+"<!-- -->-")
	}
	return out
}

// code is a short name as a code span. A code span is literal, but for pipes in a table.
func code(s string) string {
	if s == "" {
		return ""
	}
	s = strings.ReplaceAll(Safe(s), "|", `\|`)
	ticks := strings.Repeat("`", longestRun(s, '`')+1)
	if len(ticks) > 1 {
		return ticks + " " + s + " " + ticks
	}
	return ticks + s + ticks
}

func longestRun(s string, c byte) int {
	longest, run := 0, 0
	for i := range len(s) {
		if s[i] == c {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	return longest
}
