package render

import (
	"slices"
	"strings"
)

// groups are what is down, with the reason where one is known, and what was left behind and is not down.
func (r Outcome) groups() (down, left []group) {
	whys, isDown := map[string]Left{}, map[string]bool{}
	for _, l := range r.Left {
		whys[l.Target] = l
	}
	for _, d := range r.Down {
		l, known := whys[d.Host]
		elsewhere := d.Why == r.Error && !strings.HasPrefix(d.Why, d.Host+": ") // it is told as the cause
		if l.Why = d.Why; elsewhere && !known {
			l.Why = ""
		}
		g := r.group(d.Host, l)
		if g.unsure, g.cutOff, g.unwell, g.service = d.Unsure, d.CutOff, d.Unwell, d.Service; len(d.With) > 0 {
			g.service += ", and with it " + strings.Join(d.With, ", ")
		}
		if g.since, g.sooner = d.Since, d.Sooner; d.What != d.Host {
			g.what = d.What
		}
		if d.Hint != applyStarts && d.Hint != applyJoins && !(elsewhere && d.Hint == r.Hint) { // else it is told below
			g.hint = d.Hint
		}
		isDown[d.Host] = true
		down = joined(down, g)
	}
	for _, l := range r.Left {
		if !isDown[l.Target] {
			g := r.group(l.Target, l)
			if l.Hint != r.Hint { // else it is told below
				g.hint = l.Hint
			}
			left = joined(left, g)
		}
	}
	return down, left
}

// group is one target's story, in which it has no name.
func (r Outcome) group(target string, l Left) group {
	var titles []string
	for _, name := range l.Secrets {
		if i := slices.IndexFunc(r.Secrets, func(s Rotated) bool { return s.Secret == name }); i >= 0 {
			name = r.Secrets[i].Title
		}
		titles = append(titles, name)
	}
	why := strings.ReplaceAll(strings.TrimPrefix(l.Why, target+": "), target, "the host")
	return group{targets: []string{target}, secrets: strings.Join(titles, ", "), why: oneLine(why)}
}

// joined adds a story to those that were told already.
func joined(all []group, g group) []group {
	i := slices.IndexFunc(all, func(o group) bool {
		return o.what == g.what && o.service == g.service && o.hint == g.hint && o.unsure == g.unsure && o.cutOff == g.cutOff && o.unwell == g.unwell && o.secrets == g.secrets && o.why == g.why
	})
	if i < 0 {
		return append(all, g)
	}
	o := &all[i]
	o.targets = append(o.targets, g.targets...)
	slices.Sort(o.targets)
	o.several = o.several || !g.since.Equal(o.since)
	o.sooner = o.sooner || g.sooner
	if g.since.Before(o.since) {
		o.since = g.since
	}
	return all
}
