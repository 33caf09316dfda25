package reconciler

import (
	"fmt"
	"slices"

	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// judge decides what the reports mean for the rest of the run. After a failure the rest of a batch was not tried. In
// Verify that rest is returned, to be tried: it may be the proof of another secret.
func (p *progress) judge(phase Phase, todo []batch, reports [][]Report) (untried []batch) {
	for i, t := range todo {
		for j, s := range t.steps {
			r := Report{Outcome: state.Unknown, Err: fmt.Errorf("%s: %s: no answer", t.target, s.Name)}
			if j < len(reports[i]) {
				r = reports[i][j]
			}
			p.clock(r)
			if r.Outcome == state.Done {
				p.shown(phase, s, r)
				continue
			}
			p.judgeFailure(phase, t, s, r)
			rest := slices.DeleteFunc(slices.Clone(t.steps[j+1:]), p.lost)
			if _, left := p.left[t.target]; phase == Verify && !left && len(rest) > 0 {
				untried = append(untried, batch{target: t.target, steps: rest})
			}
			break
		}
	}
	return untried
}

// proof is a step of Verify, for one secret.
type proof struct {
	secret, step string
	target       Target
}

// shown notes what a step has proven.
func (p *progress) shown(phase Phase, s Step, r Report) {
	if phase != Verify {
		return
	}
	for _, ref := range s.Secrets {
		p.passed[proof{ref.Name, s.Name, s.Op.Target()}] = true
		if r.Evidence != "" {
			p.evidence[ref.Name] = append(p.evidence[ref.Name], r.Evidence)
		}
	}
}

// proven says that every proof of a secret was given, but for those of targets that were left behind. A proof that was
// not tried proves nothing.
func (p *progress) proven(c Change) bool {
	if p.failed[c.Secret.Name] != nil || len(p.evidence[c.Secret.Name]) == 0 {
		return false
	}
	for _, s := range p.run.Plan.Steps {
		if s.Phase != Verify || !slices.Contains(s.Secrets, c.Secret) {
			continue
		}
		if _, left := p.left[s.Op.Target()]; !left && !p.passed[proof{c.Secret.Name, s.Name, s.Op.Target()}] {
			return false
		}
	}
	return true
}

// lost says that every secret of the step has failed.
func (p *progress) lost(s Step) bool {
	return !slices.ContainsFunc(s.Secrets, func(r secret.Ref) bool { return p.failed[r.Name] == nil })
}

func (p *progress) judgeFailure(phase Phase, t batch, s Step, r Report) {
	err := r.Err
	if err == nil {
		err = fmt.Errorf("%s: no outcome", s.Name)
	}
	switch {
	case len(r.Missing) > 0:
		// The new value is proven by some; the others are problems of their own hosts. Undoing would take all down again.
		for _, h := range r.Missing {
			p.leave(Target{HostTarget, h}, s, err)
		}
		p.shown(phase, s, r)
	case phase == Retire:
		p.leave(t.target, s, err) // proven already: what is left is tidying up
	case s.Alone || p.tolerated(s, t.target, r):
		p.leave(t.target, s, err)
	case r.Outcome == state.Unknown || r.Outcome == "":
		p.fail(s, err)
		p.halted = phase > Stop // until a file is changed everything can be put back, whatever happened to this step
	default:
		p.fail(s, err)
	}
}

// tolerated says whether the policy lets an unreachable target fall behind.
func (p *progress) tolerated(s Step, t Target, r Report) bool {
	if !r.Unreachable || t.Kind != HostTarget {
		return false
	}
	for _, c := range p.run.Plan.Changes {
		for _, ref := range s.Secrets {
			if ref != c.Secret {
				continue
			}
			if !c.Tolerate.Names[t.Name] && p.fallen(c) >= c.Tolerate.Count {
				return false
			}
		}
	}
	return true
}

// fallen counts the targets that are left behind and not tolerated by name.
func (p *progress) fallen(c Change) int {
	n := 0
	for _, t := range c.Left {
		if !c.Tolerate.Names[t.Name] {
			n++
		}
	}
	for t := range p.left {
		if !c.Tolerate.Names[t.Name] {
			n++
		}
	}
	return n
}

func (p *progress) leave(t Target, s Step, err error) {
	l, known := p.left[t]
	if !known {
		p.order = append(p.order, t)
		l = LeftBehind{Target: t, Why: err}
		for _, ref := range s.Secrets {
			l.Secrets = append(l.Secrets, ref.Name)
		}
	}
	p.left[t] = l
}

func (p *progress) fail(s Step, err error) {
	for _, ref := range s.Secrets {
		if p.failed[ref.Name] == nil {
			p.failed[ref.Name] = err
		}
	}
	if p.cause == nil {
		p.cause = err
	}
}

func (p *progress) halt(err error) {
	p.halted = true
	if p.cause == nil {
		p.cause = err
	}
}

// clock keeps the earliest Down and the latest Up of everything.
func (p *progress) clock(r Report) {
	for name, at := range r.Down {
		if was, ok := p.down[name]; !ok || at.Before(was) {
			p.down[name] = at
		}
	}
	for name, at := range r.Up {
		if was, ok := p.up[name]; !ok || at.After(was) {
			p.up[name] = at
		}
	}
}
