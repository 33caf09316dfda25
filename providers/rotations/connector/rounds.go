package connector

import (
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// rounds are what is to be done: set, and prove. It comes after what others do in their first: the tool signs in with Engine's
// connection string, which may be on its way to another password, and what fails here is no reason to take them back.
func (r *Rotation) rounds(in reconciler.Input, s sight, before string) []reconciler.Round {
	if s.wait {
		return []reconciler.Round{{Steps: r.source(in, s)}}
	}
	steps := r.steps(s, before)
	rounds := append(make([]reconciler.Round, max(1, s.changing+1)), reconciler.Round{Steps: steps})
	if r.inRounds(s) {
		return append(rounds, reconciler.Round{Steps: r.source(in, s)})
	}
	last := &rounds[len(rounds)-1]
	last.Steps = append(steps, r.taken(in, s)...)
	return rounds
}

// source is the round in which the source system takes what was set: by the hook, or by a person; and what shows that it did.
func (r *Rotation) source(in reconciler.Input, s sight) []reconciler.Step {
	var steps []reconciler.Step
	proofs := r.taken(in, s)
	if r.hooked() && !s.ran {
		run := r.runHook(s)
		run.Proof = proofs == nil // there is nothing else
		steps = append(steps, run)
	}
	switch {
	case proofs != nil:
		steps = append(steps, proofs...)
	case s.ran:
		steps = append(steps, r.listed())
	case !r.hooked():
		steps = append(steps, reconciler.Step{Phase: reconciler.Verify, Op: reconciler.ByHand{Secret: r.Ref(), What: r.byHand(s)}, Back: reconciler.Never("it was set before, and a person changes it at the source system")})
	}
	return steps
}

// byHand is what is left to a person.
func (r *Rotation) byHand(s sight) string {
	return "changes the password of " + r.label(s) + " at its source system to that of version " + r.Ref().Version
}

// taken are the proofs that its source takes it.
func (r *Rotation) taken(in reconciler.Input, s sight) []reconciler.Step {
	var proofs []reconciler.Step
	if r.logsIn() {
		proofs = append(proofs, r.signIn(s))
	}
	if r.syncs(s) {
		proofs = append(proofs, r.sync(in, s))
	}
	return proofs
}

// signIn is the proof by the operator's program.
func (r *Rotation) signIn(s sight) reconciler.Step {
	l := r.spec.Login
	op := site.RunHook{Program: l.Program, Args: l.Args, Secret: r.Ref(), About: r.about(s), Timeout: reconciler.Span(l.Timeout.Of()),
		What: "signs in with it at its source system", Proves: true}
	if r.inRounds(s) && !r.hooked() {
		op.ByHand = r.byHand(s)
	}
	step := reconciler.Step{Phase: reconciler.Verify, Op: op, Back: reconciler.Nothing()}
	if s.wait {
		step.Back = alreadySet
	}
	return step
}

// alreadySet is why there is no way back in a run that waits for the source.
var alreadySet = reconciler.Never("an earlier run has set it, and its source system may have it")

// sync is the proof by a sync run.
func (r *Rotation) sync(in reconciler.Input, s sight) reconciler.Step {
	op := site.ProveSync{Path: r.spec.Syncs.Path, List: r.spec.Syncs.List, Owner: s.owner.Name, Ref: r.secret.Ref, Timeout: r.syncing}
	step := reconciler.Step{Phase: reconciler.Verify, Back: reconciler.Nothing()}
	if r.inRounds(s) && !r.hooked() {
		op.ByHand = r.byHand(s)
	}
	if s.wait {
		last, _ := r.lastSet(in)
		op.Since = last.UTC().Format(time.RFC3339Nano)
		step.Back = alreadySet
	}
	step.Op = op
	return step
}

// runHook lets the operator's program change the value at its source. It stands in the switch, as all that has no way back and
// that something else has to follow.
func (r *Rotation) runHook(s sight) reconciler.Step {
	h := r.spec.Hook
	return reconciler.Step{Phase: reconciler.Switch, Once: true, Back: reconciler.Never("the source system has the new value once the hook was run"),
		Op: site.RunHook{Program: h.Program, Args: h.Args, Secret: r.Ref(), About: r.about(s),
			Timeout: reconciler.Span(h.Timeout.Of()), What: "changes it at its source system"}}
}

// about is what a program of the operator is told.
func (r *Rotation) about(s sight) map[string]string {
	return map[string]string{"REF": r.secret.Ref, "CONNECTOR": s.owner.Name}
}

// steps set it, after the hook where that comes first: then there is no way back from either.
func (r *Rotation) steps(s sight, before string) []reconciler.Step {
	ref := r.Ref()
	var steps []reconciler.Step
	if !s.value.Kept {
		how := "fetch the value"
		if r.secret.From.Generated {
			how = "generate a value"
			if r.secret.Keep != nil {
				how += ", kept for others in store " + r.secret.Keep.Store // a thousand are one line
			}
		}
		steps = append(steps, reconciler.Step{Phase: reconciler.Prepare, Op: site.Keep{Secret: ref, How: how}, Back: reconciler.Nothing()})
	}
	op := site.PushSecret{Host: r.host, Program: r.spec.Tool, Ref: r.secret.Ref, Secret: ref, Service: r.identity.Service, File: r.spec.Value == byFile, Argument: r.spec.Value != byFile && !s.tool.Stdin, Timeout: r.timeout}
	stored := site.ProveStored{Server: r.sqlServer, Database: r.stored.Database, Tables: r.stored.Tables, Ref: r.secret.Ref}
	push := reconciler.Step{Phase: reconciler.Accept, Op: op, Back: reconciler.Never("the value before it is not kept here"), Limit: r.timeout}
	asBefore := reconciler.Nothing()
	switch old := r.earlier(s, before); {
	case r.hookFirst(s):
		push.Phase, push.Back = reconciler.Switch, reconciler.Never("the source system has the new value")
		if first := r.runHook(s); !s.ran {
			push.After = []string{reconciler.StepID(first.Phase, first.Op)}
			steps = append(steps, first)
		}
	case old != nil:
		back := op
		back.Secret = *old
		push.Back, asBefore = reconciler.Way(back), reconciler.Way(stored)
	case r.again(s):
		push.Back = reconciler.Never("what was sealed elsewhere does not open here")
	}
	return append(steps, push,
		reconciler.Step{Phase: reconciler.Verify, Op: stored, Back: asBefore}, r.listed())
}

// listed is the proof by the tool's own list.
func (r *Rotation) listed() reconciler.Step {
	return reconciler.Step{Phase: reconciler.Verify, Op: site.ProveListed{Host: r.host, Program: r.spec.Tool, Ref: r.secret.Ref, Timeout: r.timeout}, Back: reconciler.Nothing()}
}

// hookFirst says that the hook changes the source before the secret is set here.
func (r *Rotation) hookFirst(s sight) bool {
	return r.hooked() && r.secret.Source.Changed == before && !r.again(s)
}
