package render

import (
	"slices"
	"strings"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// next is what to do now. Plan and apply are the commands.
func (r Outcome) next(plan, apply string) string {
	plan, apply = "`"+plan+"`", "`"+apply+"`"
	var s string
	switch names := r.unfinished(); {
	case r.OK && len(r.accepting) > 0:
		s = "take away what others know where this run could not: " + r.accepting[0]
		if n := len(r.accepting) - 1; n > 0 {
			s += ", and " + count(n, "more place")
		}
		return s + "; " + plan + " says how"
	case r.OK && len(r.Only) > 0:
		return "nothing is left to do for " + strings.Join(r.Only, ", ") + "; " + plan + " looks at the other secrets"
	case r.OK:
		return "nothing is left to do; " + plan + " shows no change"
	case r.Paused():
		return "do that by hand, then " + strings.TrimSuffix(apply, "`") + r.confirming() + "`"
	case r.kept != nil && r.proven():
		return "every secret is done; mend the cause, which stands in the way of the next run"
	case r.with(state.Unknown) > 0:
		s = "look at what is there now with " + plan + ", then " + apply + ": what is done is left alone"
	case len(names) > 0:
		who := hostList(names)
		if len(rangesOf(names)) > 2 {
			who = "the " + count(len(names), "target") + " that are down or left behind"
		}
		if r.perhaps(names) {
			return "it is not known whether " + who + " can work: " + r.Down[0].Hint + ". Then " + apply + ": finished hosts are left alone"
		}
		s = "mend " + who + ", then " + apply + ": finished hosts are left alone"
	case r.with(state.Ahead) > 0:
		s = "mend the cause, then " + apply + ": it goes on from there"
	case r.Changed():
		s = "mend the cause, then " + apply + ": what is done is left alone"
	default:
		s = "mend the cause, then plan and apply again"
	}
	if r.ByRecord == "" && slices.ContainsFunc(r.Down, func(d Down) bool { return !d.Unwell }) {
		s += ". Until then what is down stays down"
	}
	return s
}

// perhaps says that these may all be cut off, or work.
func (r Outcome) perhaps(names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		return !slices.ContainsFunc(r.Down, func(d Down) bool { return d.Host == name && d.CutOff && d.Unsure })
	})
}

// confirming are the flags that say of what waits that it was done: by name, or of the whole kind where that is many.
func (r Outcome) confirming() string {
	const most = 3
	byKind := map[string]bool{}
	var names, kinds []string
	for _, s := range r.waiting() {
		if s.Waits != "confirm" {
			continue
		}
		names = append(names, s.Secret)
		if !byKind[s.Kind] {
			byKind[s.Kind] = true
			kinds = append(kinds, s.Kind)
		}
	}
	if len(names) > most {
		names = kinds
	}
	text := ""
	for _, name := range names {
		if strings.ContainsAny(name, "$;*?#()[]{}~ ") {
			name = "'" + name + "'"
		}
		text += " --confirm " + name
	}
	return text
}

// unfinished are the targets that are down or left behind, each once.
func (r Outcome) unfinished() []string {
	var names []string
	for _, d := range r.Down {
		names = append(names, d.Host)
	}
	for _, l := range r.Left {
		names = append(names, l.Target)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (r Outcome) value() any { return r }

// Verdict is one line: how it ended.
func (r Outcome) Verdict() string {
	n := len(r.Secrets)
	proven, back, ahead, unknown := r.with(state.Proven), r.with(state.Back), r.with(state.Ahead), r.with(state.Unknown)
	var word string
	switch {
	case r.OK && n == 0:
		if n := len(r.Warnings); n > 0 {
			return "nothing to do; " + count(n, "warning") + ": `meshrotate plan` shows what is not as it should be"
		}
		if len(r.Only) > 0 {
			return "nothing to do for " + strings.Join(r.Only, ", ") + ", which is as declared; the other secrets were not looked at"
		}
		return "nothing to do: everything is as declared"
	case n == 0 && len(r.Down) > 0 && len(r.Down) == r.cutOff(false)+r.cutOff(true) && !slices.ContainsFunc(r.Down, func(d Down) bool { return !d.Since.IsZero() }):
		return "nothing was changed; found CUT OFF: " + hostList(r.unfinished())
	case n == 0 && len(r.Down) > 0 && !slices.ContainsFunc(r.Down, func(d Down) bool { return !d.Since.IsZero() }):
		return "nothing was changed; found DOWN: " + hostList(r.unfinished())
	case n == 0 && len(r.Down) > 0 && len(r.Down) == r.cutOff(false)+r.cutOff(true):
		if r.cutOff(false) == 0 {
			return "nothing was changed; since an earlier run may be CUT OFF: " + hostList(r.unfinished())
		}
		return "nothing was changed; since an earlier run CUT OFF: " + hostList(r.unfinished())
	case n == 0 && len(r.Down) > r.unsure():
		return "nothing was changed; since an earlier run DOWN: " + hostList(r.unfinished())
	case n == 0 && len(r.Down) > 0:
		return "nothing was changed; since an earlier run may be DOWN: " + hostList(r.unfinished())
	case n == 0:
		return "nothing was changed"
	case r.OK:
		word = "done: " + count(proven, "secret") + " rotated and proven"
		if later := r.those(func(s Rotated) bool { return s.Later != "" }); later > 0 {
			word = "done: " + count(proven, "secret") + " stored or rotated, and proven; " + number(later) + " of them not in force yet"
		}
		if unproven := r.those(func(s Rotated) bool { return s.Unproven != "" }); unproven > 0 {
			word = "done: " + count(proven, "secret") + " stored or rotated; " + number(unproven) + " of them NOT PROVEN, as nothing here shows it"
		}
	case r.kept != nil && r.proven():
		return "done: " + count(proven, "secret") + " rotated and proven; but not everything was given back, in " + seconds(r.Seconds)
	case r.Paused():
		return "paused: " + number(proven) + " of " + count(n, "secret") + " proven, " + number(len(r.waiting())) + " waiting for a person, in " + seconds(r.Seconds)
	case !r.Changed():
		word = "failed and put back"
		if !slices.ContainsFunc(r.Secrets, func(s Rotated) bool { return len(s.Evidence) == 0 }) {
			word += ": everything is as it was before"
			if slices.ContainsFunc(r.Secrets, func(s Rotated) bool { return slices.Contains(s.Evidence, reconciler.NotInUse) }) {
				word = "failed and put back: everything that is in use is as it was before"
			}
		}
	case unknown > 0:
		word = "stopped where it was; what is live now must be looked at"
	case proven > 0 || back > 0:
		word = "applied in part"
	default:
		word = "not proven, and there is no way back; the next run goes on from there"
	}
	if r.Changed() && !r.OK {
		word += r.tally(proven, back, ahead, unknown)
	}
	return word + ", in " + seconds(r.Seconds)
}

// those is how many secrets are such.
func (r Outcome) those(is func(Rotated) bool) (n int) {
	for _, s := range r.Secrets {
		if is(s) {
			n++
		}
	}
	return n
}

// proven says that nothing but what was not given back is in the way of a good end.
func (r Outcome) proven() bool {
	return !r.Halted && len(r.Down) == 0 && len(r.Left) == 0 && r.with(state.Proven) == len(r.Secrets)
}

// tally is ": 1 of 3 secrets proven, 2 put back, 40 DOWN, 41 targets left behind".
func (r Outcome) tally(proven, back, ahead, unknown int) string {
	unbegun := len(slices.DeleteFunc(slices.Clone(r.Secrets), func(s Rotated) bool { return !s.unbegun() }))
	s := ": " + number(proven) + " of " + count(len(r.Secrets), "secret") + " proven"
	for _, part := range []struct {
		n    int
		text string
	}{{back - unbegun, "put back"}, {unbegun, "not begun"}, {ahead, "ahead"}, {unknown, "unknown"},
		{len(r.Down) - r.unsure() - r.cutOff(false), "DOWN"}, {r.unsure() - r.cutOff(true), "perhaps DOWN"}, {r.cutOff(false), "CUT OFF"}, {r.cutOff(true), "perhaps CUT OFF"}} {
		if part.n > 0 {
			s += ", " + number(part.n) + " " + part.text
		}
	}
	if n := len(r.Left); n > 0 {
		s += ", " + count(n, "target") + " left behind"
	}
	return s
}

// unsure counts what may be down.
func (r Outcome) unsure() (n int) {
	for _, d := range r.Down {
		if d.Unsure {
			n++
		}
	}
	return n
}

// cutOff counts what is cut off, or may be.
func (r Outcome) cutOff(unsure bool) (n int) {
	for _, d := range r.Down {
		if d.CutOff && d.Unsure == unsure {
			n++
		}
	}
	return n
}

func orDash(s string) string {
	if s == "" {
		return "?"
	}
	return s
}

// how says in the reader's words how a secret ended.
func (r Outcome) how(s Rotated) string {
	text := ""
	switch s.Ending {
	case state.Proven:
		text = s.Proof
		if text == "" || s.short {
			text = strings.Join(s.Evidence[:min(len(s.Evidence), 2)], "; ")
		}
		if s.Unproven != "" {
			return "STORED, and NOT PROVEN " + s.Unproven + suffix("; seen: ", text)
		}
		if s.Later != "" {
			return "STORED, which is proven; in force from " + s.Later + " on" + suffix(": ", text)
		}
		return "proven" + suffix(": ", text)
	case state.Back:
		if text = "put back as it was"; s.Unfinished {
			text = "put back to what an earlier run left, which did not finish"
		}
		if s.unbegun() {
			text = "not begun"
		} else if len(s.Evidence) > 0 {
			text += ", and seen to be so: " + strings.Join(s.Evidence[:min(len(s.Evidence), 2)], "; ")
		}
	case state.Ahead:
		if s.Waits != "" {
			return "WAITS for a person" + suffix(": ", oneLine(s.Why))
		}
		text = "AHEAD: what was done has no way back; the next run goes on from there"
	default:
		text = "UNKNOWN: what is live now must be looked at"
	}
	if s.Why != r.Error { // that one is told as the cause
		text += suffix(". Why: ", oneLine(s.Why))
	}
	return text
}

// unbegun says that the run did not come to it.
func (s Rotated) unbegun() bool {
	return s.Ending == state.Back && slices.Equal(s.Evidence, []string{reconciler.NothingBegun})
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
