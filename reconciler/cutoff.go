package reconciler

import (
	"errors"
	"fmt"
	"slices"

	"meshrotate/specs"
	"meshrotate/state"
)

// dependsOn tells of the relays that are cut off while Admin is down, where no change says it more exactly: who depends on whom is the
// product's, whichever secret is the reason. When each is back nobody looks at: it is not before Admin.
func (p *Plan) dependsOn(d *specs.Deployment) {
	if len(d.Relays()) == 0 {
		return
	}
	names := map[string]bool{} // of Admin's service in the outages
	for _, s := range p.Steps() {
		if o, ok := s.Op.(Serving); ok && s.Op.Target() == (Target{HostTarget, d.Hosts.Admin}) {
			if what, service := o.Serves(); service == d.Product.Admin.On(d.Hosts.Admin).Service {
				names[what] = true
			}
		}
	}
	exact := slices.ContainsFunc(p.Changes, func(c Change) bool {
		return c.Status == Rotate && slices.ContainsFunc(c.Outages, func(o state.Outage) bool { return o.With != "" })
	})
	for i, c := range p.Changes {
		if exact || c.Status != Rotate {
			continue
		}
		for _, o := range c.Outages {
			if names[o.What] {
				p.Changes[i].Outages = append(slices.Clone(c.Outages), state.Outage{What: "relays cut off", Predicted: o.Predicted, With: o.What})
			}
		}
	}
}

// cutOff are those of the targets left behind that cannot work: what they depend on was changed, and nothing was there, or as far as
// anybody knows; or they have what they are to have, and their proof says that they do not work. While that
// is down itself for certain, it is what brings them back. And what an earlier run cut off, of secrets about which this one does nothing, or that went
// back to what that one left.
func (p *progress) cutOff(left []LeftBehind, ended []Ended) (all []Down) {
	add := func(d Down) {
		_, down := p.clock.now[d.What]
		if !down && !slices.ContainsFunc(all, func(o Down) bool { return o.What == d.What }) {
			all = append(all, d)
		}
	}
	for _, c := range p.rotating() {
		for _, o := range c.Outages {
			changed, sure := p.changed(c, o.With)
			if d, down := p.clock.now[o.With]; o.With == "" || down && !d.Unsure || !changed {
				continue
			}
			for _, l := range left {
				since, own := p.clock.since(cutOff(l.Target.Name)), p.clock.since(l.Target.Name)
				sooner := p.clock.sooner(cutOff(l.Target.Name))
				if since.IsZero() || !own.IsZero() && own.Before(since) {
					since, sooner = own, p.clock.sooner(l.Target.Name)
				}
				unseen, why := slices.Contains(o.Unseen, l.Target.Name), l.Why
				if unseen {
					why = fmt.Errorf("%w; nor was it seen to work when this run looked", l.Why)
				}
				lacks := !p.touched[l.Target] || p.unsure[l.Target] // what was sent to it may not have come that far
				if (unseen || slices.Contains(o.Members, l.Target.Name)) && slices.Contains(l.Secrets, c.Secret.Name) && !since.IsZero() && (lacks || p.unproven[l.Target]) {
					add(Down{What: l.Target.Name, Target: l.Target, Since: since, Sooner: unseen || sooner, CutOff: true, Unsure: !sure || p.touched[l.Target] && !p.unproven[l.Target], Why: why})
				}
			}
		}
	}
	for _, d := range slices.Concat(p.unshownAlone(left), p.run.Plan.CutOff()) {
		add(d)
	}
	for _, e := range ended {
		for _, d := range e.Change.cutOff() {
			if e.Ending == state.Back {
				d.Why = errCutOffBefore
				if d.Found {
					d.Why = Hinted(fmt.Errorf("%s; and everything went back to what this run found", d.Cause), cutOffEnds)
				}
				add(d)
			}
		}
	}
	for _, c := range p.rotating() {
		for _, d := range c.Down {
			if d.CutOff && !p.clock.since(d.What).IsZero() { // it runs again since an earlier run, and has not worked yet
				add(d)
			}
		}
	}
	for _, d := range p.upset() {
		add(d)
	}
	return all
}

// unshownAlone are those that this run stopped and started, or found stopped and started, while what they depend on was let be, and
// whose proof says that they do not work.
func (p *progress) unshownAlone(left []LeftBehind) (all []Down) {
	for _, l := range left {
		name := l.Target.Name
		since, sooner := p.clock.since(name), p.clock.sooner(name)
		if since.IsZero() && p.clock.back[name] {
			since, sooner = p.run.Now(), true
		}
		if p.unproven[l.Target] && p.touched[l.Target] && !since.IsZero() {
			all = append(all, Down{What: name, Target: l.Target, Since: since, Sooner: sooner, CutOff: true, Why: l.Why})
		}
	}
	return all
}

// upset are those with which a secret failed that went back before its switch: what stood in the way, as that somebody changed a file
// meanwhile, may have cut them off. Whether it has is asked at the end.
func (p *progress) upset() (all []Down) {
	for _, c := range p.rotating() {
		for _, o := range c.Outages {
			for _, name := range slices.Concat(o.Members, o.Unseen) {
				t := Target{HostTarget, name}
				if why := p.broke[t]; why != nil && o.With != "" && p.ending[c.Secret.Name] == state.Back && !p.switching {
					all = append(all, Down{What: name, Target: t, Found: true, CutOff: true, Why: why})
				}
			}
		}
	}
	return all
}

var errCutOffBefore = Hinted(errors.New("an earlier run cut it off, and everything went back to what that one left"), cutOffEnds)

// changed says that what is called so has what this secret is to be, or may have, and whether it is sure that it runs with it. Where
// this run did not change it, the plan has seen it.
func (p *progress) changed(c Change, what string) (changed, sure bool) {
	changed, sure = true, true
	for _, s := range p.all {
		if s.edits() && s.needs(c.Secret.Name) && s.Op.Target() == p.clock.where[what].Target {
			changed, sure = p.began(s), p.done[s.ID] && slices.ContainsFunc(p.all, func(o Step) bool {
				serves, ok := o.Op.(Serving)
				if !ok || !p.done[o.ID] || !p.before.any(o, func(b Step) bool { return b.ID == s.ID }) || p.tries(o) > 1 { // somebody may have started it between two tries
					return false
				}
				name, _ := serves.Serves()
				return name == what
			})
		}
	}
	return changed, sure
}

// tries counts how often a step was begun in this round.
func (p *progress) tries(s Step) (n int) {
	for _, o := range p.ran {
		if o.ID == s.ID {
			n++
		}
	}
	return n
}
