package sqllogin

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// work is what is left to do.
type work struct {
	sight
	edit    bool       // at least one file is swapped
	alter   []instance // where the login gets the password in this run
	anew    []instance // replicas whose password somebody set since
	taken   bool       // the login has the declared password already: the old one is dead, or is as good as that
	bounce  []holder   // services that stop and start, Admin first
	revive  []holder   // running, with dependents that an earlier run stopped
	tidy    []holder   // with leftovers of an earlier run
	mint    bool
	about   string       // what the declared password's store says of it
	ends    []end        // what is disabled now
	replace string       // a login that was replaced, one that is enabled where there is any
	enabled []string     // all of them that are enabled anywhere
	left    []left       // all that were replaced, by the ledger and the files
	known   []site.Known // logins that others know, since an emergency
	strange []string     // logins in the files that are not declared, and that no run has brought there
	stuck   []stuck      // those of left that cannot be ended
}

func (w work) none() bool {
	return !w.edit && len(w.alter) == 0 && len(w.bounce) == 0 && len(w.revive) == 0 && len(w.tidy) == 0 && !w.pending && len(w.ends) == 0
}

// Plan compares the live strings with the declared version.
func (r *Rotation) Plan(in reconciler.Input) reconciler.Change {
	s := r.look(in)
	c := reconciler.Change{Secret: r.ref, Title: "SQL login", Before: r.before(in, s), Findings: r.guard(in, s), Beside: site.Exposed(in.Seen, r.Reads()), Keepers: site.Copies(in.Seen, r.Reads())}
	if r.spec.Mode == integrated {
		return r.planIntegrated(in, c, s)
	}
	c.Due, _ = in.History.Due(name, r.spec.Every.Of())
	w := r.need(in, s)
	c.Unseen, c.Still = r.unlooked(w), r.still(in, w)
	if w.pending {
		c.Live = r.held(s)
	}
	c.Findings = append(c.Findings, r.guardReach(w)...)
	for _, t := range r.trials() {
		wait := site.Awaiting{Trial: t, Admin: s.admin().service, Timeout: r.api.ReadyTimeout.Of(), Used: !w.none(), Pending: w.pending,
			Cure: s.admin().stale || !s.admin().accepted()}
		if f, vain := wait.Finding(in); vain {
			c.Findings = append(c.Findings, f)
			break // the dashboard of an Admin that is not ready says no more
		}
	}
	if w.edit {
		c.Findings = append(c.Findings, r.guardTarget(in, s)...)
	}
	c.Findings = append(append(c.Findings, r.guardActive(in, w)...), r.guardChangedEverywhere(w)...)
	if len(w.anew) > 0 && !r.alters() {
		c.Findings = append(c.Findings, site.Warning("password-set-anew", fmt.Sprintf("%s: the password of %s was set after version %s was proven there", serversOf(w.anew), w.target, r.ref.Version),
			"find out who; set it to the version in the files there, or the product cannot sign in after a failover"))
	}
	c.Findings = append(c.Findings, r.guardBeside(w)...)
	c.Findings = append(append(c.Findings, r.guardStays(in, w)...), r.guardLasting(in, w)...)
	c.Keepers = append(c.Keepers, r.keepers(in, w)...)
	c.Overlaps = r.overlaps(in, w)
	c.Findings = append(c.Findings, r.guardRetire(in, w)...)
	if f, wrong := site.KeptFinding(in, r.ref, w.edit || len(w.alter) > 0); wrong {
		c.Findings = append(c.Findings, f)
	}
	if f, back := site.BackFinding(in, r.ref, w.edit || len(w.alter) > 0); back {
		c.Findings = append(c.Findings, f)
	}
	c.Down, c.Returned = site.LeftDown(in, r.ref, site.Each(s.holders, func(h holder) site.Watched {
		return site.Watched{Host: h.host, Service: h.component.Service, What: h.label, Seen: h.service, Machine: h.machine, Works: true}
	}))
	switch blocked := reconciler.Blocked(c.Findings); {
	case blocked && w.none() && s.whole() && s.main().seen != nil && !s.declared(r.ref.Version):
		c.Status, c.Reason = reconciler.Refused, site.Unopened(in, r.ref, r.reason(in, w))
	case blocked && w.none() && s.whole() && s.main().seen != nil:
		c.Status, c.Reason = reconciler.Refused, r.ref.Version+" is in both files, and a guard objects"
	case blocked && w.none():
		c.Status, c.Reason = reconciler.Unknown, "not everything could be looked at"
	case blocked:
		c.Status, c.Reason = reconciler.Refused, site.Unopened(in, r.ref, r.reason(in, w))
	case w.none():
		c.Status, c.Before, c.Reason = reconciler.AsDeclared, r.ref.Version, r.asDeclared(in, w)
	default:
		c.Status, c.Reason = reconciler.Rotate, r.reason(in, w)
		c.Rounds = r.rounds(in, w)
		c.Left = r.awayFrom(in, w)
		for _, t := range c.Left {
			c.Unreached = append(c.Unreached, r.takes(w, t.Name)...)
		}
		c.LeftWhy = r.leftWhy(w)
		c.Outages = r.predict(in, w)
	}
	return c
}

// need finds the work.
func (r *Rotation) need(in reconciler.Input, s sight) work {
	w := work{sight: s}
	if s.value != nil {
		w.mint, w.about = !s.value.Kept, s.value.About
	}
	if !s.whole() {
		return w
	}
	swapped, accepted := false, false
	for _, h := range s.holders {
		w.edit = w.edit || h.edit
		swapped = swapped || h.declared(r.ref.Version) && !h.edit
		tried := cmp.Or(h.node.signIn.Login, h.says.User) // who signed in with the declared version
		accepted = accepted || h.signIn != nil && h.signIn.Declared == site.Accepted && strings.EqualFold(tried, w.target)
	}
	w.anew = r.setAnew(in, w)
	doubted := r.spec.Mode == single && s.halfChanged() || slices.ContainsFunc(w.behind, w.isMain)
	w.taken = swapped && !(doubted && s.refused()) || accepted // a file is swapped only after the login was proven
	w.alter = r.alterOn(w)
	for i, h := range s.holders {
		shared := i > 0 && h.host == s.admin().host && h.component.Service == s.admin().component.Service && h.component.Settings == s.admin().component.Settings
		switch {
		case shared: // one service has both parts
		case w.edit || h.stale || h.stopped: // both stop for an edit: they never run on two strings
			w.bounce = append(w.bounce, h)
		case len(h.lost) > 0:
			w.revive = append(w.revive, h)
		}
		if !shared && site.Leftover(in, r.ref.Name, h.host, h.component.Settings, h.setting.Base) {
			w.tidy = append(w.tidy, h)
		}
	}
	r.needRetire(in, &w)
	return w
}

// alterOn are the instances on which the password is set, the one that the strings lead to last. Where that has it already, a run
// was cut off, or failed, and nobody knows of which others it had come to: it is set there again, and proven.
func (r *Rotation) alterOn(w work) []instance {
	if !r.alters() || w.target == "" {
		return nil
	}
	undone := r.spec.Mode == single && w.halfChanged() // an unfinished run of another version may have come to any of them
	if !w.edit && !w.pending && !undone {
		return slices.Concat(w.behind, w.anew)
	}
	return slices.DeleteFunc(w.replicasFirst(), func(i instance) bool {
		if w.isMain(i) {
			return w.taken
		}
		return w.contained(w.target) // it goes with the database
	})
}

// setAnew are the replicas on which the password was set after the declared version was proven there: nobody notices before a
// failover. That of the strings' own server is known better, by a sign-in.
func (r *Rotation) setAnew(in reconciler.Input, w work) []instance {
	if since, ok := in.History.Since(name); !ok || since.Version != r.ref.Version || w.target == "" || w.contained(w.target) {
		return nil
	}
	return slices.DeleteFunc(w.reached(), func(i instance) bool {
		l := i.login(w.target)
		return w.isMain(i) || slices.ContainsFunc(w.behind, i.same) || l == nil || !site.SetAnew(in.History, name, i.seen.Name, l)
	})
}

// leftBehind are the instances on which the live version was never proven: they were away, and tolerated, or are declared since. That
// the strings sign in says more of their own server.
func (r *Rotation) leftBehind(in reconciler.Input, s sight) []instance {
	since, ok := in.History.Since(name)
	undone := r.spec.Mode == single && s.halfChanged() // it is set everywhere
	if !ok || undone || since.Version != r.ref.Version || !r.alters() || len(s.instances) < 2 || s.target == "" || s.contained(s.target) {
		return nil
	}
	return site.Where(s.reached(), func(i instance) bool {
		l := i.login(s.target)
		return l != nil && l.Exists && i.has != r.ref.Version && (!s.isMain(i) || s.refused())
	})
}

// awayFrom are the instances that the document tolerates away, and that do not have what they are to have, or have what others know.
func (r *Rotation) awayFrom(in reconciler.Input, w work) (all []reconciler.Target) {
	for _, i := range w.instances {
		if i.seen == nil && (i.tolerated || w.downOnWhatWorks()) || r.waived(i) && !w.isMain(i) {
			behind := (w.edit || i.has != r.ref.Version) && !w.contained(w.target)
			if behind || in.Compromised(r.ref) != "" && len(r.takesOut(w, i.server)) > 0 {
				all = append(all, site.SQL(i.server))
			}
		}
	}
	return all
}

// takes is what a later run does on an instance that was away.
func (r *Rotation) takes(w work, server string) (all []reconciler.Step) {
	if all = r.takesOut(w, server); len(all) > 0 {
		return all
	}
	return []reconciler.Step{{Phase: reconciler.Switch, Op: site.AlterLogin{Server: server, Login: w.target, Turns: r.spec.Mode == alternating || !r.named(w.sight, w.target)}}}
}

// takesOut is what ends the logins that were replaced there. A user is where the database is.
func (r *Rotation) takesOut(w work, server string) (all []reconciler.Step) {
	for _, l := range w.left {
		if r.alters() && !w.user(l.login) {
			all = append(all, reconciler.Step{Phase: reconciler.Retire, Op: site.RetireLogin{Server: server, Login: l.login}})
		}
	}
	return all
}

// before is the version that was live before the rotation began.
func (r *Rotation) before(in reconciler.Input, s sight) string {
	if e, ok := in.History.Unfinished(name, r.ref.Version); ok && e.Before != "" {
		return e.Before
	}
	return r.held(s)
}

func serversOf(some []instance) string {
	var names []string
	for _, i := range some {
		names = append(names, i.server)
	}
	return strings.Join(names, ", ")
}

// held is the version that is live now: another than the declared one, where there is one.
func (r *Rotation) held(s sight) string {
	for _, h := range s.holders {
		if h.whole() && h.setting.Version != r.ref.Version {
			return h.setting.Version
		}
	}
	if s.admin().whole() {
		return s.admin().setting.Version
	}
	return ""
}

// What a service takes where no earlier run measured it, in seconds.
const guessRestart, guessReady = 9, 3

// predict says how long what will be down: Engine is down around Admin.
func (r *Rotation) predict(in reconciler.Input, w work) []state.Outage {
	last := map[string]float64{}
	for _, o := range in.History.Outages(name) {
		last[o.What] = o.Measured
	}
	var all []state.Outage
	for i, h := range w.bounce {
		o := state.Outage{What: h.label, Predicted: guessRestart, Members: []string{h.label}}
		if i > 0 {
			o.Predicted += guessReady
		}
		if m, ok := last[h.label]; ok {
			o.Predicted = m
		}
		all = append(all, o)
	}
	return all
}
