package reconciler

import (
	"fmt"
	"strings"
)

// placeFindings names the host of a finding whose text alone does.
func (p *Plan) placeFindings() {
	known := p.hostNames()
	for _, all := range p.findings() {
		for i, f := range all {
			if host, _ := subject(f, known); host != "" {
				all[i].Hosts = []string{host}
			}
		}
	}
}

// foldFindings makes one finding of those that are alike on many hosts.
func (p *Plan) foldFindings() {
	known := p.hostNames()
	for i, c := range p.Changes {
		p.Changes[i].Findings = fold(c.Findings, known)
	}
	p.Fleet = fold(p.Fleet, known)
}

func (p *Plan) findings() [][]Finding {
	all := [][]Finding{p.Fleet}
	for _, c := range p.Changes {
		all = append(all, c.Findings)
	}
	return all
}

// hostNames are the hosts that the plan looked at.
func (p *Plan) hostNames() map[string]bool {
	known := map[string]bool{}
	for _, h := range p.Seen {
		if h.Target.Kind == HostTarget {
			known[h.Target.Name] = true
		}
	}
	return known
}

// fold makes one finding of those that say the same about different hosts.
func fold(findings []Finding, known map[string]bool) []Finding {
	type key struct {
		severity   Severity
		code       FindingID
		text, hint string
	}
	index := map[key]int{}
	var folded []Finding
	for _, f := range findings {
		host, about := subject(f, known)
		k := key{f.Severity, f.Code, about, f.Hint}
		if i, again := index[k]; again && host != "" {
			if last := folded[i].Hosts[len(folded[i].Hosts)-1]; last != host {
				folded[i].Hosts = append(folded[i].Hosts, host)
				folded[i].Text = about
			}
			continue
		}
		if host != "" {
			index[k] = len(folded)
			f.Hosts = []string{host}
		}
		folded = append(folded, f)
	}
	return folded
}

// subject is the one host that a finding is about, "" when it is about none or several, and the finding's text
// without the host's name.
func subject(f Finding, known map[string]bool) (host, about string) {
	switch first, _, _ := strings.Cut(f.Text, " "); {
	case len(f.Hosts) == 1:
		host = f.Hosts[0]
	case len(f.Hosts) == 0 && known[strings.TrimSuffix(first, ":")]:
		host = strings.TrimSuffix(first, ":")
	default:
		return "", f.Text
	}
	about = strings.TrimPrefix(strings.TrimPrefix(f.Text, host+": "), host+" ")
	return host, strings.ReplaceAll(about, host, "the host")
}

// Said is the finding in one sentence: its text, and where it was found if that is in several places.
func (f Finding) Said() string {
	if len(f.Hosts) < 2 || strings.Contains(f.Text, f.Hosts[0]) {
		return f.Text
	}
	return fmt.Sprintf("%s (on %s and %d more)", f.Text, f.Hosts[0], len(f.Hosts)-1)
}
