package reconciler

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// stoppedEarlier is the cause of what is down since an earlier run when nothing else is known.
const stoppedEarlier = "an earlier run stopped it, or was to start it"

// StillDown is what an earlier run left down, or may have, each once: several secrets may know of it.
func (p *Plan) StillDown() []Down { return p.down(func(d Down) bool { return !d.Found && !d.CutOff }) }

// CutOff is what an earlier run left cut off, or may have, each once: of secrets about which nothing is to be done now, and what stays so
// whatever is done.
func (p *Plan) CutOff() []Down {
	var all []Down
	for _, c := range p.Changes {
		for _, d := range c.Down {
			if d.CutOff && (c.Status != Rotate || d.Stays) && !slices.ContainsFunc(all, func(o Down) bool { return o.What == d.What }) {
				all = append(all, d)
			}
		}
	}
	for _, d := range p.Down {
		if d.CutOff && !slices.ContainsFunc(all, func(o Down) bool { return o.What == d.What }) {
			all = append(all, d)
		}
	}
	return all
}

// AllDown is all of it that stays when nothing is done.
func (p *Plan) AllDown() []Down { return slices.Concat(p.StillDown(), p.FoundStopped(), p.CutOff()) }

// Untouched is all of it that stays when this plan is not applied: what it would bring back too.
func (p *Plan) Untouched() []Down {
	all := p.AllDown()
	known := map[string]bool{}
	for _, d := range all {
		known[d.What] = true
	}
	for _, c := range p.Changes {
		for _, d := range c.cutOff() {
			if !known[d.What] {
				known[d.What] = true
				all = append(all, d)
			}
		}
	}
	return all
}

// cutOff is what an earlier run left cut off, or may have, or somebody else, and this change brings back.
func (c *Change) cutOff() (all []Down) {
	if c.Status == Rotate {
		all = slices.DeleteFunc(slices.Clone(c.Down), func(d Down) bool { return !d.CutOff })
	}
	for _, o := range c.Outages {
		if o.With == "" || o.Since.IsZero() || c.Status != Rotate {
			continue
		}
		for _, name := range o.Members {
			all = append(all, Down{What: name, Target: Target{HostTarget, name}, Since: o.Since, Sooner: o.AtLeast, CutOff: true})
		}
	}
	return all
}

// cutOffEnds is what brings back what is cut off.
const cutOffEnds = "make its host answer, or mend what else stands in the way, then apply, which gives it what it lacks"

// InstallGone is what brings back a service that is not there any more.
const InstallGone = "install it again on its host, then apply; or take the host out of the document"

// FoundStopped is what somebody else stopped, each once.
func (p *Plan) FoundStopped() []Down {
	earlier := p.StillDown()
	return slices.DeleteFunc(p.down(func(d Down) bool { return d.Found && !d.CutOff }), func(d Down) bool {
		return slices.ContainsFunc(earlier, func(e Down) bool {
			return e.What == d.What || d.Service != "" && e.Service == d.Service && e.Target == d.Target // by whatever name
		})
	})
}

func (p *Plan) down(is func(Down) bool) []Down {
	var all []Down
	for _, c := range append(slices.Clone(p.Changes), Change{Down: p.Down}) {
		for _, d := range c.Down {
			if is(d) && !slices.ContainsFunc(all, func(o Down) bool { return o.What == d.What }) {
				all = append(all, d)
			}
		}
	}
	return all
}

// sayStopped adds to the reasons what was found stopped, where a change has more to do than to start it, or does nothing: users are
// without it now. Of a fleet's hosts it names a few.
func sayStopped(changes []Change) {
	const most = 3
	for i := range changes {
		c := &changes[i]
		var names []string
		for _, d := range c.Down {
			if d.Found && !d.CutOff && (d.What != d.Target.Name || c.Status != Rotate) && !strings.Contains(c.Reason, d.What+" is not running") {
				names = append(names, d.What)
			}
		}
		switch n := len(names); {
		case n == 1:
			c.Reason += "; " + names[0] + " is not running"
		case n > most:
			c.Reason += fmt.Sprintf("; %s and %d more are not running", strings.Join(names[:most], ", "), n-most)
		case n > 1:
			c.Reason += "; " + strings.Join(names, " and ") + " are not running"
		}
	}
}

// stillDown tells of what an earlier run left down. What is called by its host is one finding for all with the same cause.
func stillDown(all []Down) (findings []Finding) {
	type story struct {
		unsure, cut, unwell bool
		cause, with, mend   string
	}
	fleet := map[story][]Down{}
	var order []story
	for _, d := range all {
		if d.Found {
			continue // the change says what it does about it
		}
		s := story{d.Unsure, d.CutOff, d.Unwell, d.Cause, strings.Join(d.With, ", "), d.Mend}
		if s.cause == "" {
			s.cause = stoppedEarlier
		}
		if s.with != "" {
			s.cause += "; with it is down what depends on it: " + s.with
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

// applyStarts is what brings back what is down.
const applyStarts = "apply starts it"

// StartsNothing says of what is down that an apply would not start it now, and what to do.
func (p *Plan) StartsNothing(hint string) {
	mend := func(all []Finding) []Finding {
		all = slices.Clone(all)
		for i, f := range all {
			if f.Code == "still-down" && f.Hint == applyStarts {
				all[i].Hint = "an apply is refused now: " + hint
			}
		}
		return all
	}
	p.Fleet = mend(p.Fleet)
	for i, c := range p.Changes {
		p.Changes[i].Findings = mend(c.Findings)
	}
}

func stillDownAs(who string, unsure bool, cause string, all []Down) Finding {
	first := slices.MinFunc(all, func(a, b Down) int { return a.Since.Compare(b.Since) }).Since
	f := Finding{Severity: Warning, Code: "still-down", Hint: applyStarts}
	for _, d := range all {
		f.Hosts = append(f.Hosts, d.Target.Name)
	}
	switch {
	case all[0].CutOff && unsure:
		f.Text, f.Hint = who+"may be cut off", cutOffEnds
	case all[0].CutOff:
		f.Text, f.Hint = who+"cut off", cutOffEnds
	case all[0].Unwell:
		f.Text, f.Hint = who+"is not ready", "look at its log on its host, and at what it depends on"
	case unsure:
		f.Text, f.Hint = who+"may be DOWN", "make its host answer, then apply, which starts it; or start it on the host"
	case who != "":
		f.Text = who + "is down"
	default:
		f.Text = "down"
	}
	if all[0].Gone {
		f.Hint = InstallGone
	}
	f.Hint = cmp.Or(all[0].Mend, f.Hint)
	if !first.IsZero() {
		f.Text += " since " + moment(first)
	}
	switch {
	case slices.ContainsFunc(all, func(d Down) bool { return !d.Since.Equal(first) }):
		f.Text += ", or later"
	case slices.ContainsFunc(all, func(d Down) bool { return d.Sooner }):
		f.Text += " at the latest"
	}
	f.Text += ": " + cause
	return f
}

func moment(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05 UTC") }
