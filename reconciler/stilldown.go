package reconciler

import (
	"slices"
	"time"
)

// stoppedEarlier is the cause of what is down since an earlier run when nothing else is known.
const stoppedEarlier = "an earlier run stopped it, or was to start it"

// StillDown is what an earlier run left down, or may have, each once: several secrets may know of it.
func (p *Plan) StillDown() []Down {
	var all []Down
	for _, c := range append(slices.Clone(p.Changes), Change{Down: p.Down}) {
		for _, d := range c.Down {
			if !slices.ContainsFunc(all, func(o Down) bool { return o.What == d.What }) {
				all = append(all, d)
			}
		}
	}
	return all
}

// stillDown tells of what an earlier run left down. What is called by its host is one finding for all with the same cause.
func stillDown(all []Down) (findings []Finding) {
	type story struct {
		unsure bool
		cause  string
	}
	fleet := map[story][]Down{}
	var order []story
	for _, d := range all {
		s := story{d.Unsure, d.Cause}
		if s.cause == "" {
			s.cause = stoppedEarlier
		}
		if d.What != d.Target.Name {
			findings = append(findings, stillDownAs(d.What+" ", s.unsure, s.cause, []Down{d}))
			continue
		}
		if fleet[s] == nil {
			order = append(order, s)
		}
		fleet[s] = append(fleet[s], d)
	}
	for _, s := range order {
		findings = append(findings, stillDownAs("", s.unsure, s.cause, fleet[s]))
	}
	return findings
}

func stillDownAs(who string, unsure bool, cause string, all []Down) Finding {
	first := slices.MinFunc(all, func(a, b Down) int { return a.Since.Compare(b.Since) }).Since
	f := Finding{Severity: Warning, Code: "still-down", Hint: "apply starts it"}
	for _, d := range all {
		f.Hosts = append(f.Hosts, d.Target.Name)
	}
	switch {
	case unsure:
		f.Text, f.Hint = who+"may be DOWN", "make its host answer, then apply, which starts it; or start it on the host"
	case who != "":
		f.Text = who + "is down"
	default:
		f.Text = "down"
	}
	f.Text += " since " + moment(first)
	if slices.ContainsFunc(all, func(d Down) bool { return !d.Since.Equal(first) }) {
		f.Text += ", or later"
	}
	f.Text += ": " + cause
	return f
}

func moment(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05 UTC") }
