package providers_test

import (
	"slices"
	"strings"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// toldRows: every row of a run's outages is what the plan predicted, a member of it, or what came back before the run; and what
// relays are cut off by never has a row without them.
func (u *universe) toldRows(out reconciler.Outcome) {
	longest := map[string]float64{}
	defer func() { u.longEnough(longest) }()
	for _, e := range out.Secrets {
		for _, o := range e.Outages {
			i := slices.IndexFunc(e.Change.Outages, func(p state.Outage) bool { return p.What == o.What })
			member := slices.ContainsFunc(e.Change.Outages, func(p state.Outage) bool { return p.With == "" && slices.Contains(p.Members, o.What) })
			switch {
			case !o.UpBy.IsZero():
				u.returned(e.Change, o)
				longest[o.What] = max(longest[o.What], o.Measured)
			case i >= 0 && (o.Predicted <= 0 || o.Predicted != e.Change.Outages[i].Predicted):
				u.wrong("7: %s is predicted as %v s, and told as predicted as %v s", o.What, e.Change.Outages[i].Predicted, o.Predicted)
			case i < 0 && (o.Predicted > 0 || !member && !slices.ContainsFunc(e.Change.Down, func(d reconciler.Down) bool { return d.What == o.What })):
				u.wrong("7: an outage of %q is told, and nothing is called so: %+v", o.What, e.Outages)
			}
		}
		for _, p := range e.Change.Outages {
			own := func(what string) bool {
				return slices.ContainsFunc(e.Outages, func(o state.Outage) bool { return o.What == what && o.UpBy.IsZero() && !o.Found }) // whom somebody has stopped, nobody knows for how long
			}
			if p.With != "" && own(p.With) && !own(p.What) {
				u.wrong("7: %s was down, and no outage of %s is told: %+v", p.With, p.What, e.Outages)
			}
		}
	}
}

// returned: of what came back before the run the plan said so.
func (u *universe) returned(c reconciler.Change, o state.Outage) {
	if o.Predicted != 0 || !o.Earlier || !o.Since.IsZero() || !slices.ContainsFunc(c.Returned, func(r reconciler.Returned) bool { return r.What == o.What }) {
		u.wrong("7: %+v came back, and the plan did not say so", o)
	}
}

// longEnough: what came back before the run was down for no longer than the longest that the run tells of it, as far as the world was
// seen: each secret tells of its own stop. What a run with another folder stopped its books alone know.
func (u *universe) longEnough(told map[string]float64) {
	for _, h := range u.w.lab.Hosts() {
		d := u.downtimes[h.Name]
		if d == nil || u.carried || u.other != nil {
			continue
		}
		what := serviceLabel(u.w.lab, h)
		if what == "" {
			what = h.Name
		}
		if most, came := told[what]; came && most < d.past.Seconds()-slack {
			u.wrong("7: %s was down for %v before the run, and it is told as at most %v s", h.Name, d.past, most)
		}
	}
}

// toldOnce: in the whole ledger an outage whose end was told is not told again as one that came back, unless a run began a stop
// there since; and what was not seen from its beginning to its end says so. A run that has lost its lock to another says what it
// saw as well, and the other, which has read the ledger before, does not know of it.
func (u *universe) toldOnce(entries []state.Entry) {
	type named struct{ secret, what string }
	type telling struct {
		at    time.Time
		fence uint64
	}
	over := map[named]telling{}
	fence := uint64(0)
	for _, e := range entries {
		if fence = max(fence, e.Fence); e.Fence < fence {
			continue
		}
		if strings.Contains(e.Step, "stop ") {
			for at := range over {
				if at.secret == e.Secret && slices.Contains(e.Hosts, u.stoppedOn(at.what)) {
					delete(over, at)
				}
			}
		}
		closed := map[named]bool{}
		for _, o := range e.Outages {
			at := named{e.Secret, o.What}
			told, ended := over[at]
			if unread := told.fence < e.Fence && !told.at.Before(u.taken[e.Fence]); ended && !unread && !o.UpBy.IsZero() {
				u.wrong("7: the end of %s's outage was told at %v, and again by %s: %+v", o.What, told.at, e.Run, o)
			}
			closed[at] = o.Since.IsZero()
		}
		for at, up := range closed {
			if delete(over, at); up {
				over[at] = telling{e.Time, e.Fence}
			}
		}
	}
}

// stoppedOn is the host whose stop begins an outage that is called so.
func (u *universe) stoppedOn(what string) string {
	switch what {
	case "Engine":
		return u.w.lab.EngineHost.Name
	case "Admin", "relays cut off":
		return u.w.lab.Admin.Name
	}
	return what
}

// ago is for how long a service was last seen down before a run, when no hand but a run's was in it.
func (d *downtime) ago() time.Duration {
	if d.foreign {
		return 0
	}
	if !d.since.IsZero() {
		return d.last.Sub(d.since)
	}
	return d.ended
}
