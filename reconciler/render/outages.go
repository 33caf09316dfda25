package render

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"meshrotate/state"
)

// outages compares what was predicted with what was measured. Single hosts of a fleet show by the longest.
func (r Outcome) outages(p *page) {
	rows := [][]string{{"outage", "predicted", "measured", ""}}
	most := map[int]float64{} // by row: two secrets, one restart, and the longer prediction
	for _, s := range r.Secrets {
		for _, o := range fleetOutages(s.Outages) {
			row := []string{o.What, seconds(o.Predicted), lastedFor(o), remark(s.Outages, o)}
			i := slices.IndexFunc(rows, func(r []string) bool { return r[0] == row[0] && slices.Equal(r[2:], row[2:]) })
			switch {
			case i < 0:
				most[len(rows)] = o.Predicted
				rows = append(rows, row)
			case o.Predicted > most[i]:
				most[i], rows[i] = o.Predicted, row
			}
		}
	}
	if len(rows) > 1 {
		p.blank()
		p.table(0, rows)
	}
	for _, text := range r.returned() {
		p.hang(plain, "came back", labels, text)
	}
}

// returned are those that came back by themselves since an earlier run, the longest first.
func (r Outcome) returned() []string {
	var all []state.Outage
	for _, s := range r.Secrets {
		for _, o := range s.Outages {
			if !o.UpBy.IsZero() && !slices.ContainsFunc(all, func(a state.Outage) bool { return a.What == o.What }) {
				all = append(all, o)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b state.Outage) int { return cmp.Compare(b.Measured, a.Measured) })
	var lines []string
	for i, o := range all {
		if i == shown && len(all) > shown+1 {
			return append(lines, number(len(all)-shown)+" more, each sooner")
		}
		lines = append(lines, o.What+": after "+lastedFor(o)+", up by "+second(o.UpBy)+ranAfter(o))
	}
	return lines
}

// ranAfter is the least that an outage can have been, of which the most is known.
func ranAfter(o state.Outage) string {
	if o.Ran == 0 {
		return ""
	}
	return "; its process ran after " + seconds(o.Ran)
}

// remark says of an outage what its seconds do not.
func remark(all []state.Outage, o state.Outage) string {
	var parts []string
	if o.Earlier {
		parts = append(parts, "begun in an earlier run")
	}
	switch {
	case o.Found && o.Measured > 0:
		parts = append(parts, "without what was found down, since when is not known")
	case o.Found:
		parts = append(parts, "since when is not known")
	}
	if most := longest(all, o); most != "" && o.Since.IsZero() { // else who is down is told below
		parts = append(parts, most)
	}
	return strings.Join(parts, "; ")
}

// lastedFor is how long it was down, and what is not known to be up again.
func lastedFor(o state.Outage) string {
	switch {
	case o.Found && o.Measured == 0 && o.Since.IsZero():
		return "found down"
	case o.Since.IsZero() && o.AtLeast && (o.AtMost || !o.UpBy.IsZero()):
		return "about " + seconds(o.Measured)
	case o.Since.IsZero() && o.AtLeast:
		return "at least " + seconds(o.Measured)
	case o.Since.IsZero() && o.UpBy.IsZero() && !o.AtMost:
		return seconds(o.Measured)
	case o.Since.IsZero():
		return "at most " + seconds(o.Measured)
	}
	if o.AtMost {
		return "not seen up by this run since " + o.Since.UTC().Format(time.TimeOnly) + " UTC"
	}
	text := "not seen up since " + o.Since.UTC().Format(time.TimeOnly) + " UTC"
	if o.AtLeast {
		text += " at the latest"
	}
	return text
}

// fleetOutages are those that were predicted; the others are their members.
func fleetOutages(all []state.Outage) []state.Outage {
	var some []state.Outage
	for _, o := range all {
		if o.Predicted > 0 {
			some = append(some, o)
		}
	}
	return some
}

// longest names the member of a fleet that was down for the longest time. Members follow their fleet.
func longest(all []state.Outage, fleet state.Outage) string {
	var most state.Outage
	inside, members := false, 0
	for _, o := range all {
		if o.Predicted > 0 {
			inside = o.What == fleet.What
		} else if inside && o.UpBy.IsZero() {
			if members++; o.Measured > most.Measured {
				most = o
			}
		}
	}
	if most.What == "" || members == 1 {
		return ""
	}
	return "longest: " + most.What + ", " + lastedFor(most)
}
