package codesigning

import (
	"slices"
	"strings"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// steps lists what is to be done.
func (r *Rotation) steps(in reconciler.Input, w work) []reconciler.Step {
	var steps []reconciler.Step
	for _, m := range w.edit {
		steps = append(steps, r.edit(in, m)...)
	}
	if !w.pending && slices.ContainsFunc(w.restart, func(m member) bool { return m.heard }) {
		steps = append(steps, reconciler.Step{Phase: reconciler.Prepare, Back: reconciler.Nothing(),
			Op: site.AwaitPulse{Timeout: reconciler.Span(w.list.Within(r.api.ConnectedTimeout.Of()))}})
	}
	var after []string
	if w.api && len(w.restart) > 0 { // no relay stops while it could not come back; and who comes back is seen from then on
		ready := site.AwaitReady{Timeout: reconciler.Span(r.api.ReadyTimeout.Of())}
		steps = append(steps, reconciler.Step{Phase: reconciler.Switch, Op: ready, Back: reconciler.Way(ready)})
		after = []string{site.StepOf(ready)}
	}
	for _, m := range w.restart {
		b := site.Bounce{StopAfter: after, StartAfter: after, Start: start(m), WasDown: m.stopped, Alone: true,
			Stop: site.StopService{Host: m.host, Service: m.component.Service, Timeout: reconciler.Span(m.component.StopTimeout.Of()), Dependents: m.dependents, Who: m.who}}
		if m.edit {
			b.Swaps = []string{m.component.Settings}
		}
		steps = append(steps, b.Steps()...)
	}
	for _, m := range w.revive {
		op := start(m)
		op.Dependents = m.lost
		steps = append(steps, reconciler.Step{Phase: reconciler.Switch, Op: op, Back: reconciler.Nothing(), Alone: true})
	}
	steps = append(steps, r.proofs(in, w)...)
	tidy := slices.Clone(w.edit)
	for _, m := range w.tidy {
		if !m.edit {
			tidy = append(tidy, m)
		}
	}
	for _, m := range tidy {
		steps = append(steps, reconciler.Step{Phase: reconciler.Retire, Alone: true, Back: reconciler.Nothing(),
			Op: site.Discard{Host: m.host, Path: m.component.Settings, Staged: true, Backup: true}})
	}
	return steps
}

// edit stages the file, and swaps it once the service is stopped. Before that it is looked once more whether what is taken off is
// used, by a connector or by the build host: if it is, nothing was changed anywhere.
func (r *Rotation) edit(in reconciler.Input, m member) []reconciler.Step {
	path := m.component.Settings
	steps := []reconciler.Step{{Phase: reconciler.Prepare,
		Op:   site.StageSettings{Host: m.host, Path: path, Lists: []site.ListEdit{{Setting: r.spec.Setting, Members: m.wanted}}, Who: m.who},
		Back: reconciler.Way(site.Discard{Host: m.host, Path: path, Staged: true})}}
	if retired := r.spared(in, m.going()); len(retired) > 0 {
		steps = append(steps, reconciler.Step{Phase: reconciler.Accept, Back: reconciler.Nothing(), Op: r.unused(m, retired)})
		if r.build != nil {
			steps = append(steps, reconciler.Step{Phase: reconciler.Accept, Back: reconciler.Nothing(), Op: r.unpinned(retired)})
		}
	}
	return append(steps, site.Replace(site.Swap{Host: m.host, Path: path, Who: m.who}, true, m.component.Service))
}

// unused is that no connector of the relay was signed with these certificates.
func (r *Rotation) unused(m member, certificates []string) site.ProveUnused {
	slices.Sort(certificates)
	return site.ProveUnused{Host: m.host, Folder: r.spec.Connectors.Folder, Suffix: r.spec.Connectors.Suffix, Bare: m.bare,
		Certificates: certificates, Spared: r.spec.sorted(), What: shorts(certificates), Who: m.who}
}

// unpinned is that the build host does not sign with these certificates.
func (r *Rotation) unpinned(certificates []string) site.ProveUnpinned {
	slices.Sort(certificates)
	return site.ProveUnpinned{PinAt: r.build.pin.PinAt, Certificates: certificates, What: shorts(certificates), Who: r.build.who}
}

// taken are the certificates that nothing on the relay may be signed with once this is done: those that go now, and those that a run
// which was cut off has taken off already, of which the ledger has the first digits.
func (r *Rotation) taken(in reconciler.Input, m member) []string {
	all := r.spared(in, m.going())
	if e, ok := in.History.Pending(r.ref.Name, r.ref.Version); ok && in.Compromised(r.ref) == "" {
		for _, digits := range strings.Split(e.Before, "+") {
			is := func(t string) bool { return strings.HasPrefix(t, digits) }
			if what, _ := in.History.Leaked(r.ref.Name, "", m.signers(is)); what == "" && !slices.ContainsFunc(slices.Concat(r.spec.declared(), m.going()), is) {
				all = append(all, digits)
			}
		}
	}
	return all
}

func (s *Spec) sorted() []string { return slices.Sorted(slices.Values(s.declared())) }

func start(m member) site.StartService {
	return site.StartService{Host: m.host, Service: m.component.Service, Timeout: reconciler.Span(m.component.StartTimeout.Of()), Dependents: m.dependents, Who: m.who}
}

// proofs ask every list, every process, and Admin's list for those that were connected; and once more whether what was taken off is
// used: a connector may have come, and the build host may have been told otherwise, while the relays stopped. Then all relays go back,
// for one that was left behind would refuse the connector. On the way back they ask whether everything is as it was.
func (r *Rotation) proofs(in reconciler.Input, w work) []reconciler.Step {
	var steps []reconciler.Step
	var gone []string
	verify := func(op reconciler.Op, back reconciler.Back, alone bool) {
		steps = append(steps, reconciler.Step{Phase: reconciler.Verify, Op: op, Back: back, Alone: alone})
	}
	for _, m := range w.prove {
		path := m.component.Settings
		process := site.ProveProcess{Host: m.host, Service: m.component.Service, Path: path, Stable: reconciler.Span(m.component.Stable.Of()), Who: m.who}
		back := reconciler.Nothing()
		if m.edit {
			back = reconciler.Way(site.ProveAsBefore{Host: m.host, Path: path, Who: m.who})
		}
		verify(site.ProveList{Host: m.host, Path: path, Setting: r.spec.Setting, Members: m.wanted, Service: m.component.Service,
			What: shorts(r.spec.declared()), Who: m.who}, back, true)
		process.Known = !slices.ContainsFunc(w.restart, func(x member) bool { return x.host == m.host })
		verify(process, reconciler.Nothing(), true)
		if taken := r.taken(in, m); len(taken) > 0 {
			verify(r.unused(m, taken), reconciler.Nothing(), false)
			gone = append(gone, taken...)
		}
	}
	if r.build != nil && len(gone) > 0 {
		slices.Sort(gone)
		verify(r.unpinned(slices.Compact(gone)), reconciler.Nothing(), false)
	}
	if len(w.returns) > 0 {
		op, back := site.ProveRelays{Relays: hosts(w.returns), Timeout: reconciler.Span(w.list.Within(r.api.ConnectedTimeout.Of()))}, reconciler.Nothing()
		if were := site.Where(w.returns, func(m member) bool { return m.heard }); len(were) > 0 {
			back = reconciler.Way(site.ProveRelays{Relays: hosts(were), Timeout: op.Timeout})
		}
		verify(op, back, false)
	}
	return steps
}

// What a restart takes where no earlier run measured it, in seconds.
const guessRestart = 14

func (r *Rotation) predict(in reconciler.Input, w work) []state.Outage {
	if len(w.restart) == 0 {
		return nil
	}
	o := state.Outage{What: "relays", Predicted: guessRestart, Members: hosts(w.restart)}
	for _, last := range in.History.Outages(r.ref.Name) {
		if last.What == o.What {
			o.Predicted = last.Measured
		}
	}
	return []state.Outage{o}
}
