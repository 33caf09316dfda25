package reconciler

import (
	"slices"
	"time"

	"meshrotate/state"
)

// measure says of an outage for how long some of these were down: two outages with time between them are not one. Since is the
// earliest of those that nothing has shown to be up again.
func (c *clock) measure(o state.Outage, names ...string) (state.Outage, bool) {
	var all []span
	for _, n := range names {
		all = append(all, c.spans[n]...)
		o.Found = o.Found || c.back[n]
	}
	slices.SortFunc(all, func(a, b span) int { return a.down.Compare(b.down) })
	var until time.Time
	for _, s := range all {
		if s.up.IsZero() && (o.Since.IsZero() || s.down.Before(o.Since)) {
			o.Since = s.down
		}
		o.Earlier, o.AtMost, o.AtLeast = o.Earlier || s.earlier, o.AtMost || s.noSooner || s.noLater || c.lost, o.AtLeast || s.sooner
		from := s.down
		if from.Before(until) {
			from = until
		}
		if end := s.end(); end.After(from) {
			o.Measured += end.Sub(from).Seconds()
			until = end
		}
	}
	if d, ok := c.where[o.What]; ok && !o.Since.IsZero() {
		o.Host, o.Service = d.Target.Name, d.Service
	}
	return o, o.Found || len(all) > 0
}

// outages compares what was measured with what the change predicted. A fleet is down while one of it is. What came back before
// this run is told apart, and first: the last word about something is what is known of it now.
func (c *clock) outages(change Change, wentBack bool) []state.Outage {
	var all []state.Outage
	for _, r := range change.Returned {
		if r.UpBy.IsZero() {
			continue // it is measured with what this run does
		}
		o := state.Outage{What: r.What, Measured: r.UpBy.Sub(r.Since).Seconds(), UpBy: r.UpBy, AtLeast: r.Sooner, Earlier: true}
		if ran := r.Ran.Sub(r.Since).Seconds(); ran > 0 && ran < o.Measured {
			o.Ran = ran
		}
		all = append(all, o)
	}
	for _, predicted := range change.Outages {
		names, least := predicted.Members, predicted.With != "" && len(predicted.Members) == 0
		if least {
			names = predicted.Unseen
		}
		if predicted.With != "" {
			names = slices.Clone(names)
			for i, n := range names {
				names[i] = cutOff(n)
			}
		}
		if len(names) == 0 && least {
			names = []string{predicted.With}
		}
		o, any := c.measure(state.Outage{What: predicted.What, Predicted: predicted.Predicted, AtLeast: least}, names...)
		if !any {
			continue
		}
		switch {
		case !wentBack:
			c.unseen(&o, predicted.Unseen)
		case least && len(predicted.Unseen) > 0: // what was not seen to work before is as it was
			o.Since = time.Time{}
		}
		all = append(all, o)
		if predicted.With != "" || len(predicted.Members) == 1 && predicted.Members[0] == predicted.What {
			continue // the only member of a fleet has a line of its own: the next run asks for it by its name
		}
		for _, name := range predicted.Members {
			if o, any := c.measure(state.Outage{What: name}, name); any {
				all = append(all, o)
			}
		}
	}
	return c.known(change, all)
}

// outages are those of the change, as far as it has come.
func (p *progress) outages(c Change) []state.Outage {
	return p.clock.outages(c, p.ending[c.Secret.Name] == state.Back)
}

// unseen adds that some do not work still that were not seen to work before: the outage of the others goes on for them, and may have
// begun sooner. One that works by now adds nothing: nobody knows for how long it did not.
func (c *clock) unseen(o *state.Outage, names []string) {
	for _, name := range names {
		if since := c.since(cutOff(name)); !since.IsZero() && (o.Since.IsZero() || !since.After(o.Since)) {
			o.Since, o.AtLeast = since, true
		}
	}
}

// known adds what the next run has to know: what is down still since an earlier run, and nobody was to start; and what was started
// again since it went down.
func (c *clock) known(change Change, all []state.Outage) []state.Outage {
	for _, d := range change.Down {
		told := slices.ContainsFunc(all, func(o state.Outage) bool { return o.What == d.What })
		_, down := c.now[d.What]
		_, ails := c.ails[d.What]
		if off := d.CutOff && !c.since(d.What).IsZero(); (down || ails || off) && !told {
			if o, any := c.measure(state.Outage{What: d.What}, d.What); any {
				if d.Service != "" {
					o.Host, o.Service, o.Unsure = d.Target.Name, d.Service, d.MayBeUp
				}
				all = append(all, o)
			}
		}
	}
	for i, o := range all {
		_, down := c.now[o.What]
		all[i].Started = o.Service != "" && (c.ended[o.What] || !down)
	}
	return all
}

// fallen are the members of the change's outages that were proven and do not work any more.
func (c *clock) fallen(change Change) []string {
	var names []string
	for _, o := range change.Outages {
		for _, name := range o.Members {
			if c.fell[name] && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}
