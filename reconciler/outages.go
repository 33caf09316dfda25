package reconciler

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"meshrotate/state"
)

// clock knows when what went down and came up.
type clock struct {
	spans map[string][]span    // by name, in order
	now   map[string]Down      // what is stopped at present
	at    map[Target][]string  // by target: what was stopped there at any time
	found map[string]Down      // what was found stopped, and nothing has started since
	back  map[string]bool      // by name: it was found down, or cut off by what was, and has been stopped to its end or started
	with  map[string][]string  // by name: who is cut off while it is down, and until it works itself
	where map[string]Down      // by name: the service, and its host
	fell  map[string]bool      // by name: it was proven, and does not work any more
	ended map[string]bool      // by name: it is down, and not because this run stopped it
	died  map[string]time.Time // by name: when it was seen to have ended
	tried map[string]error     // by name: why it was not stopped or started; that it does not run after that is no news
	ails  map[string]Down      // what was started again, runs, and was not seen to do its work
	lost  bool                 // another run may have been at work since: what was measured is the most
}

// cutOff is the name under which it is kept that something cannot work, whether it runs or not.
func cutOff(name string) string { return "cut off " + name }

// span is one outage of one thing. It is over when something showed that it is up; that it was started is less.
type span struct {
	down, started, up time.Time
	earlier           bool // it began before this run
	noSooner, noLater bool // it may have gone down later, or come up sooner
	sooner            bool // it was seen down, and worked some time before
}

func (s span) end() time.Time {
	if !s.up.IsZero() {
		return s.up
	}
	return s.started
}

func newClock(plan *Plan) clock {
	c := clock{spans: map[string][]span{}, now: map[string]Down{}, at: map[Target][]string{}, found: map[string]Down{}, back: map[string]bool{}, with: map[string][]string{}, where: map[string]Down{}, fell: map[string]bool{}, ended: map[string]bool{}, died: map[string]time.Time{}, tried: map[string]error{}, ails: map[string]Down{}}
	for _, s := range plan.Steps() {
		if o, ok := s.Op.(Serving); ok {
			what, service := o.Serves()
			d := Down{What: what, Service: service, Target: s.Op.Target(), With: c.where[what].With}
			if t, takes := s.Op.(Taking); takes && len(d.With) == 0 {
				d.With = t.Takes()
			}
			c.where[what] = d
		}
	}
	for _, change := range plan.Changes {
		for _, o := range change.Outages {
			if o.With == "" || change.Status != Rotate {
				continue
			}
			cut := slices.Concat(o.Members, o.Unseen)
			c.with[o.With] = append(c.with[o.With], cut...)
			for _, name := range cut {
				if !o.Since.IsZero() {
					c.spans[cutOff(name)] = []span{{down: o.Since, earlier: true, sooner: o.AtLeast, noSooner: o.AtMost}}
				}
			}
		}
	}
	for _, d := range plan.StillDown() {
		c.spans[d.What], c.ended[d.What] = []span{since(d)}, d.Started
		if d.Unwell {
			c.ails[d.What] = d
			continue
		}
		c.stopped(d)
	}
	for _, change := range plan.Changes {
		for _, r := range change.Returned {
			if r.UpBy.IsZero() && len(c.spans[r.What]) == 0 {
				c.spans[r.What] = []span{{down: r.Since, earlier: true, sooner: r.Sooner, noSooner: r.Later}}
			}
		}
	}
	for _, d := range plan.FoundStopped() {
		c.found[d.What] = d
	}
	for name, d := range c.now { // one secret's history may know of it, and another's members are cut off
		for _, other := range c.with[name] {
			if len(c.spans[cutOff(other)]) == 0 {
				c.spans[cutOff(other)] = []span{since(d)}
			}
		}
	}
	return c
}

// since is the outage of what is down since an earlier run. What that run started again may have worked for a while.
func since(d Down) span {
	return span{down: d.Since, earlier: true, sooner: d.Sooner, noSooner: d.Started && !d.Unwell}
}

// unshown is what was started again, and nothing has shown to work since.
func (c *clock) unshown() (all []Down) {
	for name, d := range c.where {
		spans := c.spans[name]
		_, down := c.now[name]
		_, ails := c.ails[name]
		if _, found := c.found[name]; down || ails || found || len(spans) == 0 {
			continue
		}
		if last := spans[len(spans)-1]; last.up.IsZero() && !last.started.IsZero() {
			d.Since, d.Unsure, d.Started, d.Why = last.down, true, true, errUnshown
			all = append(all, d)
		}
	}
	slices.SortFunc(all, func(a, b Down) int { return cmp.Compare(a.What, b.What) })
	return all
}

var errUnshown = Hinted(errors.New("it was started again, and was not seen to work; its host does not answer now"), "make its host answer, then apply, which starts it; or start it on the host")

// longest is by target how long something of it was down last.
func (c *clock) longest(last map[string]float64) map[Target]float64 {
	by := map[Target]float64{}
	for name, seconds := range last {
		if d, known := c.where[name]; known {
			by[d.Target] = max(by[d.Target], seconds)
		}
	}
	return by
}

// note takes what a step saw on its target.
func (c *clock) note(t Target, r Report) {
	for name, with := range r.With {
		d := c.place(name, t)
		d.With = with
		c.where[name] = d
		if f, found := c.found[name]; found {
			f.With = with
			c.found[name] = f
		}
	}
	for name, at := range r.Down {
		delete(c.died, name)
		c.wasFound(name)
		delete(c.found, name)
		delete(c.ails, name)
		if r.Ended {
			c.died[name] = at
		}
		for _, other := range c.with[name] {
			c.open(cutOff(other), span{down: at, noSooner: r.Bounds[name], sooner: r.Ended})
		}
		at = c.open(name, span{down: at, noSooner: r.Bounds[name], sooner: r.Ended})
		d, ok := c.now[name]
		if !ok {
			d = c.place(name, t)
			d.Since, d.Unsure = at, true
		}
		d.Unsure = d.Unsure && r.Outcome == state.Unknown
		switch {
		case c.tried[name] != nil:
			d.Why, c.ended[name] = c.tried[name], false // the first reason says most
		case r.Outcome == state.Failed && !r.Ended && r.Fallen == nil:
			d.Why, c.tried[name], c.ended[name] = r.Err, r.Err, false
		case r.Ended && r.Fallen == nil:
			d.Why, c.ended[name] = r.Err, true
		default:
			d.Why, c.ended[name] = r.Fallen, r.Ended
		}
		c.fell[name] = c.fell[name] || r.Fallen != nil
		c.stopped(d)
	}
	for name, u := range r.Unwell {
		c.unwell(name, u, t, r.Err)
	}
	last := func(name string, set func(*span)) {
		c.wasFound(name)
		delete(c.now, name)
		delete(c.found, name)
		if all := c.spans[name]; len(all) > 0 {
			set(&all[len(all)-1])
		}
	}
	for name := range r.Started {
		delete(c.tried, name)
	}
	for name, at := range r.Started {
		since, known := r.Since[name]
		never := known && c.ranSince(name, since)
		last(name, func(s *span) {
			if !never {
				s.started = at
			}
		})
	}
	for name, at := range r.Up {
		delete(c.tried, name)
		fell, down := c.now[name]
		seen := name
		delete(c.ails, name)
		for _, name := range []string{name, cutOff(name)} {
			last(name, func(s *span) {
				if at.After(s.up) && !at.Before(s.down) {
					s.up, s.noLater = at, r.Bounds[seen]
				}
			})
		}
		if died := c.died[name]; down && !at.After(died) { // of the two, its end was heard of first
			fell.Since = c.open(name, span{down: died, sooner: true})
			c.stopped(fell)
		}
	}
}

// ranSince takes back a stop that was none: its request failed, and the process is one that was started before it. Nobody was cut off
// by it either.
func (c *clock) ranSince(name string, at time.Time) (never bool) {
	drop := func(name string) (dropped bool) {
		if all := c.spans[name]; len(all) > 0 && all[len(all)-1].down.After(at) {
			c.spans[name], dropped = all[:len(all)-1], true
		}
		return dropped
	}
	if never = drop(name); never {
		for _, other := range c.with[name] {
			drop(cutOff(other))
		}
	}
	return never
}

// place is which service is called so, and where it is.
func (c *clock) place(name string, t Target) Down {
	if d, ok := c.where[name]; ok {
		return d
	}
	return Down{What: name, Target: t}
}

// open begins an outage, or goes on with the one that is not over, and says when it began: what was started and ended again,
// and never seen to work, was down all the time.
func (c *clock) open(name string, s span) time.Time {
	all := c.spans[name]
	n := len(all)
	if n == 0 || !all[n-1].up.IsZero() {
		c.spans[name] = append(all, s)
		return s.down
	}
	last := &all[n-1]
	last.started = time.Time{}
	if s.down.Before(last.down) {
		last.down, last.noSooner, last.sooner = s.down, s.noSooner, s.sooner
	}
	return last.down
}

// sooner says that the present outage may have begun before it was seen.
func (c *clock) sooner(name string) bool {
	all := c.spans[name]
	return len(all) > 0 && all[len(all)-1].sooner
}

// because tells why what is down on the target was not started.
func (c *clock) because(t Target, why error) {
	for _, name := range c.at[t] {
		if d, down := c.now[name]; down && d.Target == t && d.Why == nil {
			d.Why = why
			c.now[name] = d
		}
	}
}

// since is when what has not come up since went down for the last time, zero when it has.
func (c *clock) since(name string) time.Time {
	if all := c.spans[name]; len(all) > 0 && all[len(all)-1].up.IsZero() {
		return all[len(all)-1].down
	}
	return time.Time{}
}

// downAt says that something on the target is down.
func (c *clock) downAt(t Target) bool {
	return slices.ContainsFunc(c.at[t], func(name string) bool { d, down := c.now[name]; return down && d.Target == t })
}

// stopped notes what is stopped at present.
func (c *clock) stopped(d Down) {
	c.now[d.What] = d
	if !slices.Contains(c.at[d.Target], d.What) {
		c.at[d.Target] = append(c.at[d.Target], d.What)
	}
}

func (c *clock) stillDown() []Down {
	var all []Down
	for _, d := range c.now {
		all = append(all, d)
	}
	for _, of := range []map[string]Down{c.found, c.ails} {
		for _, d := range of {
			all = append(all, d)
		}
	}
	for i, d := range all {
		all[i].Sooner = !d.Since.IsZero() && c.sooner(d.What)
	}
	slices.SortFunc(all, func(a, b Down) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.What, b.What)) })
	return all
}
