package serviceaccount

import (
	"fmt"
	"slices"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
	"meshrotate/state"
)

// rounds are what is to be done. An account without a password cannot be tried but by a start: then one service shows that it
// works before the next one is touched.
func (r *Rotation) rounds(w work) []reconciler.Round {
	if r.password || len(w.set) < 2 || len(w.bounce) == 0 {
		return []reconciler.Round{{Steps: r.steps(w)}}
	}
	first := func(m member) bool {
		return m.host == w.set[0].host && m.component.Service == w.set[0].component.Service
	}
	one, rest := w, w
	for _, p := range []struct{ one, rest *[]member }{{&one.set, &rest.set}, {&one.bounce, &rest.bounce}} {
		all := *p.one
		*p.one = site.Where(all, first)
		*p.rest = site.Where(all, func(m member) bool { return !first(m) })
	}
	one.revive = nil
	return []reconciler.Round{{Steps: r.steps(one)}, {Steps: r.steps(rest)}}
}

// oneByOne says what a second round costs.
func (r *Rotation) oneByOne(w work, rounds []reconciler.Round) []reconciler.Finding {
	if len(rounds) < 2 {
		return nil
	}
	rest := site.Where(w.set, func(m member) bool { return !m.same(w.set[0]) })
	return []reconciler.Finding{site.Note("account-one-by-one", fmt.Sprintf("%s cannot be tried but by a start: %s get%s it in a further round, once %s runs as it; what else of this plan stops %s comes before that, so there is one stop more",
		r.spec.Account, names(rest), verb(rest, "s", ""), names(w.set[:1]), names(rest)), "where that is too long, apply the accounts alone in another window, with --only")}
}

// alters tells whoever else stops a service that its logon is set, and who follows a service to another account.
func alters(w work, rounds []reconciler.Round) []reconciler.Coming {
	var all []reconciler.Coming
	for i, round := range rounds {
		for _, s := range round.Steps {
			op, sets := s.Op.(site.SetLogon)
			at := slices.IndexFunc(w.set, func(m member) bool { return m.host == op.Host && m.component.Service == op.Service })
			if !sets || at < 0 {
				continue
			}
			all = append(all, reconciler.Coming{Target: op.Target(), Fact: reconciler.Fact{Field: site.LogonComing(op.Service), Value: w.sets(w.set[at])}, Round: i})
			if w.set[at].other() {
				all = append(all, reconciler.Coming{Target: op.Target(), Fact: reconciler.Fact{Field: site.AccountOf(op.Service), Value: op.Account}, Round: i})
			}
		}
	}
	return all
}

func (r *Rotation) steps(w work) []reconciler.Step {
	var steps []reconciler.Step
	if r.password && len(w.set) > 0 {
		if w.mint {
			how := "fetch the password from " + r.spec.From.String() + w.about
			if r.spec.From.Generated {
				how = "generate a password" + r.spec.Keep.Also()
			}
			steps = append(steps, reconciler.Step{Phase: reconciler.Prepare, Back: reconciler.Nothing(), Op: site.Keep{Secret: r.ref, How: how}})
		}
		if r.changes(w) {
			steps = append(steps, reconciler.Step{Phase: r.trying(w), Op: r.change(w), Back: reconciler.Never("the domain has the new password"), Once: true})
		}
		steps = append(steps, r.tries(w)...)
	}
	for _, m := range w.set {
		steps = append(steps, r.setStep(w, m))
	}
	steps = append(steps, r.restarts(w)...)
	for _, m := range w.revive {
		op := start(m)
		op.Dependents = m.lost
		steps = append(steps, reconciler.Step{Phase: reconciler.Switch, Op: op, Back: reconciler.Nothing()})
	}
	return append(steps, r.proofs(w)...)
}

// changes says that the account changes its password itself, and has not yet.
func (r *Rotation) changes(w work) bool {
	return r.password && r.spec.ChangedBy == kpasswd && len(w.set) > 0 && w.before != r.ref.Version
}

// change has to come before the first logon that is set. From it on a restart with the old password fails, so no service is
// stopped between the two, whoever else asks for that.
func (r *Rotation) change(w work) site.ChangePassword {
	return site.ChangePassword{Account: r.spec.Account, Old: secret.Ref{Name: r.ref.Name, Version: w.before}, Secret: r.ref}
}

// trying is the phase of the logons: where they follow a change that has no way back they stand beside it.
func (r *Rotation) trying(w work) reconciler.Phase {
	if r.changes(w) {
		return reconciler.Switch
	}
	return reconciler.Accept
}

// tries are logons before anything stops, on one host before the others: a wrong password is tried once.
func (r *Rotation) tries(w work) []reconciler.Step {
	var steps []reconciler.Step
	known := map[string]bool{}
	for _, m := range w.set {
		if known[m.host] {
			continue
		}
		known[m.host] = true
		s := reconciler.Step{Phase: r.trying(w), Op: r.try(m), Back: reconciler.Nothing(), Once: true, Proof: true}
		switch {
		case len(steps) > 0:
			s.After = []string{reconciler.StepID(r.trying(w), r.try(w.set[0]))}
			s.Alone = m.who.Noun != ""
		case r.changes(w):
			s.After = []string{reconciler.StepID(r.trying(w), r.change(w))}
		}
		steps = append(steps, s)
	}
	return steps
}

func (r *Rotation) try(m member) site.TryLogon {
	return site.TryLogon{Host: m.host, Account: r.spec.Account, Secret: r.ref, Who: m.who}
}

func (r *Rotation) set(m member) site.SetLogon {
	return site.SetLogon{Host: m.host, Service: m.component.Service, Account: r.spec.Account, Secret: r.withPassword(), Who: m.who}
}

// setStep stores the logon before the service stops, whoever stops it and why: with the old password it would not come up again.
func (r *Rotation) setStep(w work, m member) reconciler.Step {
	s := reconciler.Step{Phase: reconciler.Switch, Op: r.set(m), Back: r.back(m), Alone: m.who.Noun != "", Vital: r.password && !m.other(),
		Before: []string{site.StepOf(stop(m)), site.StepOf(start(m))}}
	for _, other := range w.set { // no service is touched before the password was tried, by those that all wait for
		if id := reconciler.StepID(r.trying(w), r.try(other)); r.changes(w) && (other.who.Noun == "" || other.host == m.host) && !slices.Contains(s.After, id) {
			s.After = append(s.After, id)
		}
	}
	return s
}

// back is the way back from a logon that was set.
func (r *Rotation) back(m member) reconciler.Back {
	was := m.service.Account
	switch {
	case !m.other() && r.password:
		return reconciler.Never("the old password of " + r.spec.Account + " is dead")
	case !m.other():
		return reconciler.Nothing()
	case site.Passwordless(was):
		op := r.set(m)
		op.Account, op.Secret.Name, op.Secret.Version = was, "", ""
		return reconciler.Way(op)
	}
	return reconciler.Never("the password of " + was + " is not known here")
}

func stop(m member) site.StopService {
	return site.StopService{Host: m.host, Service: m.component.Service, Timeout: reconciler.Span(m.component.StopTimeout.Of()), Dependents: m.dependents, Who: m.who}
}

func start(m member) site.StartService {
	return site.StartService{Host: m.host, Service: m.component.Service, Timeout: reconciler.Span(m.component.StartTimeout.Of()), Dependents: m.dependents, Who: m.who}
}

func (r *Rotation) ready() site.AwaitReady {
	return site.AwaitReady{Timeout: reconciler.Span(r.api.ReadyTimeout.Of())}
}

func admin(m member) bool { return m.who.Name == site.AdminLabel }

// restarts start Admin before Engine and relays.
func (r *Rotation) restarts(w work) []reconciler.Step {
	var steps []reconciler.Step
	first := slices.IndexFunc(w.bounce, admin)
	for i, m := range w.bounce {
		b := site.Bounce{Stop: stop(m), Start: start(m), WasDown: m.stopped, Alone: m.who.Noun != ""}
		if first >= 0 && i != first {
			b.StartAfter = append(b.StartAfter, site.StepOf(start(w.bounce[first])), site.StepOf(r.ready()))
		}
		steps = append(steps, b.Steps()...)
		if i == first && r.hasAPI {
			steps = append(steps, reconciler.Step{Phase: reconciler.Switch, Op: r.ready(), Back: reconciler.Way(r.ready()), After: []string{site.StepOf(b.Start)}})
		}
	}
	return steps
}

// proofs ask every process whose it is. On the way back they ask whether it is as it was.
func (r *Rotation) proofs(w work) []reconciler.Step {
	var steps []reconciler.Step
	for _, m := range w.bounce {
		op := site.ProveLogon{Host: m.host, Service: m.component.Service, Account: r.spec.Account, Secret: r.withPassword(), Stable: reconciler.Span(m.component.Stable.Of()), Who: m.who}
		back := reconciler.Nothing()
		if !m.stopped {
			was := op
			was.Account, was.Secret.Name, was.Secret.Version = m.service.Account, "", ""
			back = reconciler.Way(was)
		}
		if !m.set {
			op.Since = m.stored.At
		}
		steps = append(steps, reconciler.Step{Phase: reconciler.Verify, Op: op, Back: back, Alone: m.who.Noun != ""})
	}
	for _, m := range w.set {
		if w.later && !r.starts(w, m) {
			op := site.ProveLogon{Host: m.host, Service: m.component.Service, Account: r.spec.Account, Secret: r.withPassword(), Later: true,
				Stable: reconciler.Span(m.component.Stable.Of()), Who: m.who}
			steps = append(steps, reconciler.Step{Phase: reconciler.Verify, Op: op, Back: reconciler.Nothing(), Alone: m.who.Noun != ""})
		}
	}
	if r.hasAPI && slices.ContainsFunc(w.bounce, admin) {
		ready := r.ready()
		ready.As = r.api.Ready + " answers"
		steps = append(steps, reconciler.Step{Phase: reconciler.Verify, Op: ready, Back: reconciler.Nothing()})
	}
	return steps
}

// What a restart takes where no earlier run measured it, in seconds.
const guessRestart = 9

func (r *Rotation) predict(in reconciler.Input, w work) []state.Outage {
	last := map[string]float64{}
	for _, o := range in.History.Outages(r.ref.Name) {
		last[o.What] = o.Measured
	}
	var all []state.Outage
	for _, m := range w.bounce {
		what := m.who.Name
		if m.who.Noun != "" {
			what = m.who.Noun + "s"
		}
		if n := len(all); n > 0 && all[n-1].What == what {
			all[n-1].Members = append(all[n-1].Members, m.who.Name)
			continue
		}
		o := state.Outage{What: what, Predicted: guessRestart, Members: []string{m.who.Name}}
		if measured, ok := last[what]; ok {
			o.Predicted = measured
		}
		all = append(all, o)
	}
	return all
}
