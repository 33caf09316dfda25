package render

import (
	"fmt"
	"strings"
	"time"

	"meshrotate/reconciler"
)

// Plan is a plan to be read. Its JSON is the reconciler.Plan, whose fields are documented there; its format is
// "meshrotate.plan/v3", and the digest in it is what apply compares.
type Plan struct {
	*reconciler.Plan
	// Took is how long the look at the deployment lasted; 0 leaves it out.
	Took time.Duration
	// SavedTo is where the plan was saved, "" when it was not.
	SavedTo string
	// Next is the command that applies this plan, "" when there is none to give.
	Next string
	// Host limits what is shown to what concerns one host, and adds what was seen there. "" shows everything.
	Host string
}

func (r Plan) value() any {
	if r.Host == "" {
		return r.Plan
	}
	p := *r.Plan
	p.Rounds, p.Seen = make([]reconciler.Round, len(r.Rounds)), nil
	for i, round := range r.Rounds {
		p.Rounds[i].Steps = []reconciler.Step{} // a round where the host has nothing to do stays in its place
		for _, s := range round.Steps {
			if on(s, r.Host) {
				p.Rounds[i].Steps = append(p.Rounds[i].Steps, s)
			}
		}
	}
	for _, h := range r.Seen {
		if h.Target == hostTarget(r.Host) {
			p.Seen = append(p.Seen, h)
		}
	}
	return p
}

func hostTarget(name string) reconciler.Target {
	return reconciler.Target{Kind: reconciler.HostTarget, Name: name}
}

// on says that a step is done on the host.
func on(s reconciler.Step, host string) bool { return s.Op.Target() == hostTarget(host) }

func (r Plan) text(p *page) {
	r.head(p)
	r.changes(p)
	if r.Host != "" {
		r.host(p)
	}
	r.foot(p)
}

// onlyLooked is what a plan for some secrets has not seen.
const onlyLooked = "of what others use, only services that one host alone has, and what the record says is down, were looked at"

func (r Plan) head(p *page) {
	p.line("%s", p.title(r.Deployment, r.Commit, r.Source))
	p.line("looked at %s%s", looked(r.Seen), took(r.Took))
	if r.Trust != "" {
		p.line("contacts, credentials, programs and state are those of %s", r.Trust)
	}
	if r.Signed != "" {
		p.line("signed by %s", r.Signed)
	}
	if len(r.Only) > 0 {
		p.line("only %s; %s", strings.Join(r.Only, ", "), onlyLooked)
	}
	p.blank()
	if fleet := about(r.Fleet, r.Host); len(fleet) > 0 {
		p.fleet(fleet)
		p.blank()
	}
}

// title says which deployment, at which commit, out of which file.
func (p *page) title(deployment, hash, source string) string {
	s := deployment
	if hash != "" {
		s += " at " + commit(hash)
	}
	switch {
	case source != "" && hash != "":
		s += " (" + source + ")"
	case source != "":
		s += " (" + source + ", no commit)"
	}
	return s
}

// looked counts targets: "15 hosts (1 could not be looked at) and the Admin API". The store of values is nowhere but here.
func looked(seen []reconciler.HostFacts) string {
	hosts, lost := 0, 0
	var others []string
	for _, h := range seen {
		switch {
		case h.Target.Kind == reconciler.ValuesTarget:
		case h.Target.Kind != reconciler.HostTarget:
			name := h.Target.String()
			if h.Target.Name == "" {
				name = "the " + name
			}
			if h.Reach != reconciler.Reached {
				name += " (it could not be looked at)"
			}
			others = append(others, name)
		case h.Reach == reconciler.Reached:
			hosts++
		default:
			hosts++
			lost++
		}
	}
	s := count(hosts, "host")
	if lost > 0 {
		s += fmt.Sprintf(" (%d could not be looked at)", lost)
	}
	return enumerate(append([]string{s}, others...))
}

func took(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return " in " + seconds(d.Seconds())
}

// marks are the signs in front of a secret, with their colours.
var marks = map[reconciler.Status][2]string{
	reconciler.Rotate:     {"~", yellow},
	reconciler.AsDeclared: {"=", green},
	reconciler.Refused:    {"x", red},
	reconciler.Unknown:    {"?", red},
}

// maxAsDeclared is how many secrets without anything to say a text lists.
const maxAsDeclared = 30

// maxVersions is how wide the column of versions may be.
const maxVersions = 20

// columns are the widths of the first two columns of a list of secrets.
type columns struct{ title, version int }

func columnsOf(changes []reconciler.Change) columns {
	var c columns
	for _, ch := range changes {
		c.title = max(c.title, min(length(ch.Title), 28))
		c.version = max(c.version, min(length(versions(ch.Before, ch.Secret.Version)), maxVersions))
	}
	return c
}

func (r Plan) changes(p *page) {
	rows := together(r.Changes)
	cols, quiet, afterBlock := columnsOf(rows), 0, false
	for i, c := range rows {
		c.Findings = about(c.Findings, r.Host)
		block := c.Status != reconciler.AsDeclared || len(c.Findings) > 0
		if !block {
			if quiet++; quiet > maxAsDeclared {
				continue
			}
		}
		if i > 0 && (block || afterBlock) {
			p.blank()
		}
		afterBlock = block
		r.change(p, c, cols)
	}
	if more := quiet - maxAsDeclared; more > 0 {
		p.line("= %d more as declared (-o json lists them)", more)
	}
	p.blank()
}

// change writes one secret.
func (r Plan) change(p *page, c reconciler.Change, cols columns) {
	m := marks[c.Status]
	if c.Status == reconciler.AsDeclared && len(c.Findings) > 0 {
		m[1] = yellow
	}
	change := versions(c.Before, c.Secret.Version)
	label := m[0] + " " + pad(clip(c.Title, 28), cols.title) + "  " + pad(clip(change, maxVersions), cols.version)
	p.hang(m[1], label, 2+cols.title+2+cols.version+2, verdict(c, r.Made))
	if length(change) > maxVersions { // what was cut off may be what matters
		p.hang(plain, "    version", 14, change)
	}
	for _, l := range c.Lines {
		p.hang(plain, "    "+l.Phase, 14, l.Text)
	}
	if len(c.Outages) > 0 {
		p.hang(bold, "    outage", 14, predicted(c.Outages))
	}
	if c.Undo != "" {
		p.hang(plain, "    undo", 14, c.Undo)
	}
	if len(c.Left) > 0 {
		var names []string
		for _, t := range c.Left {
			names = append(names, t.String())
		}
		p.hang(yellow, "    left", 14, hostList(names)+": not reachable now; a later run finishes them")
	}
	p.findings(c.Findings)
}

// verdict is why a secret stands as it does, and when it is due.
func verdict(c reconciler.Change, now time.Time) string {
	s := c.Reason
	switch {
	case c.Waits != "":
		s = "waits for " + c.Waits + ", which may be the cure of what is not well; " + s
	case c.Status == reconciler.Refused:
		s = "refused; " + s
	case c.Status == reconciler.Unknown:
		s = "unknown; " + s
	}
	if c.Status == reconciler.AsDeclared && !c.Due.IsZero() {
		word := ", due "
		if c.Due.Before(now) {
			word = ", overdue, was due "
		}
		s += word + days(c.Due, now)
	}
	return strings.TrimPrefix(s, ", ")
}

// host writes what was seen and what would be done on one host.
func (r Plan) host(p *page) {
	p.hang(bold, r.Host, length(r.Host)+2, "as it was seen")
	for _, h := range r.Seen {
		if h.Target != hostTarget(r.Host) {
			continue
		}
		p.hang(plain, "    answer", 14, string(h.Reach))
		for _, f := range h.Facts {
			p.under(14, f.Field+": "+f.Value)
		}
	}
	for i, round := range r.Rounds {
		for _, s := range round.Steps {
			if on(s, r.Host) {
				p.hang(plain, "    "+reconciler.PhaseName(r.Plan.Rounds, i, s.Phase), 14, s.Op.Key())
			}
		}
	}
	p.blank()
}
