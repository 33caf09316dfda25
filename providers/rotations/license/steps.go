package license

import (
	"slices"
	"strings"

	"meshrotate/providers/licensefile"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// steps lists what is to be done.
func (r *Rotation) steps(w work) []reconciler.Step {
	var steps []reconciler.Step
	add := func(p reconciler.Phase, op reconciler.Op, back reconciler.Back, after ...string) {
		steps = append(steps, reconciler.Step{Phase: p, Op: op, Back: back, After: after})
	}
	if w.fetch {
		add(reconciler.Prepare, site.Keep{Secret: r.ref, How: "fetch the license from " + r.spec.From.String() + w.about}, reconciler.Nothing())
	}
	for _, l := range w.files {
		steps = append(steps, r.replace(l, w)...)
	}
	if w.rehearse {
		add(reconciler.Prepare, r.rehearsal(), reconciler.Nothing())
	}
	for _, l := range w.restarts() {
		steps = append(steps, r.restart(l, w)...)
	}
	for _, l := range w.revive {
		op := r.start(l)
		op.Dependents = l.lost
		add(reconciler.Switch, op, reconciler.Nothing())
	}
	if r.hasAPI {
		ready := site.AwaitReady{Timeout: reconciler.Span(r.api.ReadyTimeout.Of())}
		if w.all[0].restart {
			add(reconciler.Switch, ready, reconciler.Way(ready), site.StepOf(r.start(w.all[0])))
		}
		if w.reload {
			steps = append(steps, r.reloading(w, ready)...)
		}
	}
	return append(append(steps, r.proofs(w)...), r.tidy(w)...)
}

// reloading lets Admin read the file again. One that runs does so, and is seen to serve it, before any service that reads the file
// stops, for whatever reason: an answer that proves nothing costs no outage. On the way back it is asked again once it is ready,
// whoever has restarted it.
func (r *Rotation) reloading(w work, ready site.AwaitReady) []reconciler.Step {
	swapped := []string{site.StepOf(site.Swap{Host: w.all[0].host, Path: r.spec.Path}), site.StepOf(site.Restore{Host: w.all[0].host, Path: r.spec.Path})}
	later := append(slices.Clone(swapped), site.StepOf(ready))
	back := r.reload()
	back.Proven = r.provenBack(w)
	step := func(op reconciler.Op, after ...string) reconciler.Step {
		return reconciler.Step{Phase: reconciler.Switch, Op: op, Back: reconciler.Way(back), After: after}
	}
	proof := step(r.proof(w), site.StepOf(r.reload()))
	proof.Back = reconciler.Nothing()
	if w.first() {
		for _, l := range w.all[1:] {
			proof.Rather = append(proof.Rather, site.StepOf(r.stop(l)))
		}
		return []reconciler.Step{step(r.mark()), step(r.reload(), later...), proof}
	}
	if !w.early() { // the mark is begun when the switch is, so the way back asks for a reload whatever was reached
		return []reconciler.Step{step(r.mark()), step(r.reload(), later...)}
	}
	back.Mark = r.mark().What
	for _, l := range w.all {
		proof.Before = append(proof.Before, site.StepOf(r.stop(l)))
	}
	return []reconciler.Step{step(r.reload(), swapped...), proof, step(r.mark(), later...)}
}

// provenBack says that Admin serves something now that it can be held against after a way back.
func (r *Rotation) provenBack(w work) bool { return w.served != nil && w.served.Customer != "" }

// rehearsal asks for a reload of what Admin has read before.
func (r *Rotation) rehearsal() site.Call {
	op := r.reload()
	op.What = "try a reload, of the license that is there, on"
	return op
}

func (r *Rotation) mark() site.Mark { return site.Mark{What: "license to be replaced"} }
func (r *Rotation) reload() site.Call {
	return site.Call{Path: r.spec.ReloadEndpoint, What: "reload by its API", Timeout: reconciler.Span(r.api.ReadyTimeout.Of())}
}

// replace stages the file and takes it live in one move. Who must start again to read it is stopped then, unless Admin reads it
// first and says whether it can: a service that runs does not look at the file.
func (r *Rotation) replace(l reader, w work) []reconciler.Step {
	who := site.Who{Name: l.label}
	stage := reconciler.Step{Phase: reconciler.Prepare, Op: site.StageFile{Host: l.host, Path: r.spec.Path, Secret: r.ref, Who: who,
		What: say(w.next) + r.unchecked()},
		Back: reconciler.Way(site.Discard{Host: l.host, Path: r.spec.Path, Staged: true})}
	if w.fetch {
		stage.After = []string{reconciler.StepID(reconciler.Prepare, site.Keep{Secret: r.ref})}
	}
	swap := site.Replace(site.Swap{Host: l.host, Path: r.spec.Path, Who: who}, false)
	for _, reads := range w.all { // whoever restarts it, for whatever reason, it stops before and starts after
		if reads.host == l.host {
			unread := w.early() || w.first() && !reads.admin()
			if !unread || l.host != w.all[0].host {
				swap.After = append(swap.After, site.StepOf(r.stop(reads)))
			}
			swap.Before = append(swap.Before, site.StepOf(r.start(reads)))
		}
	}
	return []reconciler.Step{stage, swap}
}

// restart stops Engine before Admin and starts it after Admin, as the product wants it. An Admin that is down starts with the new
// file and says what it serves before Engine stops, unless another secret keeps it down until then.
func (r *Rotation) restart(l reader, w work) []reconciler.Step {
	b := site.Bounce{Start: r.start(l), Stop: r.stop(l), WasDown: !l.service.Running()}
	switch {
	case l.admin() && w.first(): // it is down, and comes up before they stop
	case l.admin():
		for _, other := range w.restarts() {
			if !other.admin() {
				b.StopAfter = append(b.StopAfter, site.StepOf(r.stop(other)))
			}
		}
	default:
		b.StartAfter = []string{site.StepOf(r.start(w.all[0])), site.StepOf(site.AwaitReady{})}
	}
	return b.Steps()
}

func (r *Rotation) stop(l reader) site.StopService {
	return site.StopService{Host: l.host, Service: l.component.Service, Timeout: reconciler.Span(l.component.StopTimeout.Of()), Dependents: l.dependents, Who: site.Who{Name: l.label}}
}

func (r *Rotation) start(l reader) site.StartService {
	return site.StartService{Host: l.host, Service: l.component.Service, Timeout: reconciler.Span(l.component.StartTimeout.Of()), Dependents: l.dependents, Who: site.Who{Name: l.label}}
}

// proofs ask every host's file, what Admin serves, and every other consumer's process. On the way back they ask for the old
// file, the old license and the process again.
func (r *Rotation) proofs(w work) []reconciler.Step {
	var steps []reconciler.Step
	add := func(op reconciler.Op, back reconciler.Back) {
		steps = append(steps, reconciler.Step{Phase: reconciler.Verify, Op: op, Back: back})
	}
	swapped := map[string]bool{}
	for _, l := range w.files {
		swapped[l.host] = true
	}
	asked := map[string]bool{}
	for _, l := range w.all {
		if asked[l.host] {
			continue
		}
		asked[l.host] = true
		back := reconciler.Nothing()
		if swapped[l.host] {
			back = reconciler.Way(site.ProveAsBefore{Host: l.host, Path: r.spec.Path, Who: site.Who{Name: l.label}})
		}
		add(site.ProveFile{Host: l.host, Path: r.spec.Path, Secret: r.ref, Who: site.Who{Name: l.label}}, back)
	}
	if r.hasAPI {
		back := reconciler.Nothing()
		if r.provenBack(w) {
			back = reconciler.Way(r.serves(w.served))
		}
		add(r.proof(w), back)
	}
	for _, l := range w.all {
		if l.admin() && r.hasAPI && w.told != untold {
			continue
		}
		op := site.ProveProcess{Host: l.host, Service: l.component.Service, Path: r.spec.Path, Stable: reconciler.Span(l.component.Stable.Of()), Who: site.Who{Name: l.label},
			Known: !l.restart && !l.edit && l.reading != site.Unread}
		back := reconciler.Nothing()
		if l.restart && l.service.Running() && l.reading != site.Unread { // else it is older than its file where the way back begins before its stop
			back = reconciler.Way(op)
		}
		add(op, back)
	}
	return steps
}

func (r *Rotation) serves(l *licensefile.License) site.ProveAnswer {
	op := site.ProveAnswer{Path: r.spec.Endpoint, Timeout: reconciler.Span(r.api.ReadyTimeout.Of()), What: "Admin answers which license it serves"}
	var names []string
	for _, f := range r.fields(*l) {
		if f.Want != "" {
			op.Want = append(op.Want, f)
			names = append(names, f.Name)
		}
	}
	if n := len(names); n > 0 {
		op.What = "Admin serves " + strings.Join(names[:n-1], ", ")
		if n > 1 {
			op.What += " and "
		}
		op.What += names[n-1]
	}
	return op
}

func (r *Rotation) tidy(w work) []reconciler.Step {
	var steps []reconciler.Step
	known := map[string]bool{}
	for _, l := range append(slices.Clone(w.tidy), w.files...) {
		if !known[l.host] {
			known[l.host] = true
			steps = append(steps, reconciler.Step{Phase: reconciler.Retire, Back: reconciler.Nothing(),
				Op: site.Discard{Host: l.host, Path: r.spec.Path, Staged: true, Backup: true}})
		}
	}
	return steps
}

// What a restart takes where no earlier run measured it, in seconds.
const guessRestart = 10

func (r *Rotation) predict(in reconciler.Input, w work) []state.Outage {
	var all []state.Outage
	for _, l := range w.restarts() {
		o := state.Outage{What: l.label, Predicted: guessRestart, Members: []string{l.label}}
		for _, m := range in.History.Outages(r.ref.Name) {
			if m.What == l.label {
				o.Predicted = m.Measured
			}
		}
		all = append(all, o)
	}
	return all
}
