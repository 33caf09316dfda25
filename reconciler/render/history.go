package render

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"meshrotate/state"
)

// History is the ledger as a change-log, format "meshrotate.history/v2". Each rotation's outcome is "started" while there is no
// other, or its ending: "proven", "back", "ahead" or "unknown".
type History struct {
	Format     string `json:"format"`
	Deployment string `json:"deployment"`
	// Rotations are oldest first.
	Rotations []state.Rotation `json:"rotations"`
	// Forgotten are kept values that somebody took away, oldest first.
	Forgotten []state.Forgotten `json:"forgotten,omitempty"`
}

// HistoryOf makes the report.
func HistoryOf(deployment string, rotations []state.Rotation, forgotten ...state.Forgotten) History {
	if rotations == nil {
		rotations = []state.Rotation{}
	}
	return History{Format: "meshrotate.history/v2", Deployment: deployment, Rotations: rotations, Forgotten: forgotten}
}

func (h History) value() any { return h }

// ended says how a rotation ended and how long it took, in words and in a colour.
func ended(r state.Rotation) (words, style string) {
	words, style = endedWithin(r)
	if r.TakenOver {
		words += "; a later run had taken over before, and this is by its own records"
	}
	return words, style
}

func endedWithin(r state.Rotation) (words, style string) {
	switch r.Outcome {
	case state.Started:
		return "no outcome yet: under way, or cut off", yellow
	case state.Proven:
		if r.Unproven != "" {
			return "stored" + lasted(r) + ", and NOT PROVEN " + r.Unproven, yellow
		}
		return "proven" + lasted(r), green
	case state.Back:
		return "put back as it was" + lasted(r), yellow
	case state.Ahead:
		return "AHEAD" + lasted(r) + ": not proven, and no way back; the next run goes on from there", red
	case state.Unknown:
		if r.Ended.IsZero() {
			return "no outcome: cut off, a later run took over", yellow
		}
		return "UNKNOWN" + lasted(r) + ": it stopped where it was", red
	default: // of another version of this program
		return string(r.Outcome) + lasted(r), yellow
	}
}

// text has the newest first: that is what people look for.
func (h History) text(p *page) {
	if len(h.Rotations) == 0 {
		p.line("%s: no rotation is on record", h.Deployment)
	}
	for i, r := range slices.Backward(h.Rotations) {
		if i < len(h.Rotations)-1 {
			p.blank()
		}
		h.rotation(p, r)
	}
	if len(h.Forgotten) > 0 {
		p.blank()
	}
	for _, f := range slices.Backward(h.Forgotten) {
		p.hang(yellow, moment(f.At), 22, f.Value+"  the kept value was taken away (values forget)")
		p.under(22, "by "+f.By+", run "+f.Run)
		p.hang(dim, "    why", 22, clip(f.Why, 400))
	}
}

func (h History) rotation(p *page, r state.Rotation) {
	at := r.Started
	if at.IsZero() {
		at = r.Ended
	}
	words, style := ended(r)
	p.hang(style, moment(at), 22, r.Secret+" "+versions(r.Before, r.Version)+"  "+words)
	who := []string{}
	for _, w := range [][2]string{{"by ", r.By}, {"commit ", commit(r.Commit)}, {"plan ", digest(r.Plan)}, {"run ", r.Run}} {
		if w[1] != "" {
			who = append(who, w[0]+w[1])
		}
	}
	p.under(22, strings.Join(who, ", "))
	for _, l := range [][2]string{{"why", r.Reason}, {"said", r.Detail}, {"outage", outage(r)}, {"left", leftBy(r)}} {
		if r.Outcome == state.Proven && r.Unproven == "" && l[0] == "said" {
			l[0] = "proof"
		}
		if l[1] != "" {
			if l[0] != "outage" && l[0] != "left" { // what those leave out they say
				l[1] = clip(l[1], 400)
			}
			p.hang(dim, "    "+l[0], 22, l[1])
		}
	}
}

// outage is what was measured; of a run that has told no end, what it was at.
func outage(r state.Rotation) string {
	if !r.Ended.IsZero() {
		return measured(r.Outages)
	}
	since := "not seen up since"
	if r.Outcome != state.Started {
		since = "not seen up by this run"
	}
	var parts []string
	for _, t := range r.Turned {
		what := t.Service + " on " + hostList(t.Hosts)
		switch {
		case t.Started:
			what += " was stopped at " + t.At.UTC().Format(time.TimeOnly) + " UTC or later and started again, and nothing is told of how it went on"
		case t.Stopped:
			what += " stopped at " + t.At.UTC().Format(time.TimeOnly) + " UTC or later, " + since
		default:
			what += " was to be stopped from " + t.At.UTC().Format(time.TimeOnly) + " UTC on, " + since
		}
		parts = append(parts, what)
	}
	if more := len(parts) - maxTurned; more > 0 {
		parts = append(parts[:maxTurned], "and "+number(more)+" more: -o json has all")
	}
	return strings.Join(parts, "; ")
}

// maxTurned is how many services and times of a run without an end a text names.
const maxTurned = 12

// leftBy is who was left behind. Of a run that was cut off, or did not know what is live, nobody knows who else is.
func leftBy(r state.Rotation) string {
	if hosts := hostList(r.Left); hosts != "" || r.Outcome != state.Started && r.Outcome != state.Unknown {
		return hosts
	}
	return "not known"
}

func lasted(r state.Rotation) string {
	if r.Started.IsZero() || r.Ended.IsZero() || !r.Ended.After(r.Started) {
		return ""
	}
	return " in " + seconds(r.Ended.Sub(r.Started).Seconds())
}

// measured is "relays 19 s (21 s predicted), Admin 7.7 s (9 s predicted)".
func measured(all []state.Outage) string {
	var parts []string
	for _, o := range fleetOutages(all) {
		parts = append(parts, o.What+" "+lastedFor(o)+" ("+seconds(o.Predicted)+" predicted)")
	}
	back := slices.DeleteFunc(slices.Clone(all), func(o state.Outage) bool { return o.UpBy.IsZero() })
	slices.SortStableFunc(back, func(a, b state.Outage) int { return cmp.Compare(b.Measured, a.Measured) })
	for i, o := range back {
		if i == shown && len(back) > shown+1 {
			parts = append(parts, number(len(back)-shown)+" more that came back sooner")
			break
		}
		parts = append(parts, o.What+" "+lastedFor(o)+" (up by "+second(o.UpBy)+ranAfter(o)+")")
	}
	return strings.Join(parts, ", ")
}

func (h History) markdown(m *mark) {
	m.add("**%s**: %s on record\n\n", md(h.Deployment), count(len(h.Rotations), "rotation"))
	for _, f := range slices.Backward(h.Forgotten[max(0, len(h.Forgotten)-maxTurned):]) {
		m.add("- %s: the kept value %s was taken away by %s: %s\n", moment(f.At), code(clip(f.Value, 80)), md(clip(f.By, 80)), md(clip(f.Why, 200)))
	}
	if len(h.Forgotten) > 0 {
		m.add("\n")
	}
	if len(h.Rotations) == 0 {
		return
	}
	m.head("when", "secret", "version", "outcome", "why", "outage", "left behind", "by", "commit")
	for _, r := range slices.Backward(h.Rotations) {
		at := r.Started
		if at.IsZero() {
			at = r.Ended
		}
		words, _ := ended(r)
		if !m.row(moment(at), md(clip(r.Secret, 80)), code(clip(versions(r.Before, r.Version), 80)), md(words), md(clip(r.Reason, 600)),
			md(outage(r)), md(leftBy(r)), md(clip(r.By, 80)), code(commit(r.Commit))) {
			m.end("\n_Older ones have no room here: `-o json` has all._\n")
			return
		}
	}
}
