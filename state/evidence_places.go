package state

import (
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

// target is where a place is.
func (w where) target() string {
	if _, name, on := strings.Cut(w.place, " on "); on && w.host == "" {
		return name
	}
	return w.host
}

// placesOf follows each place from the start that names it; copies are those that were there before that. Hosts where the same became of it,
// at the same time, are one.
func placesOf(secret string, entries []Entry, copies map[where]int) []Place {
	type fate struct {
		became Outcome
		at     time.Time
	}
	var order []where
	fates := map[where]fate{}
	of := map[[2]string][]where{}    // by what takes it out, and host
	makes := map[[2]string][]where{} // by what makes it, and host
	none := map[where]bool{}         // it is not made yet: without what takes it out
	for _, e := range entries {
		if still, away, ok := found(e); ok && e.Secret == secret {
			for w, f := range fates {
				if f.became != Done && f.became != Untouched && f.became != Gone && !still[w] && !away[w.target()] {
					fates[w] = fate{Gone, e.Time}
				}
			}
		}
		for _, f := range e.Facts {
			if step, made := strings.CutPrefix(f.Field, madeBy); made && e.Secret == secret {
				w := where{f.Value, f.Host, ""}
				by := [2]string{taking(secret, step), f.Host}
				if _, known := none[w]; !known {
					_, was := copies[w]
					none[w] = !was // what an earlier run has made stays made
				}
				makes[by] = append(makes[by], w)
			}
			if w := (where{f.Value, f.Host, ""}); f.Field == Keeper && e.Secret == secret {
				if _, known := fates[w]; !known {
					order = append(order, w)
				}
				fates[w] = fate{Untouched, e.Time}
			}
			if by, held := f.held(e.Secret); held && e.Secret == secret {
				w := where{f.Value, f.Host, by}
				if _, known := fates[w]; !known {
					order, fates[w] = append(order, w), fate{became: Started}
					of[[2]string{by, f.Host}] = append(of[[2]string{by, f.Host}], w)
				}
			}
		}
		hosts := e.Hosts
		if hosts == nil {
			hosts = []string{""}
		}
		for _, h := range hosts {
			for _, w := range of[[2]string{taking(e.Secret, e.Step), h}] {
				fates[w] = fate{e.Outcome, e.Time}
			}
			for _, w := range makes[[2]string{taking(e.Secret, e.Step), h}] {
				none[w] = false
			}
		}
		if e.Step == "" && e.Outcome == Back { // what that run took out is there again
			for w, f := range fates {
				if f.became == Done && strings.HasPrefix(w.by, taking(e.Secret, "")) {
					fates[w] = fate{Back, e.Time}
				}
			}
		}
	}
	type alike struct {
		place string
		fate
	}
	var all []Place
	at := map[alike]int{}
	for _, w := range order {
		if f := fates[w]; none[where{w.place, w.host, ""}] && (f.became == Started && f.at.IsZero() || f.became == Gone) {
			continue // it never was
		}
		same := alike{w.place, fates[w]}
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
