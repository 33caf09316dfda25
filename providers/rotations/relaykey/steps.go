package relaykey

import (
	"fmt"
	"slices"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// steps lists what is to be done.
func (r *Rotation) steps(w work) []reconciler.Step {
	ready := reconciler.Step{Phase: reconciler.Switch, Op: site.AwaitReady{Timeout: reconciler.Span(r.api.ReadyTimeout.Of())}}
	ready.Back = reconciler.Way(ready.Op)
	if w.unseenList() {
		ready.Op = site.AwaitReady{Timeout: ready.Op.(site.AwaitReady).Timeout, List: true}
	}
	var steps []reconciler.Step
	if w.mint {
		how := "fetch the key from " + r.spec.From.String() + w.about
		if r.spec.From.Generated {
			how = fmt.Sprintf("mint %d bytes", MinBytes) + r.spec.Keep.Also()
		}
		steps = append(steps, reconciler.Step{Phase: reconciler.Prepare, Op: site.Keep{Secret: r.ref, How: how}, Back: reconciler.Nothing()})
	}
	if w.editAdmin {
		steps = append(steps, r.edit(w.admin, w)...)
	}
	if w.list != nil && !w.half && !w.pending && slices.ContainsFunc(w.restart, member.connected) { // the cure of a fleet that is cut off waits for nothing
		steps = append(steps, reconciler.Step{Phase: reconciler.Prepare, Back: reconciler.Nothing(),
			Op: site.AwaitPulse{Timeout: reconciler.Span(w.list.Within(r.api.ConnectedTimeout.Of()))}})
	}
	if w.bounce {
		steps = append(steps, r.restart(w.admin, w.editAdmin, "")...)
		ready.After = []string{site.StepOf(start(w.admin))}
	}
	steps = append(steps, ready)
	for _, l := range w.edit {
		steps = append(steps, r.edit(l, w)...)
	}
	isReady := site.StepOf(ready.Op)
	for _, l := range w.restart {
		steps = append(steps, r.restart(l, l.edit, isReady)...)
	}
	for _, l := range w.revive {
		op := start(l)
		op.Dependents = l.lost
		steps = append(steps, reconciler.Step{Phase: reconciler.Switch, Op: op, Back: reconciler.Nothing(), Alone: l.who.Noun != ""})
	}
	steps = append(steps, r.proofs(w)...)
	edited := w.edit
	if w.editAdmin {
		edited = append([]member{w.admin}, edited...)
	}
	for _, l := range union(edited, w.tidy) {
		steps = append(steps, reconciler.Step{Phase: reconciler.Retire, Alone: true, Back: reconciler.Nothing(),
			Op: site.Discard{Host: l.host, Path: l.component.Settings, Staged: true, Backup: true}})
	}
	return steps
}

// edit stages the file, and swaps it once the service is stopped. A fleet that is half rotated already has no state to go
// back to: a relay that got its old key back would be cut off for good by an Admin that has the new one.
func (r *Rotation) edit(l member, w work) []reconciler.Step {
	stage := reconciler.Step{Phase: reconciler.Prepare,
		Op:   site.StageSettings{Host: l.host, Path: l.component.Settings, Edits: []site.KeyEdit{{Setting: l.setting.Key, Secret: r.ref}}, Who: l.who},
		Back: reconciler.Way(site.Discard{Host: l.host, Path: l.component.Settings, Staged: true})}
	if w.mint {
		stage.After = []string{reconciler.StepID(reconciler.Prepare, site.Keep{Secret: r.ref})}
	}
	swap := site.Replace(site.Swap{Host: l.host, Path: l.component.Settings, Who: l.who}, l.who.Noun != "", l.component.Service)
	if w.half {
		swap.Back = reconciler.Never("a part of the fleet has version " + r.ref.Version + " already, and cannot do with another")
	}
	return []reconciler.Step{stage, swap}
}

// restart stops and starts a service around its edit. A relay waits for Admin: Admin is the canary, and a relay's outage
// is its own.
func (r *Rotation) restart(l member, edited bool, after string) []reconciler.Step {
	relay := l.who.Noun != ""
	b := site.Bounce{Start: start(l), WasDown: l.stopped, Alone: relay,
		Stop: site.StopService{Host: l.host, Service: l.component.Service, Timeout: reconciler.Span(l.component.StopTimeout.Of()), Dependents: l.dependents, Who: l.who}}
	if edited {
		b.Swaps = []string{l.component.Settings}
	}
	if after != "" {
		b.StopAfter, b.StartAfter = []string{after}, []string{after}
	}
	return b.Steps()
}

func start(l member) site.StartService {
	return site.StartService{Host: l.host, Service: l.component.Service, Timeout: reconciler.Span(l.component.StartTimeout.Of()), Dependents: l.dependents, Who: l.who}
}

// proofs ask Admin's file, Admin's list of the relays, and every process that was restarted. On the way back they ask
// whether everything is as it was: the files, the processes, and whoever was connected.
func (r *Rotation) proofs(w work) []reconciler.Step {
	verify := func(op reconciler.Op, back reconciler.Back, alone bool) reconciler.Step {
		return reconciler.Step{Phase: reconciler.Verify, Op: op, Back: back, Alone: alone}
	}
	asBefore := func(l member) reconciler.Back {
		return reconciler.Way(site.ProveAsBefore{Host: l.host, Path: l.component.Settings, Who: l.who})
	}
	process := func(l member) site.ProveProcess {
		return site.ProveProcess{Host: l.host, Service: l.component.Service, Path: l.component.Settings, Stable: reconciler.Span(l.component.Stable.Of()), Who: l.who}
	}
	admin := w.admin
	setting := func(l member) site.ProveSetting {
		return site.ProveSetting{Host: l.host, Path: l.component.Settings, Setting: l.node.setting.Setting, Secret: r.ref, Service: l.component.Service, Who: l.who}
	}
	inForce := verify(setting(admin), reconciler.Nothing(), false)
	if w.editAdmin {
		inForce.Back = asBefore(admin)
	}
	steps := []reconciler.Step{inForce}
	if len(w.prove) > 0 {
		timeout := reconciler.Span(w.list.Within(r.api.ConnectedTimeout.Of()))
		back := reconciler.Nothing()
		if were := site.Where(w.prove, member.connected); len(were) > 0 {
			back = reconciler.Way(site.ProveRelays{Relays: hosts(were), Timeout: timeout})
		}
		steps = append(steps, verify(site.ProveRelays{Relays: hosts(w.prove), Timeout: timeout}, back, false))
	}
	for _, l := range w.restart {
		back := reconciler.Nothing()
		if l.edit {
			back = asBefore(l)
		}
		steps = append(steps, verify(setting(l), reconciler.Nothing(), true), verify(process(l), back, true))
	}
	known := func(l member, alone bool) reconciler.Step { // of a restart that an earlier run did not get to prove
		op := process(l)
		op.Known = true
		return verify(op, reconciler.Nothing(), alone)
	}
	for _, l := range w.prove {
		if l.before && !slices.ContainsFunc(w.restart, func(o member) bool { return o.host == l.host }) {
			steps = append(steps, verify(setting(l), reconciler.Nothing(), true), known(l, true))
		}
	}
	if admin.before && !w.bounce {
		steps = append(steps, known(admin, false))
	}
	if w.bounce {
		back := reconciler.Nothing()
		if !w.admin.stopped {
			back = reconciler.Way(process(admin))
		}
		steps = append(steps, verify(process(admin), back, false))
	}
	return steps
}

func union(a, b []member) []member {
	seen := map[string]bool{}
	var all []member
	for _, l := range append(append([]member(nil), a...), b...) {
		if !seen[l.host] {
			seen[l.host] = true
			all = append(all, l)
		}
	}
	return all
}

// What a service takes where no earlier run measured it, in seconds. The product's own times are shorter; hosts under
// load are not.
const (
	guessStop, guessReplace, guessStart, guessConnect = 3, 1, 5, 5
)

// predict says how long what will be down: as long as last time, or a guess.
func (r *Rotation) predict(in reconciler.Input, w work, cut state.Outage) []state.Outage {
	last := map[string]float64{}
	for _, o := range in.History.Outages(r.ref.Name) {
		last[o.What] = o.Measured
	}
	if _, bounced := last["Admin"]; bounced != w.bounce {
		clear(last) // a relay's restart alone is another outage than one with Admin's
	}
	guess := func(what string, seconds float64) float64 {
		if m, ok := last[what]; ok {
			return m
		}
		return seconds
	}
	var all []state.Outage
	relays := float64(guessStop + guessReplace + guessStart + guessConnect)
	admin := float64(guessStop + guessReplace + guessStart)
	if len(w.restart) > 0 {
		all = append(all, state.Outage{What: "relays", Predicted: guess("relays", relays), Members: hosts(w.restart)})
	}
	if len(cut.Members)+len(cut.Unseen) > 0 {
		if cut.Predicted = relays; w.bounce {
			cut.Predicted += admin
		}
		cut.Predicted = guess(cut.What, cut.Predicted)
		all = append(all, cut)
	}
	if w.bounce {
		all = append(all, state.Outage{What: "Admin", Predicted: guess("Admin", admin), Members: []string{"Admin"}})
	}
	return all
}
