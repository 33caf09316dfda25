package session

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// Adopt makes the live value of a secret that of its declared version: it is kept, and the ledger says so. Nothing live changes,
// and no service stops. The step says how it is kept. An error means that nothing was kept, or that the ledger does not vouch
// for it.
func (s *Session) Adopt(ctx context.Context, ref secret.Ref, step reconciler.Step) (evidence string, err error) {
	if s.Document.Origin.Unagreed {
		return "", fmt.Errorf("%s; nothing was contacted", s.Document.Origin.Doubts[0].Text)
	}
	if u := s.Document.Origin.Unsigned; u != nil {
		return "", reconciler.Hinted(fmt.Errorf("%s; nothing was contacted or changed", u.Text), u.Hint)
	}
	for _, r := range s.Rotations {
		if u, is := r.(reconciler.Unreadable); is && r.Ref() == ref && u.Unreadable() != nil {
			return "", fmt.Errorf("%s cannot be adopted: %w; nothing was contacted or changed", ref, u.Unreadable())
		}
	}
	run := s.newRun()
	who := s.holder(run)
	who.Host = "" // the lock knows the machine better
	lease, err := s.State.Lock.Acquire(ctx, who)
	if err != nil {
		return "", fmt.Errorf("nothing was changed: %w", err)
	}
	defer func() { err = s.giveBack(ctx, lease, nil, err) }()
	_ = lease.Doing(ctx, "adopting "+ref.String()) // for readers only
	v, err := s.settled(ctx)
	if err != nil {
		return "", err
	}
	if v.marked != nil {
		return "", fmt.Errorf("nothing was changed: %w", v.marked)
	}
	if err := s.adoptable(v, ref, step); err != nil {
		return "", err
	}
	entry := func(step string, o state.Outcome, detail string) state.Entry {
		return state.Entry{Time: s.now().UTC(), Run: run, By: s.By, Commit: s.Document.Origin.Commit, Deployment: s.Document.Name, Fence: lease.Fence(),
			Secret: ref.Name, Version: ref.Version, Step: step, Outcome: o, Detail: detail}
	}
	if err := s.State.Ledger.Append(ctx, entry("", state.Started, "the live value is adopted"), entry(step.Name(), state.Started, "")); err != nil {
		return "", fmt.Errorf("nothing was changed: the ledger does not take the start: %w", err)
	}
	reports := s.Site.Do(ctx, step.Op.Target(), []reconciler.Step{step}, func(reconciler.Event) {})
	last, ends := context.WithoutCancel(ctx), []state.Entry{entry(step.Name(), state.Failed, "no answer"), entry("", state.Back, "nothing was kept")}
	if len(reports) == 1 {
		r := reports[0]
		if ends[0].Outcome, err, evidence = r.Outcome, r.Err, r.Evidence; err != nil {
			ends[0].Detail = err.Error()
		} else if r.Outcome == state.Done {
			before, _ := v.History.LeftBehind(ref.Name)
			ends[1].Left = before.Left // they have still not been finished
			ends[0].Detail, ends[1].Outcome, ends[1].Detail = evidence, state.Proven, "adopted: "+evidence
		}
	}
	if written := s.State.Ledger.Append(last, ends...); err == nil && written != nil {
		err = fmt.Errorf("it is kept, and the ledger does not take the end: %w", written)
	}
	if err == nil && ends[1].Outcome != state.Proven {
		err = fmt.Errorf("%s was not kept: %s", ref, ends[0].Detail)
	}
	return evidence, err
}

// adoptable refuses what is known already; and while a host was not looked at, unless the policy may leave it behind: its value
// may be another.
func (s *Session) adoptable(v *View, ref secret.Ref, step reconciler.Step) error {
	kept, _ := v.History.Ever(ref.Name, ref.Version, step.Name())
	for _, c := range v.Plan.Changes {
		if c.Secret == ref && c.Status == reconciler.AsDeclared && kept && !slices.ContainsFunc(c.Findings, reconciler.Finding.OfState) {
			return fmt.Errorf("nothing to adopt: the value of %s is live, kept and on record already", ref)
		}
	}
	if begun := v.History.Begun(ref.Name); len(begun) > 0 {
		return reconciler.Hinted(fmt.Errorf("a run that was to set version %s of %s did not finish: what it stopped or cut off would be forgotten", begun[0], ref.Name),
			"`meshrotate apply` finishes it; adopt then, where that is needed still. Where it cannot, declare another version and apply that")
	}
	for _, c := range v.Plan.Changes {
		why := v.History.Compromised(ref.Name)
		if why == "" {
			_, why = v.History.Leaked(ref.Name, c.Before, c.Parts)
		}
		if c.Secret == ref && why != "" {
			return reconciler.Hinted(fmt.Errorf("others know the live value of %s (%s): adopted, it would count as one that nobody knows", ref.Name, why),
				fmt.Sprintf("replace it: `meshrotate rotate --compromised %s %q`; it need not be known here for that", ref.Name, why))
		}
	}
	for _, c := range v.Plan.Changes {
		if i := slices.IndexFunc(c.Down, func(d reconciler.Down) bool { return !d.Found }); c.Secret == ref && i >= 0 {
			return reconciler.Hinted(fmt.Errorf("%s is down, or may be, since an earlier run: that would be forgotten", c.Down[i].What), "`meshrotate apply` starts it; adopt then")
		}
	}
	for _, r := range s.Rotations {
		if a, is := r.(reconciler.Adoptable); is && r.Ref() == ref {
			if err := a.Adoptable(v.in); err != nil {
				return fmt.Errorf("%s cannot be adopted: %w; nothing was changed", ref, err)
			}
		}
	}
	missing := s.Document.Policy.Unreachable.Count
	for _, t := range v.Plan.Seen {
		if t.Reach == reconciler.Reached || t.Target.Kind != reconciler.HostTarget {
			continue
		}
		if slices.Contains(s.Document.Policy.Unreachable.Tolerate, t.Target.Name) {
			continue
		}
		if missing--; missing < 0 {
			if why := v.in.Seen[t.Target].Why(); t.Reach == reconciler.Broken && why != nil { // it is there, and it is no question of waiting for it
				return reconciler.Hinted(fmt.Errorf("the value of %s on %s is not known: %w", ref.Name, t.Target.Name, why), cmp.Or(reconciler.HintOf(why), "mend that, and adopt again"))
			}
			return reconciler.Hinted(fmt.Errorf("%s was not looked at: its value of %s may be another", t.Target.Name, ref.Name),
				"bring it back; or name it in policy.unreachable, and a later run looks at it")
		}
	}
	return nil
}
