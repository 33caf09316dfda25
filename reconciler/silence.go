package reconciler

import (
	"fmt"
	"slices"
	"strings"

	"meshrotate/specs"
)

// quiet is a silence that is in force: for these hosts, in small letters; nil means all.
type quiet struct {
	specs.Silence
	hosts map[string]bool
}

// silence marks the findings that the policy accepts for a while. One that refuses is never silenced: nothing is applied that a
// guard objects to. What a silence said once it has ended is a finding of its own, so that nobody keeps it for ever.
func (p *Plan) silence(all []specs.Silence, in Input) error {
	var quiets []quiet
	for _, s := range all {
		if in.Withhold != nil {
			s.Why = in.Withhold(s.Why)
		}
		if !in.Now.Before(s.Ends()) {
			p.Fleet = append(p.Fleet, Finding{Severity: Note, Code: "silence-ended", Text: fmt.Sprintf("the silence of %s ended on %s (%s)", s.Finding, s.Until, s.Why),
				Hint: "mend what it was about and take it out of policy.silence, or give it a later day"})
			continue
		}
		q := quiet{Silence: s}
		if s.Host != "" {
			names, err := specs.Expand(s.Host)
			if err != nil {
				return fmt.Errorf("policy.silence: %w", err)
			}
			q.hosts = map[string]bool{}
			for _, name := range names {
				q.hosts[strings.ToLower(name)] = true
			}
		}
		quiets = append(quiets, q)
	}
	if len(quiets) == 0 {
		return nil
	}
	p.quiets = quiets
	hush(p.Fleet, quiets, false)
	for _, c := range p.Changes {
		hush(c.Findings, quiets, c.Compromised != "")
	}
	return nil
}

// Hushed are findings that come after the plan was made, with what the policy accepts marked.
func (p *Plan) Hushed(findings []Finding) []Finding {
	hush(findings, p.quiets, false)
	return findings
}

// hush marks what is silenced. Of a secret that others know it is that alone which was accepted of a host for being so: all else was accepted
// in quieter times.
func hush(findings []Finding, quiets []quiet, compromised bool) {
	for i := range findings {
		f := &findings[i]
		if f.Severity == Error || specs.Loud(string(f.Code)) || compromised && !specs.ByHost(string(f.Code)) {
			continue
		}
		mine := slices.DeleteFunc(slices.Clone(quiets), func(q quiet) bool { return q.Finding != string(f.Code) })
		every := !specs.ByHost(string(f.Code)) && slices.ContainsFunc(mine, func(q quiet) bool { return q.hosts == nil })
		if len(mine) == 0 || !every && !covers(mine, f.Hosts) {
			continue
		}
		f.Severity, f.Hint = Silenced, fmt.Sprintf("until %s: %s", mine[0].Until, mine[0].Why)
	}
}

// covers says that each of the hosts has a silence, and that there are any.
func covers(quiets []quiet, hosts []string) bool {
	silent := func(host string) bool {
		return slices.ContainsFunc(quiets, func(q quiet) bool { return q.hosts[strings.ToLower(host)] })
	}
	return len(hosts) > 0 && !slices.ContainsFunc(hosts, func(h string) bool { return !silent(h) })
}
