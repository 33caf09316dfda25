package codesigning

import (
	"time"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// steps are what is left to do, in a round of their own where the relays accept the certificate only after the first.
func (r *builder) steps(s sight) []reconciler.Step {
	var steps []reconciler.Step
	add := func(p reconciler.Phase, op reconciler.Op, back reconciler.Back) *reconciler.Step {
		steps = append(steps, reconciler.Step{Phase: p, Op: op, Back: back})
		return &steps[len(steps)-1]
	}
	var pinned []string
	if s.load {
		add(reconciler.Prepare, site.Keep{Secret: r.ref, How: "the PFX from " + r.spec.PFX.String()}, reconciler.Nothing())
		add(reconciler.Prepare, site.Keep{Secret: r.password, How: "its password from " + r.spec.Password.String()}, reconciler.Nothing())
		add(reconciler.Accept, site.ImportCertificate{Host: r.host, Store: r.spec.Store, SHA1: r.signing, File: r.ref, Password: r.password, Who: r.who},
			reconciler.Way(site.RemoveCertificate{Host: r.host, Store: r.spec.Store, SHA1: r.signing, Who: r.who}))
	}
	prove := reconciler.Nothing()
	switch {
	case !s.set:
	case r.pin.Machine:
		prove = reconciler.Way(site.ProvePin{PinAt: r.pin.PinAt, SHA1: s.pin.Text, What: "the certificate of before", Who: r.who})
	default:
		add(reconciler.Prepare, site.StageScript{PinAt: r.pin.PinAt, Value: r.signing, Who: r.who}, reconciler.Nothing())
		prove = reconciler.Way(site.ProveAsBefore{Host: r.host, Path: r.spec.Script, Who: r.who})
	}
	if s.set {
		set := r.repin(s.pin)
		steps, pinned = append(steps, set), []string{site.StepOf(set.Op)}
	}
	if s.run {
		step := add(reconciler.Switch, r.build(), reconciler.Never("what a build has overwritten does not come back"))
		step.After, step.Once, step.Limit = pinned, true, reconciler.Span(r.spec.Timeout.Of()+time.Minute)
	}
	add(reconciler.Verify, site.ProvePin{PinAt: r.pin.PinAt, SHA1: r.signing, What: short(r.signing), Who: r.who}, prove)
	for _, a := range r.artifacts {
		add(reconciler.Verify, site.ProveSigned{Host: r.host, Folder: a.Folder, Suffix: a.Suffix, SHA1: r.signing, What: short(r.signing), Who: r.who}, reconciler.Nothing())
	}
	if s.tidy || s.set && !r.pin.Machine {
		add(reconciler.Retire, site.Discard{Host: r.host, Path: r.spec.Script, Staged: true, Backup: true}, reconciler.Nothing())
	}
	return steps
}

// repin tells the build the certificate, instead of what it is told now.
func (r *builder) repin(is *site.PinSeen) reconciler.Step {
	if !r.pin.Machine {
		return site.Replace(site.Swap{Host: r.host, Path: r.spec.Script, Who: r.who}, false)
	}
	set := site.SetVariable{Host: r.host, Variable: r.spec.Variable, Value: r.signing, Was: is.Text, Who: r.who}
	back := set
	back.Value, back.Was = set.Was, set.Value
	return reconciler.Step{Phase: reconciler.Switch, Op: set, Back: reconciler.Way(back)}
}

func (r *builder) build() site.RunBuild {
	return site.RunBuild{PinAt: r.pin.PinAt, SHA1: r.signing, Timeout: reconciler.Span(r.spec.Timeout.Of()), Who: r.who}
}
