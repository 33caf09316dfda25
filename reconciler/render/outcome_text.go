package render

import (
	"strings"
	"time"

	"meshrotate/state"
)

// endings are the signs, colours and classes of how a secret ended.
var endings = map[state.Outcome][3]string{
	state.Proven:  {"=", green, "same"},
	state.Back:    {"~", yellow, "change"},
	state.Ahead:   {"!", red, "lost"},
	state.Unknown: {"?", red, "lost"},
}

// labels is how wide the labels below the table of secrets are.
const labels = 13

func (r Outcome) text(p *page) {
	style := red
	if r.OK {
		style = green
	}
	p.hang(style, "", 4, r.Verdict())
	if r.OK && len(r.Secrets) == 0 {
		return
	}
	p.blank()
	if len(r.Secrets) > 0 {
		rows := [][]string{{"secret", "before", "after", "how it ended"}}
		for _, s := range endingRows(r.Secrets) {
			rows = append(rows, []string{clip(s.Title, 28), clip(orDash(s.Before), 14), clip(s.After, 14), r.how(s)})
		}
		p.table(0, rows)
		r.outages(p)
		p.blank()
	}
	if r.unsettled(p) {
		p.blank()
	}
	if r.ByRecord != "" {
		p.hang(yellow, "by record", labels, r.byRecord())
	}
	if r.Run != "" {
		p.hang(plain, "run", labels, r.Run+", plan "+digest(r.Plan))
	}
	if r.Error != "" {
		p.hang(red, "cause", labels, oneLine(r.Error))
	}
	if r.Hint != "" {
		p.hang(bold, "hint", labels, r.Hint)
	}
	p.hang(bold, "next", labels, r.Next)
}

// unsettled lists what is down and what was left behind, each target once, hosts with the same story as one.
func (r Outcome) unsettled(p *page) bool {
	down, left := r.groups()
	for _, g := range down {
		p.hang(red, g.state(), labels, g.who())
		g.reason(p)
	}
	for _, g := range left {
		p.hang(yellow, "left behind", labels, g.who())
		g.reason(p)
	}
	notes := r.noted()
	for _, g := range notes {
		p.hang(plain, "noted", labels, g.who())
		g.reason(p)
	}
	return len(down)+len(left)+len(notes) > 0
}

// byRecord says what of this outcome may be otherwise by now.
func (r Outcome) byRecord() string {
	return "this run has lost its lock, and " + r.ByRecord + ": what is told here of hosts is what this run knew, but for services that it looked at at its end, and outages are the most that they can have been; `meshrotate history` tells of other runs, where they share this state"
}

// noted are the notes, hosts with the same one as one.
func (r Outcome) noted() []group {
	var all []group
	for _, n := range r.Remarks {
		all = joined(all, r.group(n.Target, Left{Why: n.Text}))
	}
	return all
}

// group is targets with the same story.
type group struct {
	// what is down there, "" when it is called as its host.
	what         string
	targets      []string
	service      string // that is down, by its name on the hosts
	hint         string // what brings it back
	secrets, why string
	since        time.Time // the earliest
	several      bool      // not all since then
	sooner       bool      // or some time before
	unsure       bool
	cutOff       bool // and not stopped
	unwell       bool // it runs
}

// state is how a group is that is down.
func (g group) state() string {
	switch {
	case g.cutOff && g.unsure:
		return "may be CUT OFF" // longer than a label, and rare
	case g.cutOff:
		return "CUT OFF"
	case g.unwell && !g.unsure:
		return "NOT READY"
	case g.unsure:
		return "may be DOWN"
	}
	return "still DOWN"
}

// who is "Admin on im-admin.example, since 2026-11-23 02:00:12 UTC".
func (g group) who() string {
	s := hostList(g.targets)
	if g.what != "" {
		s = g.what + " on " + s
	}
	if g.service != "" && g.service != g.what {
		s += " (" + g.service + ")"
	}
	if !g.since.IsZero() {
		s += ", since " + second(g.since)
		switch {
		case g.several:
			s += " or later"
		case g.sooner:
			s += " at the latest"
		}
	}
	return s
}

func (g group) reason(p *page) {
	if g.why != "" {
		p.under(labels, strings.TrimPrefix(g.secrets+": "+g.why, ": "))
	}
	if g.hint != "" {
		p.under(labels, "hint: "+g.hint)
	}
}

func (r Outcome) markdown(m *mark) {
	m.add("**%s**: %s\n\n", md(r.Deployment), md(r.Verdict()))
	if r.OK && len(r.Secrets) == 0 {
		return
	}
	if len(r.Secrets) > 0 {
		m.head("", "secret", "version", "how it ended")
		for _, s := range endingRows(r.Secrets) {
			m.row(code(endings[s.Ending][0]), md(clip(s.Title, 80)), code(clip(versions(orDash(s.Before), s.After), 80)), md(clip(r.how(s), 400)))
		}
	}
	r.unsettledMarkdown(m)
	if text := inset(r.outages); text != "" {
		m.fold("outages", strings.TrimLeft(text, "\n"))
	}
	if r.ByRecord != "" {
		m.add("\nBy record: %s\n", md(r.byRecord()))
	}
	if r.Error != "" {
		m.add("\nCause: %s\n", md(clip(oneLine(r.Error), 2000)))
	}
	if r.Hint != "" {
		m.add("\nHint: %s\n", md(clip(r.Hint, 500)))
	}
	m.end("\nNext: %s\n", commands(r.Next))
}

// unsettledMarkdown is open, not folded: somebody has to act on it.
func (r Outcome) unsettledMarkdown(m *mark) {
	down, left := r.groups()
	notes := r.noted()
	if len(down)+len(left)+len(notes) == 0 {
		return
	}
	m.add("\n")
	m.head("", "where", "why")
	hidden := 0
	row := func(word string, g group) {
		if !m.row(word, md(clip(g.who(), 600)), md(clip(strings.TrimPrefix(g.secrets+": "+g.why, ": "), 400)+clip(suffix(". Hint: ", g.hint), 300))) {
			hidden++
		}
	}
	for _, g := range down {
		row("**"+g.state()+"**", g)
	}
	for _, g := range left {
		row("left behind", g)
	}
	for _, g := range notes {
		row("noted", g)
	}
	if hidden > 0 {
		m.end("\n_and %s: `-o json` has all_\n", count(hidden, "more"))
	}
}

// commands is a text whose commands stand between backticks.
func commands(s string) string {
	var b strings.Builder
	for i, part := range strings.Split(s, "`") {
		if i%2 == 0 {
			b.WriteString(md(part))
		} else {
			b.WriteString(code(part))
		}
	}
	return b.String()
}

// origin is which run this was.
func (r Outcome) origin() string {
	s := "run " + r.Run + " · plan " + digest(r.Plan)
	if r.Commit != "" {
		s += " at " + commit(r.Commit)
	}
	return s
}

// secrets are the rows of the HTML table.
func (r Outcome) secrets() []htmlSecret {
	var all []htmlSecret
	for _, s := range endingRows(r.Secrets) {
		e := endings[s.Ending]
		all = append(all, htmlSecret{Mark: e[0], Class: e[2], Title: Safe(s.Title), Version: Safe(versions(orDash(s.Before), s.After)),
			Why: Safe(r.how(s)), Outage: Safe(measured(s.Outages))})
	}
	return all
}
