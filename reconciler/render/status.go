package render

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// Status is where every secret stands, format "meshrotate.status/v1". As the answer of drift its format is
// "meshrotate.drift/v1".
type Status struct {
	Format     string    `json:"format"`
	Deployment string    `json:"deployment"`
	Source     string    `json:"source,omitempty"`
	Commit     string    `json:"commit,omitempty"`
	Made       time.Time `json:"made"`
	// Drifted says that something is not as declared, or that a host is known to be behind. Unknown says that something could not be looked at, so that
	// nobody knows.
	Drifted bool `json:"drifted"`
	Unknown bool `json:"unknown"`
	// Hosts is how many were to be looked at, Reached how many of them answered.
	Hosts   int                  `json:"hosts"`
	Reached int                  `json:"reached"`
	Secrets []SecretStatus       `json:"secrets"`
	Fleet   []reconciler.Finding `json:"fleet,omitempty"` // about hosts rather than about one secret
	// Lock is who is changing the deployment now; missing when nobody is.
	Lock *state.Holder `json:"lock,omitempty"`

	plan *reconciler.Plan
	took time.Duration
	host string
	// doubted: what is remembered does not fit together.
	doubted bool
}

// SecretStatus is one secret of a Status.
type SecretStatus struct {
	Secret string `json:"secret"`
	// Kind is the rotation package's name, as --only takes it.
	Kind  string `json:"kind"`
	Title string `json:"title"`
	// Group is what several secrets are called together; text shows those that stand alike in one row.
	Group string `json:"group,omitempty"`
	// Status is "as declared", "rotate", "refused" or "unknown".
	Status   reconciler.Status `json:"status"`
	Declared string            `json:"declared"`
	// Live is the version in use, "" when it is not known.
	Live string `json:"live"`
	// Reason is why the secret is not as declared, or what was seen.
	Reason string `json:"reason,omitempty"`
	// LastRotated is the last proven rotation on record; Run is the run that did it.
	LastRotated time.Time `json:"lastRotated,omitzero"`
	Run         string    `json:"run,omitempty"`
	// Left are hosts that the last rotation left behind and that do not answer now either.
	Left []string `json:"left,omitempty"`
	// LeftUnsure are those of Left of which nobody knows which version they have: that rotation began to change them. The others
	// hold an old one.
	LeftUnsure []string `json:"leftUnsure,omitempty"`
	// Due is when the next rotation is due by the declared cadence.
	Due     time.Time `json:"due,omitzero"`
	Overdue bool      `json:"overdue,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
	// Overlaps are old values that are accepted beside the ones that replace them.
	Overlaps []reconciler.Overlap `json:"overlaps,omitempty"`
	// Findings are blockers (severity "error") and warnings, with their hosts.
	Findings []reconciler.Finding `json:"findings,omitempty"`
}

// StatusOf tells where a plan's secrets stand. Host limits what is shown, "" shows everything.
func StatusOf(p *reconciler.Plan, h state.History, took time.Duration, host string) Status {
	s := Status{Format: "meshrotate.status/v1", Deployment: p.Deployment, Source: p.Source, Commit: p.Commit, Made: p.Made,
		Secrets: []SecretStatus{}, Fleet: about(p.Fleet, host), plan: p, took: took, host: host}
	for _, t := range p.Seen {
		if t.Target.Kind == reconciler.HostTarget {
			s.Hosts++
			if t.Reach == reconciler.Reached {
				s.Reached++
			}
		}
	}
	known, answered := hostNames(p), answering(p)
	for _, c := range p.Changes {
		live := c.Before
		if _, pending := h.Pending(c.Secret.Name, c.Secret.Version); pending {
			live = c.Live
		}
		one := SecretStatus{Secret: c.Secret.Name, Kind: kindOf(c.Secret.Name), Title: c.Title, Group: c.Group, Status: c.Status,
			Declared: c.Secret.Version, Live: live, Reason: c.Reason, Due: c.Due, Expires: c.Expires, Overlaps: c.Overlaps,
			Overdue: !c.Due.IsZero() && c.Due.Before(p.Made), Findings: about(c.Findings, host)}
		if since, ok := h.Since(c.Secret.Name); ok {
			one.LastRotated, one.Run = since.Time, since.Run
		}
		if last, ok := h.LastProven(c.Secret.Name); ok {
			for _, name := range last.Left {
				if known[name] && !answered[name] {
					one.Left = append(one.Left, name)
					if h.Touched(c.Secret.Name, last.Version, reconciler.Switch.String()+"/", name) {
						one.LeftUnsure = append(one.LeftUnsure, name)
					}
				}
			}
		}
		s.Drifted = s.Drifted || len(one.Left) > 0 || len(c.Down) > 0
		s.Drifted = s.Drifted || c.Status == reconciler.Rotate || c.Status == reconciler.Refused || reconciler.Drifted(c.Findings)
		s.Unknown = s.Unknown || c.Status == reconciler.Unknown
		s.Secrets = append(s.Secrets, one)
	}
	s.Drifted = s.Drifted || len(p.Down) > 0
	s.doubted = p.Doubted()
	s.Drifted = s.Drifted || s.doubted
	return s
}

// answering are the hosts that were reached.
func answering(p *reconciler.Plan) map[string]bool {
	names := map[string]bool{}
	for _, h := range p.Seen {
		names[h.Target.Name] = h.Reach == reconciler.Reached
	}
	return names
}

func (s Status) value() any { return s }

func (s Status) text(p *page) {
	p.line("%s", p.title(s.Deployment, s.Commit, s.Source))
	p.line("looked at %s%s", looked(s.plan.Seen), took(s.took))
	p.blank()
	if l := s.Lock; l != nil && l.Fence > 0 { // of one that cannot be read a finding tells
		p.hang(yellow, "locked", 9, holderLine(*l))
		p.blank()
	}
	rows := [][]string{{"", "secret", "live", "declared", "rotated", "due", "expires"}}
	for _, c := range statuses(s.Secrets) {
		rows = append(rows, []string{marks[c.Status][0], c.Title, orDash(c.Live), c.Declared, date(c.LastRotated), brief(s.due(c)), brief(s.until(c.Expires))})
	}
	p.table(0, rows)
	s.writeOverlaps(p)
	if notes := s.notes(); len(notes) > 0 || len(s.Fleet) > 0 {
		p.blank()
		s.writeNotes(p, notes)
	}
	p.blank()
	p.line("%s", s.verdict())
	if s.host != "" {
		p.blank()
		Plan{Plan: s.plan, Host: s.host}.host(p)
	}
}

// brief is for a column: eighty characters have to hold them all.
func brief(days string) string {
	return strings.NewReplacer(" days", " d", " day", " d").Replace(days)
}

// due is short: it stands in a column.
func (s Status) due(c SecretStatus) string {
	switch {
	case c.Due.IsZero():
		return "-"
	case c.Overdue:
		return "OVERDUE"
	default:
		return days(c.Due, s.Made)
	}
}

func (s Status) until(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return days(t, s.Made)
}

// notes are the secrets about which there is something to say.
func (s Status) notes() []SecretStatus {
	var some []SecretStatus
	for _, c := range statuses(s.Secrets) {
		if c.Status != reconciler.AsDeclared || len(c.Findings) > 0 || c.Overdue || len(c.Left) > 0 {
			some = append(some, c)
		}
	}
	return some
}

func (s Status) writeNotes(p *page, notes []SecretStatus) {
	p.fleet(s.Fleet)
	for i, c := range notes {
		if i > 0 || len(s.Fleet) > 0 {
			p.blank()
		}
		m := marks[c.Status]
		p.hang(m[1], m[0]+" "+c.Title, length(c.Title)+4, string(c.Status)+suffix(": ", c.Reason))
		if c.Overdue {
			p.hang(yellow, "    warning", 14, "overdue: it was due on "+date(c.Due)+", "+days(c.Due, s.Made)+"  [overdue]")
		}
		c.left(p)
		p.findings(c.Findings)
	}
}

// left says of the hosts that were left behind what is known of their version.
func (c SecretStatus) left(p *page) {
	old := slices.DeleteFunc(slices.Clone(c.Left), func(h string) bool { return slices.Contains(c.LeftUnsure, h) })
	for _, of := range []struct {
		hosts []string
		text  string
	}{{old, "with an old version"}, {c.LeftUnsure, "and whether it has the new version is not known"}} {
		if len(of.hosts) > 0 {
			p.hang(yellow, "    left", 14, hostList(of.hosts)+": left behind by the last rotation, "+of.text+"; a later run finishes them")
		}
	}
}

func suffix(sep, s string) string {
	if s == "" {
		return ""
	}
	return sep + s
}

// verdict is one line.
func (s Status) verdict() string {
	n := map[reconciler.Status]int{}
	overdue, left, warned := 0, 0, 0
	for _, c := range s.Secrets { // each counts once
		switch declared := c.Status == reconciler.AsDeclared; {
		case declared && reconciler.Drifted(c.Findings):
			warned++
		case declared && len(c.Left) > 0:
			left++
		default:
			n[c.Status]++
		}
		if c.Overdue {
			overdue++
		}
	}
	var parts []string
	add := func(n int, word string) {
		if n > 0 {
			parts = append(parts, count(n, "secret")+" "+word)
		}
	}
	add(n[reconciler.Rotate]+n[reconciler.Refused], "not as declared")
	if guarded := n[reconciler.Refused]; guarded > 0 {
		parts[0] += fmt.Sprintf(" (a guard refuses %d)", guarded)
	}
	add(n[reconciler.Unknown], "unknown")
	add(n[reconciler.AsDeclared], "as declared")
	add(warned, "as declared with something wrong")
	add(left, "not on every host")
	if overdue > 0 {
		parts = append(parts, number(overdue)+" of them overdue")
	}
	if n := len(s.plan.Down); n > 0 {
		parts = append(parts, count(n, "service")+" of other secrets down")
	}
	if s.doubted {
		parts = append(parts, "the state is in doubt")
	}
	switch {
	case s.Drifted && s.drift():
		return "drift: " + strings.Join(parts, ", ")
	case s.Unknown:
		return "not everything could be looked at: " + strings.Join(parts, ", ")
	case s.drift():
		return "no drift: " + strings.Join(parts, ", ")
	default:
		return strings.Join(parts, ", ")
	}
}

func (s Status) drift() bool { return s.Format == "meshrotate.drift/v1" }

// Drift is the status as the nightly job asks for it.
func (s Status) Drift() Status {
	s.Format = "meshrotate.drift/v1"
	return s
}

func (s Status) markdown(m *mark) {
	m.add("**%s**: %s\n\n", md(s.Deployment), md(s.verdict()))
	m.head("", "secret", "live", "declared", "rotated", "due", "expires")
	hidden := 0
	for i, c := range statuses(s.Secrets) {
		if i >= maxRows || !m.row(code(marks[c.Status][0]), md(clip(c.Title, 80)), code(clip(orDash(c.Live), 80)),
			code(clip(c.Declared, 80)), date(c.LastRotated), s.due(c), s.until(c.Expires)) {
			hidden++
		}
	}
	if hidden > 0 {
		m.end("\n_and %s: `-o json` has all_\n", count(hidden, "more secret"))
	}
	for _, o := range s.overlaps() {
		m.add("\n**overlap** %s: %s\n", md(clip(o.title, 80)), md(clip(o.says(s.Made), 400)))
	}
	if notes := s.notes(); len(notes) > 0 || len(s.Fleet) > 0 {
		m.fold("details", clip(inset(func(p *page) { s.writeNotes(p, notes) }), 40_000))
	}
}

// holderLine is who holds a lock, in one sentence.
func holderLine(h state.Holder) string {
	s := "by " + h.By + "@" + h.Host + ", run " + h.Run + ", since " + moment(h.Started)
	if h.Doing != "" {
		s += ", at: " + h.Doing
	}
	switch {
	case h.Silent:
		s += ". It has not renewed its lock: it has ended, or it is suspended or cut off, and stops when it notices. The next apply takes the lock over and finishes"
	case h.Ended:
		s += ". It has ended: the next apply takes the lock over and finishes"
	}
	return s
}

// hostNames are the hosts that a plan looked at.
func hostNames(p *reconciler.Plan) map[string]bool {
	known := map[string]bool{}
	for _, h := range p.Seen {
		if h.Target.Kind == reconciler.HostTarget {
			known[h.Target.Name] = true
		}
	}
	return known
}
