package state

import (
	"slices"
	"strings"
	"time"
)

// where is a place on a host, and what takes the old value out of it.
type where struct{ place, host, by string }

// found are the places that a start says still have the old value, and the targets that its run could not look at; ok is false when it
// does not say.
func found(e Entry) (still map[where]bool, away map[string]bool, ok bool) {
	still, away = map[where]bool{}, map[string]bool{}
	for _, f := range e.Facts {
		if by, held := f.held(e.Secret); held {
			still[where{f.Value, f.Host, by}] = true
		}
		if f.Field == LookedBut {
			ok = true
			for name := range strings.SplitSeq(f.Value, ",") {
				away[name] = name != ""
			}
		}
	}
	return still, away, ok
}

// on are the targets that an entry is about, nil where it does not say: it is about all of its step.
func (e Entry) on() map[string]bool {
	var on map[string]bool
	for _, f := range e.Facts {
		if f.Field == On {
			if on == nil {
				on = map[string]bool{}
			}
			on[f.Value] = true
		}
	}
	return on
}

// target is where a place is.
func (w where) target() string {
	if _, name, on := strings.Cut(w.place, " on "); on && w.host == "" {
		return name
	}
	return w.host
}

// fate is what became of a place, and when.
type fate struct {
	became Outcome
	at     time.Time
}

// open says that the old value may be there still.
func (f fate) open() bool { return f.became != Done && f.became != Untouched && f.became != Gone }

// places are where the old value of a secret was, and what became of each.
type places struct {
	secret string
	copies map[where]int // that were there before the start that names their place
	order  []where
	fates  map[where]fate
	of     map[[2]string][]where // by what takes it out, and host
	makes  map[[2]string][]where // by what makes it, and host
	none   map[where]bool        // it is not made yet: without what takes it out
	later  map[where]fate        // what a rotation of a later version took out, and what was known before that
	keeps  bool                  // that rotation puts into force what others know
}

func newPlaces(secret string, copies map[where]int) *places {
	return &places{secret: secret, copies: copies, fates: map[where]fate{}, of: map[[2]string][]where{}, makes: map[[2]string][]where{},
		none: map[where]bool{}, later: map[where]fate{}}
}

// add takes what an entry tells: of the secret, or of another one that takes the old value out of a place.
func (p *places) add(e Entry) {
	if e.Secret == p.secret {
		p.looked(e)
		p.name(e)
	}
	hosts, on := e.places(), e.on()
	for _, h := range hosts {
		for _, w := range p.of[[2]string{taking(e.Secret, e.Step), h}] {
			if h != "" || on == nil || on[w.target()] {
				p.fates[w] = fate{e.Outcome, e.Time}
			}
		}
		for _, w := range p.makes[[2]string{taking(e.Secret, e.Step), h}] {
			p.none[w] = false
		}
	}
	if e.Step == "" && e.Outcome == Back { // what that run took out is there again
		for w, f := range p.fates {
			if f.became == Done && strings.HasPrefix(w.by, taking(e.Secret, "")) {
				p.fates[w] = fate{Back, e.Time}
			}
		}
	}
}

// places are the hosts of an entry, or "" for none.
func (e Entry) places() []string {
	if e.Hosts == nil {
		return []string{""}
	}
	return e.Hosts
}

// looked ends what a run that has looked finds no more. It says whether there was any.
func (p *places) looked(e Entry) (ended bool) {
	still, away, ok := found(e)
	if !ok {
		return false
	}
	for w, f := range p.fates {
		if f.open() && !still[w] && !away[w.target()] {
			p.fates[w], ended = fate{Gone, e.Time}, true
		}
	}
	return ended
}

// name takes the places that a start names.
func (p *places) name(e Entry) {
	for _, f := range e.Facts {
		w := where{f.Value, f.Host, ""}
		if step, made := strings.CutPrefix(f.Field, madeBy); made {
			by := [2]string{taking(p.secret, step), f.Host}
			if _, known := p.none[w]; !known {
				_, was := p.copies[w]
				p.none[w] = !was // what an earlier run has made stays made
			}
			p.makes[by] = append(p.makes[by], w)
		}
		if f.Field == Keeper {
			if _, known := p.fates[w]; !known {
				p.order = append(p.order, w)
			}
			p.fates[w] = fate{Untouched, e.Time}
		}
		if by, held := f.held(e.Secret); held {
			w.by = by
			if _, known := p.fates[w]; !known {
				p.order, p.fates[w] = append(p.order, w), fate{became: Started}
				p.of[[2]string{by, f.Host}] = append(p.of[[2]string{by, f.Host}], w)
			}
		}
	}
}

// after takes what an entry tells once another version was begun: the same steps take the old value out of where it was left. It says
// whether the entry told anything.
func (p *places) after(e Entry) (told bool) {
	hosts, on := e.places(), e.on()
	if e.Secret == p.secret && e.Step == "" && e.Outcome == Started {
		p.keeps = slices.ContainsFunc(e.Facts, func(f Fact) bool { return f.Field == Keeps })
		told = p.taken(e)
	}
	for _, h := range hosts {
		for _, w := range p.of[[2]string{taking(e.Secret, e.Step), h}] {
			if f := p.fates[w]; e.Outcome == Done && !p.keeps && f.open() && (h != "" || on == nil || on[w.target()]) {
				p.later[w], p.fates[w], told = f, fate{Done, e.Time}, true
			}
		}
	}
	if e.Step != "" || e.Outcome != Back && e.Outcome != Proven {
		return told
	}
	for w, was := range p.later {
		if !strings.HasPrefix(w.by, taking(e.Secret, "")) {
			continue
		}
		if delete(p.later, w); e.Outcome == Back { // what was there is there again
			p.fates[w], told = was, true
		}
	}
	return told
}

// taken takes from a start which of its steps come to a place that an emergency has left: another step than that one's, where something
// else is declared by then. It says whether there is any.
func (p *places) taken(e Entry) (told bool) {
	for _, f := range e.Facts {
		by, held := f.held(e.Secret)
		if !held {
			continue
		}
		for _, w := range p.order {
			if at := [2]string{by, f.Host}; w.place == f.Value && w.host == f.Host && w.by != by && p.fates[w].open() && !slices.Contains(p.of[at], w) {
				p.of[at], told = append(p.of[at], w), true
			}
		}
	}
	return told
}

// all are the places. Hosts where the same became of it, at the same time, are one.
func (p *places) all() (all []Place) {
	type alike struct {
		place string
		fate
	}
	at := map[alike]int{}
	for _, w := range p.order {
		if f := p.fates[w]; p.none[where{w.place, w.host, ""}] && (f.became == Started && f.at.IsZero() || f.became == Gone) {
			continue // it never was
		}
		same := alike{w.place, p.fates[w]}
		i, known := at[same]
		if !known {
			i, at[same] = len(all), len(all)
			all = append(all, Place{Place: w.place, Became: same.became, At: same.at})
		}
		if w.host != "" {
			all[i].Hosts = append(all[i].Hosts, w.host)
		}
	}
	return all
}
