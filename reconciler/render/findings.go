package render

import (
	"cmp"
	"slices"
	"strings"

	"meshrotate/reconciler"
)

// maxFindings is how many findings a text shows for one secret. JSON has them all.
const maxFindings = 12

// about keeps the findings that name the host, or no host at all. Of several hosts only this one is left.
func about(findings []reconciler.Finding, host string) []reconciler.Finding {
	if host == "" {
		return findings
	}
	var some []reconciler.Finding
	for _, f := range findings {
		switch {
		case len(f.Hosts) == 0:
			some = append(some, f)
		case slices.Contains(f.Hosts, host):
			f.Hosts = []string{host}
			some = append(some, f)
		}
	}
	return some
}

// findings writes them under a secret: severity, text, hosts, hint. Where there is no room for all, notes go first, and then those of
// which most are alike.
func (p *page) findings(all []reconciler.Finding) {
	if len(all) > maxFindings {
		all = weighty(all)
	}
	for _, f := range all[:min(len(all), maxFindings)] {
		style := map[reconciler.Severity]string{reconciler.Error: red, reconciler.Warning: yellow}[f.Severity]
		p.hang(style, "    "+string(f.Severity), 14, p.cut(f.Text)+"  ["+string(f.Code)+"]")
		if names := hostList(f.Hosts); names != "" && !mentions(f.Text, f.Hosts) {
			if len(f.Hosts) > shown {
				names = count(len(f.Hosts), "host") + ": " + names
			}
			p.hang(plain, "      on", 14, names)
		}
		if f.Hint != "" {
			label := "      hint"
			if f.Severity == reconciler.Silenced {
				label = "      why"
			}
			p.hang(dim, label, 14, f.Hint)
		}
	}
	if more := len(all) - maxFindings; more > 0 {
		p.under(14, "and "+count(more, "more finding")+": -o json has all")
	}
}

// weighty has errors first, then warnings, and of each the codes that are rare before those of many.
func weighty(all []reconciler.Finding) []reconciler.Finding {
	of := map[reconciler.FindingID]int{}
	for _, f := range all {
		of[f.Code]++
	}
	order := []reconciler.Severity{reconciler.Error, reconciler.Warning, reconciler.Note, reconciler.Silenced}
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b reconciler.Finding) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Severity), slices.Index(order, b.Severity)), cmp.Compare(of[a.Code], of[b.Code]))
	})
	return all
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
