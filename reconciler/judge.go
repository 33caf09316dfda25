package reconciler

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// judge decides what the reports of a block mean for the rest of the run. After a failure the rest of a batch was not
// tried. In Verify that rest is returned, to be tried: it may be the proof of another secret.
func (p *progress) judge(phase Phase, b block, reports []Report, toward direction) (untried []Step, failed bool) {
	for j, s := range b.steps {
		r := Report{Outcome: state.Unknown}
		if j < len(reports) {
			r = reports[j]
		} else {
			r.Err = fmt.Errorf("%s: %s: no answer", b.target, s.Op.Key())
		}
		p.clock.note(b.target, r)
		if r.Note != "" {
			p.remarks = append(p.remarks, Remark{b.target, r.Note})
		}
		if r.Outcome == state.Done {
			p.shown(s, r)
			continue
		}
		if r.Err == nil {
			r.Err = fmt.Errorf("%s: %s: no outcome", b.target, s.Op.Key())
		}
		if toward == backward && s.spare {
			p.spared = append(p.spared, s.ID)
			p.clock.because(b.target, r.Err)
			return slices.Clone(b.steps[j+1:]), false
		}
		if toward == backward {
			if p.judgeBack(b, s, r) {
				return nil, false
			}
			p.mixed[b.target] = p.mixed[b.target] || phase == Switch && s.edits()
			p.untried(b.steps[j+1:], r.Err)
		} else {
			p.judgeFailure(phase, b, s, r)
		}
		rest := slices.DeleteFunc(slices.Clone(b.steps[j+1:]), p.lost)
		_, left := p.left[b.target]
		if phase == Verify && toward != backward && !left && len(rest) > 0 {
			return rest, true
		}
		if rest := p.toCome(b, s, b.steps[j+1:]); toward == upward && len(rest) > 0 {
			return rest, true // services must come up, whatever failed before
		}
		return nil, toward == backward || !left
	}
	return nil, false
}

// toCome are the steps of a block that are still tried where services only have to come up, after one of it failed. A host that
// is up is not touched for the sake of what failed there.
func (p *progress) toCome(b block, failed Step, rest []Step) []Step {
	if b.target.Kind != HostTarget || p.clock.downAt(b.target) {
		return rest
	}
	behind := following(b.steps, func(s Step) bool { return s.ID == failed.ID })
	return slices.DeleteFunc(slices.Clone(rest), func(s Step) bool { return behind[s.ID] })
}

// proof is a proof for one secret.
type proof struct{ secret, step string }

// shown notes what a step has proven.
func (p *progress) shown(s Step, r Report) {
	if s.undoes && s.Phase == Verify && r.Evidence != "" {
		for _, ref := range s.Secrets {
			p.asBefore[ref.Name] = append(p.asBefore[ref.Name], r.Evidence)
		}
	}
	if !s.Proof || s.undoes {
		return
	}
	for _, ref := range s.Secrets {
		p.passed[proof{ref.Name, s.ID}] = true
		evidence := r.Evidence
		if evidence == "" && s.Phase != Verify {
			evidence = s.Op.Key() + " on " + s.Op.Target().String()
		}
		if evidence != "" {
			p.evident[ref.Name] = true
			p.evidence[ref.Name] = p.withEvidence(p.evidence[ref.Name], evidence, s)
		}
	}
}

// withEvidence adds what a step showed. What those say who serve many comes before what single hosts hold, however late it came: it
// says most, and who reads a few reads the first. A fleet says the same thousands of times.
func (p *progress) withEvidence(all []string, evidence string, s Step) []string {
	if slices.Contains(all, evidence) {
		return all
	}
	at := len(all)
	if s.Phase == Verify && s.Op.Target().Kind != HostTarget {
		at = slices.IndexFunc(append(all, ""), func(e string) bool { return !p.ofMany[e] })
		p.ofMany[evidence] = true
	}
	return slices.Insert(all, at, evidence)
}

// proven says that every proof of a secret in this round was given, but for those of targets that were left behind. A
// proof that was not tried proves nothing. Without any evidence nothing is proven.
func (p *progress) proven(c Change) bool {
	if p.failed[c.Secret.Name] != nil || !p.evident[c.Secret.Name] {
		return false
	}
	for _, s := range p.all {
		if !s.Proof || !s.needs(c.Secret.Name) {
			continue
		}
		if !p.leftOut(s.Op.Target()) && !p.passed[proof{c.Secret.Name, s.ID}] {
			return false
		}
	}
	return true
}

// lost says that every secret of the step has failed.
func (p *progress) lost(s Step) bool {
	for _, r := range s.Secrets {
		if p.failed[r.Name] == nil {
			return false
		}
	}
	return true
}

func (p *progress) judgeFailure(phase Phase, b block, s Step, r Report) {
	switch {
	case r.Waits && phase == Verify && !lostLease(r.Err):
		p.wait(s, r.Err)
	case len(r.Missing) > 0 && !lostLease(r.Err):
		// The new value is proven by some; the others are problems of their own hosts. Undoing would take all down again.
		for _, h := range r.Missing {
			p.leave(Target{HostTarget, h}, s, cmp.Or(r.Whys[h], r.Err))
			p.unproven[Target{HostTarget, h}] = true
		}
		p.shown(s, r)
	case phase == Retire && !s.Proof && !lostLease(r.Err):
		p.leave(b.target, s, r.Err) // proven already: what is left is tidying up
		if b.target.Kind != HostTarget {
			p.untidy[b.target] = true
		}
	case !lostLease(r.Err) && (s.Alone || p.tolerated(s, b.target, r)):
		p.leave(b.target, s, r.Err)
		p.unsure[b.target] = r.Outcome == state.Unknown || r.Outcome == ""
	case lostLease(r.Err):
		p.fail(s, r.Err)
		if phase == Switch && r.Outcome != state.Failed {
			p.unknownAt[b.target] = true
		}
		if p.halted = true; !lostLease(p.cause) { // it is lost for all targets, and said once
			p.halt(r.Err)
		}
	case r.Outcome == state.Unknown || r.Outcome == "":
		p.fail(s, r.Err)
		if phase == Switch {
			p.unknownAt[b.target] = true
		}
		if p.unheard = p.unheard || phase == Verify; p.unheard {
			return // other proofs are asked all the same; then the run halts
		}
		// Until a file is changed everything can be put back, whatever happened to this step. So can what other secrets have changed
		// on other targets.
		p.halted = p.halted || phase >= Verify || phase == Switch && slices.ContainsFunc(p.ran, func(o *Step) bool {
			return o.edits() && (o.Op.Target() == s.Op.Target() || slices.ContainsFunc(o.Secrets, func(r secret.Ref) bool { return s.needs(r.Name) }))
		})
	default:
		p.broke[b.target] = r.Err
		p.fail(s, r.Err)
	}
}

func lostLease(err error) bool {
	var lost *state.LostError
	return errors.As(err, &lost)
}

// judgeBack notes what could not be taken back, or not be shown to be as it was. What Prepare left behind changes nothing
// that is live: the next plan finds it. Nobody waits for a target that was left behind before a file was changed there, and is
// away still: then it is excused.
func (p *progress) judgeBack(b block, s Step, r Report) (excused bool) {
	if lostLease(r.Err) {
		p.halt(r.Err)
	}
	if s.Phase == Prepare {
		return false
	}
	if _, left := p.left[b.target]; left && r.Unreachable {
		p.stuck[b.target] = true
		if !p.swapped[b.target] {
			p.excused[b.target] = true
			return true // the next run looks at it again
		}
	}
	if len(r.Missing) > 0 {
		for _, h := range r.Missing {
			p.leave(Target{HostTarget, h}, s, r.Err)
			p.stuck[Target{HostTarget, h}] = true
		}
	}
	p.books.stuck(s, r.Err)
	return false
}

// warnOfNew warns of what is down beside a file that could not be taken back: nothing keeps it from coming up with that one.
func (p *progress) warnOfNew() {
	for _, t := range slices.SortedFunc(maps.Keys(p.mixed), func(a, b Target) int { return cmp.Compare(a.Name, b.Name) }) {
		if p.mixed[t] && p.clock.downAt(t) {
			p.remarks = append(p.remarks, Remark{t, "a file could not be taken back here: if the host restarts, or somebody starts what is down, it comes up with the new one"})
		}
	}
}

// untried notes what was not taken back because something before it could not be: it is not back either.
func (p *progress) untried(steps []Step, why error) {
	for _, s := range steps {
		if s.Phase != Prepare {
			p.books.stuck(s, fmt.Errorf("%s on %s was not tried: %w", s.Op.Key(), s.Op.Target(), why))
		}
	}
}

// tolerated says whether the policy lets an unreachable target fall behind. Without a host that the others depend on nothing goes on.
func (p *progress) tolerated(s Step, t Target, r Report) bool {
	if !r.Unreachable || t.Kind != HostTarget {
		return false
	}
	for _, c := range p.rotating() {
		if s.needs(c.Secret.Name) && (!c.Tolerate.Of[t.Name] || !c.Tolerate.Names[t.Name] && p.fallen(c) >= c.Tolerate.Count) {
			return false
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

// beyond are those of the hosts that may not be left behind, when too many are.
func (t Tolerance) beyond(left []Target) (all []string) {
	for _, l := range left {
		if l.Kind == HostTarget && t.Of[l.Name] && !t.Names[l.Name] {
			all = append(all, l.Name)
		}
	}
	if len(all) <= t.Count {
		return nil
	}
	return all
}

func (p *progress) leave(t Target, s Step, err error) {
	delete(p.untidy, t)
	l, known := p.left[t]
	if !known {
		p.order = append(p.order, t)
		l = LeftBehind{Target: t, Why: err}
	}
	for _, ref := range s.Secrets {
		if !slices.Contains(l.Secrets, ref.Name) {
			l.Secrets = append(slices.Clone(l.Secrets), ref.Name)
		}
	}
	p.left[t] = l
}

// leftOut says that a target was left behind, so that nothing more is done there. A host on which something old is left takes no
// further file; but what serves many, as Admin's API, gives the proofs of a further round all the same.
func (p *progress) leftOut(t Target) bool {
	_, left := p.left[t]
	return left && !p.untidy[t]
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
	switch {
	case p.cause == nil:
		p.cause = err
	case !errors.Is(p.cause, err):
		p.cause = fmt.Errorf("%w; and %w", p.cause, err)
	}
}
