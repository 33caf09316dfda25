package render

import (
	"fmt"
	"strings"

	"meshrotate/reconciler"
)

func (r Plan) foot(p *page) {
	p.line("%s", r.summary())
	if r.Empty() {
		return
	}
	saved := "not saved"
	if r.SavedTo != "" {
		saved = "saved to " + r.SavedTo
	}
	p.line("plan %s, good until %s, %s", digest(r.Digest), moment(r.GoodUntil), saved)
	switch {
	case r.Next == "":
	case r.SavedTo != "":
		p.hang(bold, "apply exactly this:", 21, r.Next)
	default:
		p.hang(bold, "to apply:", 11, r.Next)
	}
}

// summary is "1 to rotate, 4 as declared, 1 warning · 14 files, 14 services, each stops once".
func (r Plan) summary() string {
	var parts []string
	add := func(n int, text string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, text))
		}
	}
	add(r.Count(reconciler.Rotate), "to rotate")
	add(r.Count(reconciler.Refused), "refused")
	add(r.Count(reconciler.Unknown), "unknown")
	add(r.Count(reconciler.AsDeclared), "as declared")
	if n := r.warnings(); n > 0 {
		parts = append(parts, count(n, "warning"))
	}
	if len(parts) == 0 {
		parts = append(parts, "no secrets are declared")
	}
	s := strings.Join(parts, ", ")
	if r.Empty() {
		if len(r.Blocked()) == 0 {
			return s + " · nothing to do"
		}
		return s
	}
	files, services := r.effects()
	switch {
	case files == 0 && services == 0:
		return s + " · no file changes, no service stops"
	case services == 0:
		return s + " · " + count(files, "file") + ", no service stops"
	case services == 1:
		return s + " · " + count(files, "file") + ", 1 service stops once"
	default:
		return s + " · " + count(files, "file") + ", " + count(services, "service") + ", each stops once"
	}
}

func (r Plan) warnings() int {
	n := len(r.Fleet)
	known := hostNames(r.Plan)
	for _, c := range r.Changes {
		for _, f := range fold(c.Findings, known) {
			if f.Severity == reconciler.Warning {
				n++
			}
		}
	}
	return n
}

// effects counts the files that are replaced and the services that stop. An op's key starts with what it does.
func (r Plan) effects() (files, services int) {
	for _, s := range r.Steps {
		switch key := s.Op.Key(); {
		case s.Phase == reconciler.Edit && strings.HasPrefix(key, "swap "):
			files++
		case s.Phase == reconciler.Stop && strings.HasPrefix(key, "stop "):
			services++
		}
	}
	return files, services
}
