package relaykey

import (
	"slices"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// work is what is left to do.
type work struct {
	admin                member
	edit, restart, prove []member // relays
	editAdmin, bounce    bool     // bounce: Admin restarts
	tidy                 []member // nodes with leftovers of an earlier run
	revive               []member // nodes whose service runs, with dependents that an earlier run stopped
	mint, pending        bool
	about                string // what the declared value's store says of it
	half                 bool   // some hold the declared version, others do not
	left                 []member
	// silent are relays that have read the key and had time to connect, and of which Admin's list says nothing: neither a restart nor
	// a wait changes that.
	silent []member
	// vain are relays that have the key, and that earlier runs have started anew and left behind, as nothing shows that they are connected.
	vain []member
	list *site.RelaysSeen
	// listing is the list with its time.
	listing site.Listing
	// directory is which entry of the list stands for which relay.
	directory site.Directory
}

func (w work) none() bool {
	return !w.editAdmin && !w.bounce && len(w.edit) == 0 && len(w.restart) == 0 && len(w.tidy) == 0 && len(w.revive) == 0 && !w.pending
}

// Plan compares the live keys with the declared version.
func (r *Rotation) Plan(in reconciler.Input) reconciler.Change {
	admin, relays, directory := r.look(in)
	c := reconciler.Change{Secret: r.ref, Title: "relay key", Before: r.before(in, admin, relays), Beside: site.Exposed(in.Seen, r.Reads()), Keepers: site.Copies(in.Seen, r.Reads())}
	c.Due, _ = in.History.Due(r.ref.Name, r.spec.Every.Of())
	findings, left, lost := r.guard(in, admin, relays, directory)
	w := r.need(in, admin, relays, left)
	w.directory = directory
	findings = append(findings, w.away(lost)...)
	findings = append(findings, r.preflight(in, w, append([]member{admin}, relays...))...)
	if !w.none() && asked(in) {
		findings = append(findings, r.awayBefore(in, w, admin, relays)...)
	}
	if w.pending {
		c.Live = r.held(admin, relays)
	}
	if f, wrong := site.KeptFinding(in, r.ref, w.editAdmin || len(w.edit) > 0); wrong {
		findings = append(findings, f)
	}
	if f, back := site.BackFinding(in, r.ref, w.editAdmin || len(w.edit) > 0); back {
		findings = append(findings, f)
	}
	findings = append(findings, r.readable(in, w, admin, relays)...)
	wait := site.Awaiting{Trial: r.ready(), Admin: admin.service, Timeout: r.api.ReadyTimeout.Of(), Used: !w.none(), Pending: w.pending}
	if f, vain := wait.Finding(in); vain {
		findings = append(findings, f)
	}
	c.Findings = findings
	blocked := reconciler.Blocked(findings)
	cut, back := r.cutOff(in, w)
	c.Down, c.Returned = site.LeftDown(in, r.ref, site.Each(append([]member{admin}, relays...), member.watched))
	c.Returned = append(c.Returned, back...)
	var refused []member
	if blocked {
		refused = site.Where(relays, func(l member) bool {
			return lookedInto(in.Seen, l) && !slices.ContainsFunc(w.left, func(o member) bool { return o.host == l.host })
		})
	}
	from := site.DownFrom{At: cut.Since, Sooner: cut.AtLeast}
	if said, _ := in.History.LastWord(r.ref.Name, cut.What); from.At.IsZero() {
		from = site.DownFrom{At: said.Since, Sooner: said.Sooner}
	}
	c.Down = append(c.Down, r.stillCutOff(in, w, w.notVain(refused), c.Down, from)...)
	c.Down = append(c.Down, r.inVain(in, w)...)
	if blocked && len(r.awayBefore(in, w, admin, relays)) == 0 {
		c.Findings = append(c.Findings, notConnected(in, w, relays)...)
	}
	switch {
	case blocked && w.none():
		c.Status, c.Reason = reconciler.Unknown, "not everything could be looked at"
		if admin.whole() && len(site.Where(relays, member.whole)) == len(relays) && asked(in) {
			c.Status, c.Reason = reconciler.Refused, r.ref.Version+" is live everywhere, and a guard objects"
			if over := site.Where(append([]member{admin}, relays...), member.overridden); len(over) > 0 {
				c.Reason = r.ref.Version + " is in every file, and " + over[0].host + " reads another key, or will at its next start"
				c.Findings = append(c.Findings, w.disconnected(admin, relays)...)
			}
		}
		return c
	case blocked:
		c.Status, c.Reason = reconciler.Refused, site.Unopened(in, r.ref, r.reason(w, cut)+apart(w, relays, cut))
		return c
	case w.none():
		c.Status, c.Before = reconciler.AsDeclared, r.ref.Version
		c.Reason = r.asDeclared(relays)
		c.Findings = append(c.Findings, w.disconnected(admin, relays)...)
		return c
	}
	c.Status, c.Reason = reconciler.Rotate, r.reason(w, cut)+apart(w, relays, cut)
	c.Down = append(c.Down, w.foundApart(relays, cut)...)
	c.Tolerate, c.Left = r.tolerance, site.LeftOf(hosts(w.left))
	for _, l := range w.left {
		c.Unreached = append(c.Unreached, site.LeftBehind(site.Swap{Host: l.host, Path: l.component.Settings})...)
	}
	c.Rounds = []reconciler.Round{{Steps: r.steps(w)}}
	c.Outages = r.predict(in, w, cut)
	return c
}

func (l member) watched() site.Watched {
	return site.Watched{Host: l.host, Service: l.component.Service, What: l.who.Name, Seen: l.service, Machine: l.machine, Relay: l.relay,
		StopTimeout: l.component.StopTimeout.Of(), Works: l.whole() && (l.who.Noun == "" || l.connected())}
}

// lookedInto says that a look asked for more than a relay's service: a run that is limited to other secrets learns no more, and says no more.
func lookedInto(seen reconciler.Seen, l member) bool {
	look := seen[site.Host(l.host)]
	_, is := look.Results[l.node.setting.Key()]
	return is || look.Reach != reconciler.Reached
}

// need finds the work.
func (r *Rotation) need(in reconciler.Input, admin member, relays, left []member) work {
	w := work{admin: admin, left: left, list: site.Answer[site.RelaysSeen](in.Seen, site.Relays{}), listing: r.listing(in)}
	v := site.Answer[site.ValueSeen](in.Seen, site.Value{Secret: r.ref})
	if v != nil {
		w.mint, w.about = !v.Kept, v.About
	}
	_, w.pending = in.History.Pending(r.ref.Name, r.ref.Version)
	last, _ := in.History.LastProven(r.ref.Name)
	if admin.whole() {
		w.editAdmin = admin.edit
		w.bounce = admin.edit || admin.stale || admin.stopped
		if site.Leftover(in, r.ref.Name, admin.host, admin.component.Settings, admin.setting.Base) {
			w.tidy = append(w.tidy, admin)
		}
		if len(admin.lost) > 0 && !w.bounce {
			w.revive = append(w.revive, admin)
		}
	}
	for _, l := range relays {
		if !l.whole() {
			continue
		}
		silent := w.list != nil && l.relay == nil && l.sure() && admin.whole() && r.upFor(in, admin, l) > r.api.ConnectedTimeout.Of()
		waits := r.leftWaiting(in, w, l)
		tried := waits && r.startedInVain(in, l) >= mostStarts
		// A relay that the last run left behind, and that is still not connected, is tried again.
		again := !l.connected() && (w.pending || slices.Contains(last.Left, l.host)) && !silent && !tried
		if l.edit {
			w.edit = append(w.edit, l)
		}
		if l.edit || l.stale || l.stopped || w.editAdmin || again {
			w.restart = append(w.restart, l)
		} else if len(l.lost) > 0 {
			w.revive = append(w.revive, l)
		}
		vain := waits && !again
		if !vain && site.Leftover(in, r.ref.Name, l.host, l.component.Settings, l.setting.Base) { // else when it is seen to work
			w.tidy = append(w.tidy, l)
		}
		if vain {
			w.vain = append(w.vain, l)
		} else if silent && !w.bounce && !w.pending && !l.edit && !l.stopped {
			w.silent = append(w.silent, l)
			continue
		}
		w.prove = append(w.prove, l)
	}
	edited := len(w.edit)
	whole := len(w.prove) + len(w.silent)
	if admin.whole() {
		whole++
		if admin.edit {
			edited++
		}
	}
	w.half = edited > 0 && edited < whole
	return w
}

// before is the version that was live before the rotation began.
func (r *Rotation) before(in reconciler.Input, admin member, relays []member) string {
	if e, ok := in.History.Unfinished(r.ref.Name, r.ref.Version); ok && e.Before != "" {
		return e.Before
	}
	return r.held(admin, relays)
}

// held is the version that is live now: what Admin holds, or what the relays do when Admin is ahead of them.
func (r *Rotation) held(admin member, relays []member) string {
	for _, l := range append([]member{admin}, relays...) {
		if l.whole() && l.setting.Version != r.ref.Version {
			return l.setting.Version
		}
	}
	if admin.whole() {
		return admin.setting.Version
	}
	return ""
}
