package render

import (
	"bytes"
	"strings"

	"meshrotate/reconciler"
)

// markdownWidth is the width of the text in folded sections: what a forge's comment shows without scrolling.
const markdownWidth = 100

// maxRows is how many rows a table of a Markdown report has.
const maxRows = 100

func (r Plan) markdown(m *mark) {
	m.add("**%s**: %s\n\n", md(r.Deployment), md(r.summary()))
	at := ""
	if r.Commit != "" {
		at = " at " + code(commit(r.Commit))
	}
	m.add("Plan %s%s, looked at %s. Good until %s.\n\n", code(digest(r.Digest)), at, md(looked(r.Seen)), moment(r.GoodUntil))
	if len(r.Only) > 0 {
		m.add("Planned for %s only.\n\n", code(strings.Join(r.Only, ", ")))
	}
	r.rows(m)
	left, known := 0, hostNames(r.Plan)
	if fleet := about(r.Fleet, r.Host); len(fleet) > 0 {
		m.fold(count(len(fleet), "warning")+" about the whole deployment", inset(func(p *page) { p.findings(fleet) }))
	}
	for _, c := range together(r.Changes) {
		c.Findings = fold(about(c.Findings, r.Host), known)
		if c.Status == reconciler.AsDeclared && len(c.Findings) == 0 {
			continue // the table says all there is
		}
		title := c.Title + " " + versions(c.Before, c.Secret.Version) + ": " + string(c.Status)
		if !m.fold(title, inset(func(p *page) { r.change(p, c, columnsOf([]reconciler.Change{c})) })) {
			left++
		}
	}
	if left > 0 {
		m.end("\n_There is no room here for %s: `meshrotate plan` shows them._\n", count(left, "more section"))
	}
	if r.Next != "" && !r.Empty() {
		m.end("\nTo apply: %s\n", code(r.Next))
	}
}

// rows is the table of secrets. Those with nothing to say make room for the others.
func (r Plan) rows(m *mark) {
	m.head("", "secret", "version", "why", "outage")
	all, noisy := together(r.Changes), 0
	for _, c := range all {
		if c.Status != reconciler.AsDeclared {
			noisy++
		}
	}
	quiet, hidden := max(10, maxRows-noisy), 0
	for _, c := range all {
		if c.Status == reconciler.AsDeclared {
			if quiet--; quiet < 0 {
				hidden++
				continue
			}
		}
		if !m.row(code(marks[c.Status][0]), md(clip(c.Title, 80)), code(clip(versions(c.Before, c.Secret.Version), 80)),
			md(clip(verdict(c, r.Made), 300)), md(predicted(c.Outages))) {
			hidden++
		}
	}
	if hidden > 0 {
		m.row("", md(count(hidden, "more secret")), "", "", "")
	}
}

// inset is text for a fenced block.
func inset(write func(p *page)) string {
	var b bytes.Buffer
	write(&page{w: &b, width: markdownWidth})
	return b.String()
}
