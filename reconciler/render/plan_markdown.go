package render

import (
	"bytes"
	"slices"
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
	if r.Trust != "" {
		m.add("Contacts, credentials, programs and state are those of %s.\n\n", code(r.Trust))
	} else {
		m.add("Contacts, credentials, programs and state are the document's own: nobody has agreed to them (`--base`, `--operator`).\n\n")
	}
	if r.Signed != "" {
		m.add("Signed by %s.\n\n", md(r.Signed))
	}
	if len(r.Only) > 0 {
		m.add("Planned for %s only: %s.\n\n", code(strings.Join(r.Only, ", ")), onlyLooked)
	}
	r.refusals(m)
	r.rows(m)
	left := 0
	if fleet := about(r.Fleet, r.Host); len(fleet) > 0 {
		what := "finding"
		if !slices.ContainsFunc(fleet, func(f reconciler.Finding) bool { return f.Severity != reconciler.Warning }) {
			what = "warning"
		}
		if !m.fold(count(len(fleet), what)+" about the whole deployment", inset(func(p *page) { p.findings(fleet) })) {
			left++
		}
	}
	for _, c := range together(r.Changes) {
		c.Findings = about(c.Findings, r.Host)
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

// maxRefusals is how many errors about the whole deployment stand above the table. All are in the folded section, with hints.
const maxRefusals = 10

// refusals are what nobody may overlook: while there is one, nothing is applied.
func (r Plan) refusals(m *mark) {
	n := 0
	for _, f := range r.Fleet {
		if f.Severity != reconciler.Error {
			continue
		}
		if n++; n <= maxRefusals {
			m.add("- **error** %s\n", md(clip(f.Text, 300)))
		}
	}
	if n > maxRefusals {
		m.add("- and %d more\n", n-maxRefusals)
	}
	if n > 0 {
		m.add("\n")
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

// maxText is how many characters of one text stand in a section: whoever proposes a document may write long ones, and nothing else is to
// lose its room for them.
const maxText = 1500

// inset is text for a fenced block.
func inset(write func(p *page)) string {
	var b bytes.Buffer
	write(&page{w: &b, width: markdownWidth, most: maxText})
	return b.String()
}
