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
		p.command("apply exactly this:", r.Next)
	default:
		p.command("to apply:", r.Next)
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
	add(len(r.Deferred()), "waiting")
	blocked := map[reconciler.Status]int{}
	for _, c := range r.Blocked() {
		blocked[c.Status]++
	}
	add(blocked[reconciler.Refused], "refused")
	add(blocked[reconciler.Unknown], "unknown")
	add(len(r.Behind()), "left behind")
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
			if len(r.Only) > 0 {
				return s + " · nothing to do for these alone"
			}
			return s + " · nothing to do"
		}
		return s
	}
	return s + " · " + r.effects()
}

func (r Plan) warnings() int {
	n := 0
	for _, f := range r.Fleet {
		if f.Severity == reconciler.Warning {
			n++
		}
	}
	for _, c := range together(r.Changes) {
		for _, f := range c.Findings {
			if f.Severity == reconciler.Warning {
				n++
			}
		}
	}
	return n
}

// effects counts the files that are replaced and the services that stop, as the merged steps have them.
func (r Plan) effects() string {
	type thing struct {
		on   reconciler.Target
		what string
	}
	files, services, stops := map[thing]bool{}, map[thing]bool{}, 0
	for _, s := range r.Steps() {
		at := thing{s.Op.Target(), s.Op.Key()}
		if _, swaps := s.Op.(reconciler.Swapper); swaps {
			files[at] = true
		}
		if s.Op.Kind() == "stop" {
			services[at] = true
			stops++
		}
	}
	text := count(len(files), "file")
	if len(files) == 0 {
		text = "no file changes"
	}
	switch n := len(services); {
	case n == 0:
		return text + ", no service stops"
	case stops > n: // in a later round again
		return text + ", " + count(n, "service") + fmt.Sprintf(" with %d stops in all", stops)
	case n == 1:
		return text + ", 1 service stops once"
	default:
		return text + ", " + count(n, "service") + ", each stops once"
	}
}
