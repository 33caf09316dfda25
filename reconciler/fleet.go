package reconciler

import (
	"cmp"
	"slices"
	"strings"
)

// fleet says which targets could not be looked at, and why. Targets with the same reason are one finding. They are warnings:
// whether a rotation can do without a target is the rotation's to say.
func fleet(seen Seen) []Finding {
	type reason struct {
		reach Reach
		text  string
	}
	hosts := map[reason][]string{}
	for t, look := range seen {
		if look.Reach == Reached {
			continue
		}
		r := reason{look.Reach, "no reason is known"}
		if look.Err != nil {
			// The same trouble on many hosts reads the same once the name is out of it.
			r.text = strings.TrimPrefix(look.Err.Error(), t.Name+": ")
			if t.Name != "" {
				r.text = strings.ReplaceAll(r.text, t.Name, "the host")
			}
		}
		hosts[r] = append(hosts[r], t.String())
	}
	var all []Finding
	for r, names := range hosts {
		slices.Sort(names)
		f := Finding{Severity: Warning, Code: "target-unreachable", Text: "cannot be reached: " + r.text, Hosts: names, Hint: hintFor(seen, names[0])}
		switch r.reach {
		case Unreachable:
		case Broken:
			f.Code, f.Text = "target-failed", "answers and cannot be looked at: "+r.text
		default:
			f.Code, f.Text = "target-unknown", "was not looked at: "+r.text
		}
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Hosts[0], b.Hosts[0]))
	})
	return all
}

// hintFor is the advice that came with a target's error, or "".
func hintFor(seen Seen, name string) string {
	for t, look := range seen {
		if t.String() == name && look.Err != nil {
			return HintOf(look.Err)
		}
	}
	return ""
}
