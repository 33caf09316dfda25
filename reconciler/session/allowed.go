package session

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// forbidden is why the policy does not let the plan be applied now, one finding for each reason. A plan with nothing to do is always
// allowed, and so is one that finishes what runs have begun to change: the half of it may be down, or what others know be good still.
func (s *Session) forbidden(p *reconciler.Plan, h state.History, now time.Time) (all []reconciler.Finding) {
	policy := s.Document.Policy
	begun, rest := begunAndRest(p, h)
	if p.Empty() || len(begun) > 0 && rest == 0 {
		return nil
	}
	if len(begun) > 0 {
		defer func() {
			for i := range all {
				all[i].Hint = "what a run has begun (" + strings.Join(begun, ", ") + ") is finished at any time, alone: `meshrotate apply --only KIND`; for the rest, " + all[i].Hint
			}
		}()
	}
	if next, allowed := policy.Allowed(now); !allowed {
		all = append(all, reconciler.Finding{Severity: reconciler.Note, Code: "window-closed",
			Text: fmt.Sprintf("changes are allowed at %s only (policy.window); the next time begins on %s", strings.Join(policy.Window, "; "), next.Format("Mon 2006-01-02 15:04 MST")),
			Hint: "apply then; `meshrotate apply --break-glass WHY` applies now, and is recorded"})
	}
	if off := policy.Suspend; off != nil && now.Before(off.Ends()) {
		all = append(all, reconciler.Finding{Severity: reconciler.Warning, Code: "suspended",
			Text: fmt.Sprintf("changes are suspended until %s (policy.suspend): %s", off.Until, s.suspended),
			Hint: "take policy.suspend out when that is over; `meshrotate apply --break-glass WHY` applies now, and is recorded"})
	}
	if most := policy.MaxOutage.Of(); most > 0 {
		if what, longest := longestOutage(p); longest > most {
			all = append(all, reconciler.Finding{Severity: reconciler.Warning, Code: "outage-too-long",
				Text: fmt.Sprintf("%s would be down for about %s, and policy.maxOutage allows %s", what, longest, policy.MaxOutage),
				Hint: "rotate fewer secrets at once with --only, or let the policy allow more; `meshrotate apply --break-glass WHY` applies now, and is recorded"})
		}
	}
	return all
}

// begunAndRest are the changes of which a run has begun to change something, or an emergency is not over, by their titles; and how many others
// there are.
func begunAndRest(p *reconciler.Plan, h state.History) (begun []string, rest int) {
	for _, c := range p.Changes {
		switch {
		case c.Status == reconciler.AsDeclared:
		case h.Compromised(c.Secret.Name) == "" && !h.GivenOut(c.Secret.Name, c.Secret.Version):
			rest++
		case !slices.Contains(begun, c.Title):
			begun = append(begun, c.Title)
		}
	}
	return begun, rest
}

// longestOutage is the longest that the plan predicts, of whom.
func longestOutage(p *reconciler.Plan) (what string, longest time.Duration) {
	for _, c := range p.Changes {
		if c.Status != reconciler.Rotate {
			continue
		}
		for _, o := range c.Outages {
			if d := time.Duration(o.Predicted * float64(time.Second)).Round(time.Second); d > longest {
				what, longest = o.What, d
			}
		}
	}
	return what, longest
}

// broken is what the ledger is told of a policy that was overruled, "" when none was.
func (s *Session) broken(p *reconciler.Plan, h state.History) string {
	if s.BreakGlass == "" {
		return "" // it was allowed when the run began
	}
	var what []string
	for _, f := range s.forbidden(p, h, s.now()) {
		what = append(what, string(f.Code))
	}
	if len(what) == 0 {
		return ""
	}
	return fmt.Sprintf("glass broken (%s): %s", strings.Join(what, ", "), s.BreakGlass)
}

// unasked is the error about what was confirmed and nobody had asked for, nil without any: a wrong name confirms nothing.
func (s *Session) unasked(v *View) error {
	waiting := v.Plan.Waiting()
	for _, name := range s.Confirmed {
		if slices.ContainsFunc(waiting, func(one string) bool { return reconciler.Confirms([]string{name}, one) }) ||
			slices.ContainsFunc(v.confirmed, func(w state.Word) bool { return strings.EqualFold(name, w.Host) }) {
			continue
		}
		hint := "nothing waits for a person; leave out --confirm"
		if len(waiting) > 0 {
			hint = "what waits for a person: " + strings.Join(waiting[:min(len(waiting), 5)], ", ")
		}
		return reconciler.Hinted(fmt.Errorf("nothing was changed: %q is confirmed, and the plan has no person's part of that name, nor a host on which an earlier run has left something down that nobody plans for any more", name), hint)
	}
	return nil
}

// glass is the error about what the policy forbids now, nil where it forbids nothing or somebody has broken the glass.
func (s *Session) glass(v *View) error {
	forbidden := s.forbidden(v.Plan, v.History, s.now())
	if len(forbidden) == 0 || s.BreakGlass != "" || len(v.Plan.Blocked()) > 0 {
		return nil
	}
	var texts []string
	for _, f := range forbidden {
		texts = append(texts, f.Text)
	}
	return reconciler.Hinted(errors.New("nothing was changed: "+strings.Join(texts, "; and ")), forbidden[0].Hint)
}
