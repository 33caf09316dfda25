package relaykey

import (
	"cmp"
	"slices"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// apart says who cannot work as it has another key than Admin, where the reason does not.
func apart(w work, relays []member, cut state.Outage) string {
	off := site.Where(relays, w.apart)
	if len(off) == 0 || !cut.Since.IsZero() && !w.editAdmin {
		return ""
	}
	return "; " + cmp.Or(cutSince(whoIs(off)+" cut off", cut), whoIs(off)+" cut off") + ": Admin has another key"
}

// apart says that a relay runs, and cannot work: it has another key than Admin, which has not heard of it of late, or does not run.
func (w work) apart(l member) bool {
	if !w.admin.whole() || !l.whole() || !l.service.Running() || w.listing.Heard(l.listed()) || w.list == nil && !w.admin.stopped {
		return false
	}
	a, b := w.admin.setting, l.setting
	return a.Mark != "" && b.Mark != "" && a.Mark != b.Mark
}

// foundApart are those that are cut off so, and of which no run knows since when: nothing brings them back where this one goes back.
func (w work) foundApart(relays []member, cut state.Outage) (all []reconciler.Down) {
	for _, l := range site.Where(relays, w.apart) {
		if cut.Since.IsZero() {
			all = append(all, reconciler.Down{What: l.host, Target: site.Host(l.host), Found: true, CutOff: true, Cause: "it has another key than Admin"})
		}
	}
	return all
}

func cutSince(who string, cut state.Outage) string {
	text := who + " since " + cut.Since.UTC().Format("2006-01-02 15:04:05 UTC")
	switch {
	case cut.Since.IsZero():
		return ""
	case cut.AtMost:
		return text + ", or later"
	case cut.AtLeast:
		return text + " at the latest"
	}
	return text
}

// stillCutOff are the relays that a rotation left behind, and that cannot be looked at still, or that nothing is done about as the rest is
// refused: they have another key than Admin, until they are seen to work. A file that somebody has mended by hand since is none that
// the process has read. So are those of the refused that are seen to have another one, whoever did that.
func (r *Rotation) stillCutOff(in reconciler.Input, w work, refused []member, down []reconciler.Down, from site.DownFrom) (all []reconciler.Down) {
	last, _ := in.History.LeftBehind(r.ref.Name)
	if w.admin.whole() && w.admin.setting.Version != last.Version {
		last.Left = nil // Admin has not what they lack
	}
	for _, l := range append(slices.Clone(w.left), refused...) {
		stopped := slices.ContainsFunc(down, func(d reconciler.Down) bool { return d.What == l.host })
		if !stopped && w.apart(l) {
			all = append(all, reconciler.Down{What: l.host, Target: site.Host(l.host), Since: from.At, Sooner: from.Sooner, CutOff: true, Unsure: l.connected(), Cause: "it has another key than Admin"})
			continue
		}
		if stopped || !slices.Contains(last.Left, l.host) || w.listing.Heard(l.listed()) {
			continue
		}
		alike := l.whole() && w.admin.whole() && l.setting.Alike(w.admin.setting) && !l.stale
		cause := "an earlier run gave Admin another key and left it behind"
		switch {
		case !l.whole():
			cause += "; its host cannot be looked at"
		case alike:
			cause = "an earlier run left it behind, as it was not seen to work after its start"
		}
		d := reconciler.Down{What: l.host, Target: site.Host(l.host), Since: from.At, Sooner: from.Sooner, CutOff: true, Unsure: w.list == nil || l.connected() || alike && w.dark(l), Cause: cause}
		if from.At.IsZero() { // that run found Admin stopped: it knew only that it left this one without the key
			d.Since, d.Sooner = last.Time, true
		}
		all = append(all, d)
	}
	return all
}

// cutOffLabel is how that is called in the outages.
const cutOffLabel = "relays cut off"

// cutOff is which relays cannot work, though they run: Admin is down, or has another key than they. When an earlier run stopped
// Admin, and was cut off or left relays behind, it is since then, or was until the look when all are seen connected.
func (r *Rotation) cutOff(in reconciler.Input, w work) (o state.Outage, back []reconciler.Returned) {
	o = state.Outage{What: cutOffLabel, With: w.admin.who.Name}
	running := w.notVain(slices.Concat(w.prove, w.silent))
	if len(running)+len(w.left) == 0 || !w.admin.whole() {
		return o, nil
	}
	if w.admin.edit || w.admin.stale {
		// Who is left behind is cut off until a later run finishes it. One that runs with Admin's key, and that Admin did not have before,
		// may be cut off by something else, or connect a moment after the look; one whose host is away may never have worked.
		for _, l := range slices.Concat(running, w.left) {
			if l.connected() || w.list == nil || l.whole() && (l.relay == nil || w.apart(l)) {
				o.Members = append(o.Members, l.host)
			} else {
				o.Unseen = append(o.Unseen, l.host)
			}
		}
	}
	o.AtLeast = slices.ContainsFunc(running, w.apart) // they were cut off before this run, and nobody knows since when
	from, began := site.StopBegan(in.History, r.ref, w.admin.host, w.admin.component.Service, o.What)
	at := from.At
	if !began || w.admin.service.RunsSince(at, w.admin.machine) {
		return r.leftAlone(in, w, o), nil
	}
	off := site.Where(running, func(l member) bool {
		return !l.setting.Alike(w.admin.setting) || l.stopped || !l.connected() || l.stale && !l.relay.HeardAfter(w.admin.service.StartedAt)
	})
	off = append(off, w.left...)
	if len(off) == 0 && (len(w.vain) > 0 || in.Now.Before(at)) { // which goes on for those; or by a clock that was wrong
		return o, nil
	}
	if len(off) == 0 {
		return o, []reconciler.Returned{{What: o.What, Since: at, UpBy: in.Now, Sooner: from.Sooner}}
	}
	if o.Since, o.AtLeast, o.AtMost = at, from.Sooner, from.Later; len(o.Members) == 0 {
		o.Members, o.Unseen = hosts(off), nil
	}
	return o, nil
}

// leftAlone adds those that an earlier run started again while it let Admin be, and left behind, as they were not seen to work: since then,
// or before.
func (r *Rotation) leftAlone(in reconciler.Input, w work, o state.Outage) state.Outage {
	last, _ := in.History.LeftBehind(r.ref.Name)
	if len(o.Members)+len(o.Unseen) > 0 || last.Version != r.ref.Version {
		return o
	}
	for _, l := range w.notVain(slices.Concat(w.prove, w.silent)) {
		if !slices.Contains(last.Left, l.host) || l.connected() || w.unknown(l) || !l.service.Running() {
			continue
		}
		since, sooner := r.leftSince(in, l.host)
		if o.Since.IsZero() || since.Before(o.Since) {
			o.Since = since
		}
		o.AtLeast = o.AtLeast || sooner
		o.Members = append(o.Members, l.host)
	}
	return o
}
