package render

import "strings"

// Note is a short report: a few sentences, and what they say as JSON.
type Note struct {
	Text string
	// Value is the JSON.
	Value any
}

func (n Note) value() any { return n.Value }

func (n Note) text(p *page) {
	for l := range strings.Lines(n.Text) {
		p.line("%s", strings.TrimRight(l, "\n"))
	}
}

func (n Note) markdown(m *mark) {
	for l := range strings.Lines(n.Text) {
		m.add("%s  \n", md(strings.TrimRight(l, "\n")))
	}
}
