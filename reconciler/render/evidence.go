package render

import (
	"cmp"
	"strings"

	"meshrotate/state"
)

// Evidence is what the ledger tells of a compromised secret, format "meshrotate.evidence/v1": what others knew, why, who replaced
// it and when, how that was proven, what was down, and what became of each place that held the old value. There is no value in it.
type Evidence struct {
	Format     string `json:"format"`
	Deployment string `json:"deployment"`
	state.Evidence
	// Sealed are old values that meshrotate itself keeps, each a secret and its version.
	Sealed []string `json:"sealed,omitempty"`
}

// EvidenceOf makes the report.
func EvidenceOf(deployment string, e state.Evidence, sealed []string) Evidence {
	return Evidence{Format: "meshrotate.evidence/v1", Deployment: deployment, Evidence: e, Sealed: sealed}
}

func (e Evidence) value() any { return e }

// fate says what became of a place, in words and in a colour.
func fate(p state.Place) (words, style string) {
	switch p.Became {
	case state.Done:
		return "taken out at " + second(p.At), green
	case state.Back:
		return "put back, there again since " + second(p.At), red
	case state.Started:
		return "not reached: as far as is known it is there still", red
	case state.Gone:
		return "not there any more at " + second(p.At) + ", when a later run looked", green
	case state.Untouched:
		return "there when the run began; the rotation takes nothing out of it", red
	default:
		return string(p.Became) + " at " + second(p.At) + ": it may be there still", red
	}
}

// old is what others know.
func (e Evidence) old() string { return strings.Join(append([]string{e.Before}, e.Also...), " or ") }

// earlier says which other emergencies are on record.
func (e Evidence) earlier() string {
	return "emergencies before this one began with " + strings.Join(e.Earlier, ", ") + ": `history --evidence " + e.Secret + " --run " + e.Earlier[len(e.Earlier)-1] + "`"
}

// ending is how the last run ended.
func (e Evidence) ending() (words, style string) {
	return ended(e.Rotations[len(e.Rotations)-1])
}

// again says that it was declared once more.
func (e Evidence) again() string {
	return "what others know was declared again at " + second(e.Again.Time) + ", run " + e.Again.Run + ": it is accepted since then"
}

func (e Evidence) text(p *page) {
	words, style := e.ending()
	p.hang(style, "", 4, e.Deployment+": "+e.Secret+" "+versions(e.old(), e.Version)+", compromised: "+words)
	p.hang(plain, "why", 12, e.Why)
	if e.Again != nil {
		p.hang(red, "again", 12, e.again())
	}
	if len(e.Earlier) > 0 {
		p.hang(plain, "earlier", 12, e.earlier())
	}
	for _, r := range e.Rotations {
		p.blank()
		History{}.rotation(p, r)
	}
	p.blank()
	p.line("what held %s", cmp.Or(e.old(), "the old value"))
	for _, w := range e.Places {
		words, style := fate(w)
		where := ""
		if len(w.Hosts) > 0 {
			where = ", " + hostList(w.Hosts)
		}
		p.hang(style, "   ", 4, w.Place+where+": "+words)
	}
	for _, name := range e.Sealed {
		p.hang(plain, "   ", 4, name+": kept, sealed in the state")
	}
	p.blank()
	p.hang(plain, "ledger", 12, number(len(e.Entries))+" of "+number(e.Ledger.Entry)+" entries; the last has the hash "+e.Ledger.Hash)
}

func (e Evidence) markdown(m *mark) {
	words, _ := e.ending()
	m.add("**%s**: %s %s was compromised: %s\n\n%s\n\n", md(e.Deployment), md(e.Secret), code(versions(e.old(), e.Version)), md(words), md(e.Why))
	if e.Again != nil {
		m.add("**Again**: %s\n\n", md(e.again()))
	}
	if len(e.Earlier) > 0 {
		m.add("%s\n\n", md(e.earlier()))
	}
	m.head("run", "by", "began", "ended", "proof", "outage")
	for _, r := range e.Rotations {
		m.row(code(r.Run), md(clip(r.By, 80)), moment(r.Started), moment(r.Ended), md(clip(r.Detail, 400)), md(outage(r)))
	}
	m.add("\n")
	m.head("what held it", "where", "what became of it")
	for _, w := range e.Places {
		words, _ := fate(w)
		if !m.row(md(clip(w.Place, 120)), md(cmp.Or(hostList(w.Hosts), e.Deployment)), md(words)) {
			m.end("\n_More have no room here: `-o json` has all._\n")
			return
		}
	}
	for _, name := range e.Sealed {
		m.row(code(name), "the state", "kept, sealed")
	}
	m.add("\nEntry %d of the ledger is its last; its hash is `%s`.\n", e.Ledger.Entry, e.Ledger.Hash)
}
