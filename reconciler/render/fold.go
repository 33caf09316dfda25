package render

import (
	"strings"

	"meshrotate/reconciler"
)

// maxFindings is how many findings a text shows for one secret. JSON has them all.
const maxFindings = 12

// fold makes one finding of those that say the same about different hosts.
func fold(findings []reconciler.Finding, known map[string]bool) []reconciler.Finding {
	type key struct {
		severity         reconciler.Severity
		code, text, hint string
	}
	index := map[key]int{}
	var folded []reconciler.Finding
	for _, f := range findings {
		host, about := subject(f, known)
		k := key{f.Severity, f.Code, about, f.Hint}
		if i, again := index[k]; again && host != "" {
			folded[i].Hosts = append(folded[i].Hosts, host)
			folded[i].Text = about
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
func subject(f reconciler.Finding, known map[string]bool) (host, about string) {
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

// about keeps the findings that name the host, or no host at all.
func about(findings []reconciler.Finding, host string) []reconciler.Finding {
	if host == "" {
		return findings
	}
	var some []reconciler.Finding
	for _, f := range findings {
		keep := len(f.Hosts) == 0
		for _, h := range f.Hosts {
			keep = keep || h == host
		}
		if keep {
			some = append(some, f)
		}
	}
	return some
}

// findings writes them under a secret: severity, text, hosts, hint.
func (p *page) findings(all []reconciler.Finding) {
	for _, f := range all[:min(len(all), maxFindings)] {
		style := map[reconciler.Severity]string{reconciler.Error: red, reconciler.Warning: yellow}[f.Severity]
		p.hang(style, "    "+string(f.Severity), 14, f.Text+"  ["+f.Code+"]")
		if names := hostList(f.Hosts); names != "" && !mentions(f.Text, f.Hosts) {
			p.hang(plain, "      on", 14, names)
		}
		if f.Hint != "" {
			p.hang(dim, "      hint", 14, f.Hint)
		}
	}
	if more := len(all) - maxFindings; more > 0 {
		p.under(14, "and "+count(more, "more finding")+": -o json has all")
	}
}

// mentions says whether a text names all the hosts already.
func mentions(text string, hosts []string) bool {
	for _, h := range hosts {
		if !strings.Contains(text, h) {
			return false
		}
	}
	return true
}
