package providers_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/state"
)

// downtime is for how long one main service was seen down in the world. It is looked at now and then: the truth is longer.
type downtime struct {
	// since is when it was first seen down, last when it was last; zeroes while it works.
	since, last time.Time
	// foreign: it was not a run that took it down, or nobody knows.
	foreign bool
	// total is what is over, and ended in this run.
	total time.Duration
	// from is when the run began in which the first of these outages did.
	from time.Time
	// old: it was down when the run began.
	old bool
	// stopped: it was seen without a process in this run, and a run had taken it.
	stopped bool
	// past is for how long it was down last before this run, ended how long the last outage was that ended in it.
	past, ended time.Duration
}

// slack, in seconds, is what two ways to look at the same outage may differ.
const slack = 0.01

// overdue, in seconds, is how much later than it was true a run may know that a relay works, whoever else it waits for.
const overdue = 5

// time looks at every main service. A relay works again when it is connected.
func (u *universe) time(keys map[string]string) {
	now := time.Now()
	for _, h := range u.w.lab.Hosts() {
		d := u.downtimes[h.Name]
		if d == nil {
			d = &downtime{}
			u.downtimes[h.Name] = d
		}
		_, runs := keys[h.Name]
		if h == u.w.lab.EngineHost {
			state, _ := h.Machine.State(lab.EngineService)
			runs = state != winhost.Stopped
		}
		relay := serviceLabel(u.w.lab, h) == ""
		switch {
		case !runs:
			if d.since.IsZero() {
				d.since, d.last, d.foreign = now, now, u.hands[label(h.Name)]
				if d.from.IsZero() {
					d.from = u.began
				}
			}
			d.stopped = d.stopped || !d.foreign
		case d.since.IsZero():
			continue
		case !relay || u.w.lab.IsConnected(h):
			d.ended = d.ago()
			if !d.foreign {
				d.total += d.last.Sub(later(d.since, u.began))
			}
			d.since, d.last, d.foreign = time.Time{}, time.Time{}, false
			continue
		}
		d.last = now
	}
}

// serviceLabel is what a host's outage is called, "" for a relay's.
func serviceLabel(l *lab.Lab, h *lab.Host) string {
	switch h {
	case l.Admin:
		return "Admin"
	case l.EngineHost:
		return "Engine"
	}
	return ""
}

// newRun forgets what is over. What goes on goes on, unless somebody else may have had a hand in it.
func (u *universe) newRun(drifted []drift) {
	keys := u.w.lab.Keys()
	u.time(keys)
	u.lastKeys, u.leaving = map[string]string{}, map[string]leaving{}
	for host, key := range keys {
		u.lastKeys[host] = key
	}
	for host, d := range u.downtimes {
		past := d.ago()
		if _, runs := keys[host]; runs {
			*d = downtime{} // whether it is connected is for the run that started it
		}
		d.past = past
		d.total, d.ended, d.stopped, d.old = 0, 0, false, !d.since.IsZero()
		if h := u.w.lab.Host(host); h.Machine.Service(serviceOf(h)).State == winhost.StopPending {
			d.old = true // an earlier run asked for it
		}
		if d.since.IsZero() {
			d.from = time.Time{}
		}
		d.foreign = d.foreign || u.carried
	}
	for _, dr := range drifted {
		if h := u.w.lab.Host(dr.Host); h != nil {
			u.downtimes[h.Name].foreign = true
		}
	}
	u.began = time.Now()
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// timed compares what a run says about outages with the world. Deferred: there are secrets about which it did nothing, or it was limited to
// others; since when one of their relays has another key nobody may know.
func (u *universe) timed(out reconciler.Outcome, deferred bool) {
	now := time.Now()
	keys := u.w.lab.Keys()
	u.time(keys)
	for _, h := range u.w.lab.Hosts() {
		d := u.downtimes[h.Name]
		// Of what an earlier run left down, only what this one's plan says counts: it may have been told as left behind.
		if d == nil || u.hands[label(h.Name)] || d.old && !u.planned(h.Name) {
			continue
		}
		named := slices.ContainsFunc(out.Down, func(o reconciler.Down) bool { return o.Target.Name == h.Name && !o.CutOff })
		name := serviceLabel(u.w.lab, h)
		known := false
		for _, e := range out.Secrets {
			for _, o := range e.Outages {
				if !o.UpBy.IsZero() || o.What != name && (name != "" || !outageOf(e.Change, h.Name, o.What)) {
					continue
				}
				known = true
				u.measured(h, d, o, now, u.planned(h.Name))
			}
		}
		if d.stopped && !known && d.total.Seconds() > slack {
			u.wrong("7: %s was down for %v, and no outage of it is told: %v", h.Name, d.total, out)
		}
		if !d.since.IsZero() && d.stopped && !d.foreign && h.Machine.Service(serviceOf(h)).State == winhost.Stopped && !named {
			u.wrong("7: %s is down since %v, and nobody says so", h.Name, d.since.UTC())
		}
	}
	for _, d := range out.Down {
		if d.Service == "" && !d.CutOff || u.w.lab.Host(d.Target.Name) == nil {
			u.wrong("7: %s is named down, and not which service on which host: %+v", d.What, d)
		}
		if d.Found {
			if h := u.w.lab.Host(d.Target.Name); !d.Since.IsZero() || !d.Unsure && !d.CutOff && !u.disturbed[label(h.Name)] && h.Machine.Service(serviceOf(h)).State == winhost.Running {
				u.wrong("7: %s is named as found down: %+v", d.What, d)
			}
			continue
		}
		if d.Since.IsZero() && !(d.CutOff && deferred) || d.Since.After(now) && !u.carried {
			u.wrong("7: %s is named down since %v: %+v", d.What, d.Since, d)
		}
	}
}

// outageOf: an outage is of this relay alone. A fleet of one has no other name.
func outageOf(c reconciler.Change, host, what string) bool {
	for _, predicted := range c.Outages {
		if predicted.What == what && predicted.With == "" && len(predicted.Members) == 1 && predicted.Members[0] == host {
			return true
		}
	}
	return what == host
}

// lastSeen: what was stopped when a run asked for the last time is named, also when it was proven before.
func (u *universe) lastSeen(out reconciler.Outcome) {
	told := fmt.Sprint(out.Err, out.Left)
	for _, e := range out.Secrets {
		told += fmt.Sprint(e.Why)
	}
	for _, d := range out.Down {
		told += " " + d.Target.Name
	}
	for _, h := range u.w.lab.Hosts() {
		stopped := u.seenStopped[label(h.Name)] && h.Machine.Service(serviceOf(h)).State == winhost.Stopped
		if stopped && !u.deaf[label(h.Name)] && !strings.Contains(told, h.Name) {
			u.wrong("7: the run saw %s stopped, and says nothing of it: %v", h.Name, out)
		}
	}
}

// planned: the run knew from the start that something on this host is down since an earlier one.
func (u *universe) planned(host string) bool {
	return slices.ContainsFunc(u.first.applied.Plan.Changes, func(c reconciler.Change) bool { // those that were put off, too
		return slices.ContainsFunc(c.Down, func(d reconciler.Down) bool { return d.Target.Name == host && !d.Found }) ||
			slices.ContainsFunc(c.Returned, func(r reconciler.Returned) bool { return r.What == host })
	})
}

// measured: an outage is told as no shorter than it was, nor as longer than it can have been.
// Old: the run knew of an outage that an earlier one began.
func (u *universe) measured(h *lab.Host, d *downtime, o state.Outage, now time.Time, old bool) {
	old = old || d.old
	least := d.total
	began := u.began
	if !d.from.IsZero() && d.from.Before(began) {
		began = d.from
	}
	if !d.since.IsZero() && !d.foreign {
		least += d.last.Sub(later(d.since, u.began))
		if o.Since.IsZero() {
			u.wrong("7: %s does not work since %v, and its outage is told as over: %v s", h.Name, d.since.UTC(), o.Measured)
		}
	}
	told := o.Measured
	if !o.Since.IsZero() {
		told += now.Sub(o.Since).Seconds()
		if u.carried && (old || o.Since.After(now)) {
			return // by a clock that was wrong
		}
		if o.Since.After(now) {
			u.wrong("7: an outage of %s begins after its end: %v", h.Name, o.Since)
		}
	}
	if told < least.Seconds()-slack {
		u.wrong("7: %s was down for %.1f s at least, and it is told as %.1f s", h.Name, least.Seconds(), told)
	}
	if !old && serviceLabel(u.w.lab, h) == "" && o.Measured > least.Seconds()+overdue && u.quiet(h) {
		u.wrong("7: %s was down for %.1f s, and it is told as %.1f s", h.Name, least.Seconds(), o.Measured)
	}
	if !u.carried && !old && o.Measured > now.Sub(began).Seconds()+slack {
		u.wrong("7: %s is told to have been down for %.1f s, in %.1f s", h.Name, o.Measured, now.Sub(began).Seconds())
	}
}

// quiet: nothing went wrong on the way to this relay, or to Admin, and its service stops and starts at once. An Admin that takes long to
// stop lists nobody meanwhile, a way back that Engine's host caused, or that waits for an Engine, asks for nobody's connection and tells the most, and of a relay whose clock, or Admin's, is off it is known late that a heartbeat is new.
func (u *universe) quiet(h *lab.Host) bool {
	slow := slices.ContainsFunc(u.Manners, func(m manner) bool {
		return m.Host == label(h.Name) && (m.Start+m.Stop > 0 || m.Skew != 0) || m.Host == "im-admin" && (m.Stop > 0 || m.Skew != 0) || m.Host == "im-engine" && m.Stop > 0
	})
	return !slow && !u.struck[api] && !u.struck["im-admin"] && !u.struck["im-engine"] && !u.struck[label(h.Name)]
}

// dependents: what ran beside a service runs again, or is told.
func (u *universe) dependents(out reconciler.Outcome, before snapshot) {
	text := fmt.Sprint(out.Err, out.Left, out.Remarks)
	for _, e := range out.Secrets {
		text += fmt.Sprint(e.Why)
	}
	for _, d := range out.Down {
		if d.Service == lab.WatchService || slices.Contains(d.With, lab.WatchService) {
			text += d.Target.Name
		}
	}
	for _, h := range u.w.lab.Hosts() {
		if w := h.Machine.Service(lab.WatchService); !before.watched[h.Name] || u.hands[label(h.Name)] || w.State != winhost.Stopped {
			continue
		}
		if !strings.Contains(text, h.Name) {
			u.wrong("7: %s on %s ran before, and nobody says that it does not: %v", lab.WatchService, h.Name, out)
		}
	}
}
