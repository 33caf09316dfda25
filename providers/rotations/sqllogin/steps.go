package sqllogin

import (
	"cmp"
	"slices"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// steps lists what is to be done.
func (r *Rotation) steps(in reconciler.Input, w work) []reconciler.Step {
	var steps []reconciler.Step
	if w.mint && w.edit {
		how := "fetch the password from " + r.spec.From.String() + w.about
		if r.spec.From.Generated {
			how = "generate a password" + r.spec.Keep.Also()
		}
		steps = append(steps, reconciler.Step{Phase: reconciler.Prepare, Op: site.Keep{Secret: r.ref, How: how}, Back: reconciler.Nothing()})
	}
	if w.edit || len(w.alter) > 0 {
		steps = append(steps, r.accept(in, w)...)
	}
	if w.edit {
		for _, h := range w.edited() {
			steps = append(steps, r.replace(in, h, w)...)
		}
	}
	steps = append(steps, r.restarts(w)...)
	for _, h := range w.revive {
		op := start(h)
		op.Dependents = h.lost
		steps = append(steps, reconciler.Step{Phase: reconciler.Switch, Op: op, Back: reconciler.Nothing()})
	}
	if len(w.ends) == 0 {
		steps = append(steps, r.proofs(in, w)...)
	}
	steps = append(steps, r.retire(w, w.ends)...)
	for _, h := range w.holders {
		if h.edit || slices.ContainsFunc(w.tidy, func(o holder) bool { return o.host == h.host && o.component.Settings == h.component.Settings }) {
			steps = append(steps, reconciler.Step{Phase: reconciler.Retire, Back: reconciler.Nothing(),
				Op: site.Discard{Host: h.host, Path: h.component.Settings, Staged: true, Backup: true}})
		}
	}
	return steps
}

// rounds are the steps; and where others know the password of a login that was replaced, or nothing else holds it up, its end, once the
// other one is proven.
func (r *Rotation) rounds(in reconciler.Input, w work) []reconciler.Round {
	rounds := []reconciler.Round{{Steps: r.steps(in, w)}}
	if last := r.last(in, w); len(last) > 0 {
		rounds = append(rounds, reconciler.Round{Steps: r.retire(w, last)})
	}
	return rounds
}

func (w work) edited() []holder {
	var some []holder
	for _, h := range w.holders {
		if h.edit {
			some = append(some, h)
		}
	}
	return some
}

// accept makes every instance take the new password, and proves it with the very strings. Where that stands is the mode's.
func (r *Rotation) accept(in reconciler.Input, w work) []reconciler.Step {
	phase := map[string]reconciler.Phase{alternating: reconciler.Accept, single: reconciler.Switch, external: reconciler.Prepare}[r.spec.Mode]
	if r.comesUp(w) {
		phase = reconciler.Switch
	}
	var after []string
	switch phase {
	case reconciler.Prepare:
		after = []string{reconciler.StepID(reconciler.Prepare, site.Keep{Secret: r.ref})}
	case reconciler.Switch:
		for _, h := range w.bounce {
			if r.spec.Mode != single {
				break // nobody runs with the login yet
			}
			after = append(after, site.StepOf(stop(h)))
		}
	}
	var steps []reconciler.Step
	for _, i := range w.alter {
		l := i.login(w.target)
		step := reconciler.Step{Phase: phase, After: after, Once: true, Back: reconciler.Nothing(),
			Op: site.AlterLogin{Server: i.server, Login: w.target, Secret: r.ref, Enable: l != nil && l.Disabled, Unlock: l != nil && l.Locked}}
		if w.contained(w.target) {
			step.Op = site.AlterLogin{Server: i.server, Login: w.target, Secret: r.ref, Database: r.database, Enable: site.IsRetiredUser(in.History, name, w.target) || site.IsRetiring(in.History, name, w.target)}
		}
		if op := step.Op.(site.AlterLogin); r.spec.Mode == alternating {
			op.Turns, op.Idle = true, w.edit && !w.pending && len(i.seen.Of(w.target)) == 0
			step.Op = op
			if r.dead(w) {
				step.Back = reconciler.Never("the strings in force, which name " + w.target + ", were not seen to sign in: there is nothing to go back to")
			}
		}
		if r.comesUp(w) && !w.edit {
			step.Back = reconciler.Never("the files have version " + r.ref.Version + " already")
		}
		if r.spec.Mode == single {
			op := step.Op.(site.AlterLogin)
			op.Awaited = w.isMain(i)
			if w.halfChanged() && w.begun[0] != r.ref.Version {
				op.Begun = w.begun[0]
			}
			op.Turns = !r.named(w.sight, w.target)
			step.Op, step.Back = op, reconciler.Never("the old password of "+w.target+" is gone")
			step.Needed = op.Awaited && !w.edit && slices.ContainsFunc(w.holders, func(h holder) bool { return h.stopped && !h.accepted() })
		}
		op := step.Op.(site.AlterLogin)
		op.Instead = leaves(w.left)
		step.Op = op
		steps = append(steps, step)
		after = append(after[:len(after):len(after)], reconciler.StepID(phase, step.Op))
	}
	prove := func(op reconciler.Op, after []string) {
		steps = append(steps, reconciler.Step{Phase: phase, After: after, Op: op, Back: reconciler.Nothing(), Proof: true})
	}
	if r.spec.Mode == single && w.taken {
		return steps // the look has proven it, and there is no way back: a server that goes away now keeps nobody down
	}
	var proven []string
	for _, op := range r.signIns(w) {
		prove(op, after)
		proven = append(proven, reconciler.StepID(phase, op))
	}
	if r.spec.Mode != single { // which goes on whatever its hosts find, and proves it at the end
		for _, op := range r.hostSignIns(w) { // a wrong password is found here, and once
			prove(op, proven)
		}
	}
	return steps
}

// replace stages the file, and swaps it once both services are stopped. Where the old password may be dead there is no way
// back to it.
func (r *Rotation) replace(in reconciler.Input, h holder, w work) []reconciler.Step {
	stage := reconciler.Step{Phase: reconciler.Prepare, Back: reconciler.Way(site.Discard{Host: h.host, Path: h.component.Settings, Staged: true}),
		Op: site.StageSettings{Host: h.host, Path: h.component.Settings, Edits: []site.KeyEdit{{Setting: h.node.setting.Setting, Secret: r.ref, Form: r.form(w)}}, Who: h.who()}}
	if w.mint {
		stage.After = []string{reconciler.StepID(reconciler.Prepare, site.Keep{Secret: r.ref})}
	}
	swap := site.Replace(site.Swap{Host: h.host, Path: h.component.Settings, Who: h.who()}, false)
	for _, other := range w.bounce {
		swap.After = append(swap.After, site.StepOf(stop(other)))
		swap.Before = append(swap.Before, site.StepOf(start(other)))
	}
	switch {
	case r.comesUp(w):
		for _, s := range r.accept(in, w) {
			swap.After = append(swap.After, reconciler.StepID(s.Phase, s.Op))
		}
	case r.spec.Mode == single:
		for _, s := range r.accepting(w) {
			swap.After = append(swap.After, site.StepOf(s))
		}
	case r.spec.Mode == external:
		for _, op := range slices.Concat(r.signIns(w), r.hostSignIns(w)) {
			stage.After = append(stage.After, reconciler.StepID(reconciler.Prepare, op))
		}
	}
	if why := r.oneWay(w); why != "" {
		swap.Back = reconciler.Never(why)
	}
	swap.Needed = slices.ContainsFunc(w.holders, func(h holder) bool { return h.stopped && (!h.accepted() || w.parted()) })
	swap.Vital = r.spec.Mode == single || r.oneWay(w) != "" // who starts without it locks the login, or is the second of a pair on two
	return []reconciler.Step{stage, swap}
}

// accepting are the ops that must be done before a file may name the new password: on the server that the strings lead to. A
// replica that fails is finished by the next run; the product does not wait for it.
func (r *Rotation) accepting(w work) []reconciler.Op {
	all := r.strings(w)
	for _, i := range w.alter {
		if w.isMain(i) {
			all = append(all, site.AlterLogin{Server: i.server, Login: w.target})
		}
	}
	return all
}

func stop(h holder) site.StopService {
	return site.StopService{Host: h.host, Service: h.component.Service, Timeout: reconciler.Span(h.component.StopTimeout.Of()), Dependents: h.dependents, Who: h.who()}
}

func start(h holder) site.StartService {
	return site.StartService{Host: h.host, Service: h.component.Service, Timeout: reconciler.Span(h.component.StartTimeout.Of()), Dependents: h.dependents, Who: h.who()}
}

func (r *Rotation) ready() site.AwaitReady {
	return site.AwaitReady{Timeout: reconciler.Span(r.api.ReadyTimeout.Of())}
}

// restarts stop Engine before Admin and start it once Admin is ready. Neither starts before both files are swapped, and on the
// way back before both are as they were.
func (r *Rotation) restarts(w work) []reconciler.Step {
	var steps []reconciler.Step
	for _, h := range w.bounce {
		b := site.Bounce{Start: start(h), Stop: stop(h), WasDown: h.stopped}
		for _, other := range w.edited() {
			b.StartAfter = append(b.StartAfter, site.StepOf(site.Swap{Host: other.host, Path: other.component.Settings}),
				site.StepOf(site.Restore{Host: other.host, Path: other.component.Settings}))
		}
		if !w.edit && r.spec.Mode == single { // nobody starts on a password that is to be set yet
			for _, op := range r.accepting(w) {
				b.StartAfter = append(b.StartAfter, site.StepOf(op))
			}
		}
		if h.label == site.AdminLabel {
			b.StopAfter = []string{site.StepOf(stop(w.engine()))}
		} else {
			b.StartAfter = append(b.StartAfter, site.StepOf(start(w.admin())), site.StepOf(r.ready()))
		}
		around := b.Steps()
		for _, other := range w.edited() { // on the way back, too, both stop before a file changes
			around[1].Before = append(around[1].Before, site.StepOf(site.Restore{Host: other.host, Path: other.component.Settings}))
		}
		steps = append(steps, around...)
		if h.label == site.AdminLabel {
			steps = append(steps, reconciler.Step{Phase: reconciler.Switch, Op: r.ready(), Back: reconciler.Way(r.ready()), After: []string{site.StepOf(b.Start)}})
		}
	}
	return steps
}

// proofs sign in anew with the strings, ask Admin, and look at the processes and at Engine's own sessions: Admin's health says
// nothing about Engine. Of Admin none is demanded: its readiness and its dashboard are answered from the database by the process that
// has the new file, and between two questions its pool may have no session. But one as the login that was replaced shows that it has
// its string from elsewhere. On the way back they ask whether everything is as it was.
func (r *Rotation) proofs(in reconciler.Input, w work) []reconciler.Step {
	var steps []reconciler.Step
	add := func(op, back reconciler.Op) {
		s := reconciler.Step{Phase: reconciler.Verify, Op: op, Back: reconciler.Nothing()}
		if back != nil {
			s.Back = reconciler.Way(back)
		}
		steps = append(steps, s)
	}
	for _, h := range w.holders {
		var back reconciler.Op
		if h.edit {
			back = site.ProveAsBefore{Host: h.host, Path: h.component.Settings, Who: h.who()}
		}
		add(site.ProveSetting{Host: h.host, Path: h.component.Settings, Setting: h.node.setting.Setting, Secret: r.ref, Service: h.component.Service, Form: r.form(w), Who: h.who()}, back)
	}
	for _, op := range slices.Concat(r.signIns(w), r.hostSignIns(w)) {
		add(op, nil)
	}
	ready := r.ready()
	ready.As = r.api.Ready + " answers"
	bounced := map[string]bool{}
	for _, h := range w.bounce {
		bounced[h.label] = !h.stopped // it ran before
	}
	if bounced[site.AdminLabel] && w.admin().accepted() {
		add(ready, ready)
	} else {
		add(ready, nil)
	}
	add(site.ProveAnswer{Path: r.api.Dashboard, Timeout: ready.Timeout, What: "Admin shows its dashboard, which needs the database"}, nil)
	for _, h := range w.holders {
		_, again := bounced[h.label]
		op := site.ProveProcess{Host: h.host, Service: h.component.Service, Path: h.component.Settings, Stable: reconciler.Span(h.component.Stable.Of()), Who: h.who(),
			Known: !again && h.reading != site.Unread}
		if bounced[h.label] {
			add(op, op)
		} else {
			add(op, nil)
		}
	}
	e := w.engine()
	session := site.ProveSessions{Server: r.servers[0], Login: w.target, On: e.host, Service: e.component.Service, Timeout: reconciler.Span(r.api.ConnectedTimeout.Of()), Who: e.who(), Beside: w.admin().host}
	session.Serves, session.Leaves, session.Known, session.Woken = true, leaves(w.left), site.WriteKnown(r.leavesKnown(in, w)), site.WriteKnown(r.woken(in, w))
	if old := cmp.Or(w.old, w.replace); old != "" && !sameLogin(old, w.target) {
		session.Replaced, session.With = old, w.admin().component.Service
	}
	if bounced[e.label] && e.edit && e.accepted() {
		old := session
		old.Login, old.Replaced, old.With, old.Serves, old.Leaves, old.Known, old.Woken = e.says.User, "", "", false, "", "", ""
		add(session, old)
	} else {
		add(session, nil)
	}
	return steps
}
