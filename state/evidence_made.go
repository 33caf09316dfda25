package state

import (
	"maps"
	"slices"
	"strings"
)

// madeBefore are the copies of what others know that an earlier run made, which did not end, in places that the emergency names, and that
// nobody has taken away since: each with the entry that says so, and all of those.
func madeBefore(entries []Entry, first int, v Evidence) (made map[where]int, by []int) {
	place, takes := copiesOf(entries[first:], v)
	made = map[where]int{}
	var began Entry // the rotation
	for i, e := range entries[:first] {
		if e.Secret != v.Secret {
			continue
		}
		if e.Step == "" && e.Outcome == Started {
			began = e
		}
		if e.Step == "" && e.Outcome == Back { // everything is as it was
			clear(made)
		}
		p, of := place[e.Step], began.Before == v.Before || v.Before == "" || began.Before == ""
		for _, h := range e.Hosts {
			switch w := (where{p, h, ""}); {
			case p != "" && of && e.Outcome != Failed:
				if _, known := made[w]; !known {
					made[w] = i
				}
			case p != "" && e.Outcome == Failed:
				delete(made, w)
			case e.Outcome == Done:
				delete(made, where{takes[e.Step], h, ""})
			}
		}
	}
	by = slices.Sorted(maps.Values(made))
	return made, slices.Compact(by)
}

// copiesOf are the steps that make a copy, by the place of it, and those that take it away.
func copiesOf(entries []Entry, v Evidence) (place, takes map[string]string) {
	place, takes = map[string]string{}, map[string]string{}
	isCopy := map[string]bool{}
	for _, e := range entries {
		for _, f := range e.Facts {
			if step, made := strings.CutPrefix(f.Field, madeBy); made && e.Secret == v.Secret {
				place[step], isCopy[f.Value] = f.Value, true
			}
		}
	}
	for _, e := range entries {
		for _, f := range e.Facts {
			if step, held := strings.CutPrefix(f.Field, heldUntil); held && e.Secret == v.Secret && isCopy[f.Value] {
				takes[step] = f.Value
			}
		}
	}
	return place, takes
}
