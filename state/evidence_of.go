package state

import (
	"slices"
	"strings"
)

// EvidenceOf is that of the last rotation of a secret that was said to be compromised; ok is false when none was.
func EvidenceOf(entries []Entry, secret string) (v Evidence, ok bool) {
	first, ended := -1, true
	for i, e := range entries {
		if e.Secret != secret {
			continue
		}
		if why, told := compromised(e); told {
			if ended || e.Version != v.Version {
				first, v = i, Evidence{Secret: secret, Version: e.Version, Before: e.Before, Why: why}
			}
			ended = false
		}
		ended = ended || e.Version == v.Version && e.Step == "" && e.Outcome == Proven
	}
	if first < 0 {
		return v, false
	}
	var of []Entry
	made, by := madeBefore(entries, first, v)
	held, later := newPlaces(secret, made), false // later: another version was begun
	for _, i := range by {
		v.Entries = append(v.Entries, witness(i, entries[i]))
	}
	others := map[string]bool{}
	for i, e := range entries[first:] {
		later = later || e.Secret == secret && e.Version != v.Version
		switch tells := e.Step == LookedFor(secret) && e.Secret == ""; {
		case tells && held.looked(e), later && !tells && held.after(e):
			v.Entries = append(v.Entries, witness(first+i, e))
			continue
		case tells, later:
			continue
		}
		for _, f := range e.Facts {
			if by, held := f.held(secret); held && e.Secret == secret {
				name, _, _ := strings.Cut(by, ": ")
				others[by], others[name+": "] = true, true
			}
		}
		if e.Secret == secret {
			of = append(of, e)
		} else if !others[taking(e.Secret, e.Step)] {
			continue
		}
		held.add(e)
		v.Entries = append(v.Entries, witness(first+i, e))
	}
	for _, e := range of {
		for _, f := range e.Facts {
			if f.Field == Ousted && !slices.Contains(v.Parts, f.Value) {
				v.Parts = append(v.Parts, f.Value)
			}
		}
	}
	v.Rotations = NewHistory(of).Rotations(secret)
	v.Places = held.all()
	v.Again = again(entries, first, v)
	v.Ledger = witness(len(entries)-1, entries[len(entries)-1])
	return v, true
}

// again is the last rotation since the first of an emergency that puts into force what others know.
func again(entries []Entry, first int, v Evidence) *Witness {
	var last *Witness
	version := ""
	for i := first; i < len(entries); i++ {
		e := entries[i]
		if e.Secret != v.Secret || e.Step != "" {
			continue
		}
		_, told := compromised(e)
		keeps := e.Version == v.Before && v.Before != v.Version || slices.ContainsFunc(e.Facts, func(f Fact) bool { return f.Field == Keeps })
		switch {
		case e.Outcome == Started && keeps && !told:
			w := witness(i, e)
			last, version = &w, e.Version
		case e.Outcome == Back && e.Version == version, e.Outcome == Proven && e.Version != version:
			last = nil
		}
	}
	return last
}

func witness(i int, e Entry) Witness {
	return Witness{Entry: i + 1, Hash: e.Link, Time: e.Time, Run: e.Run, Step: e.Step, Hosts: e.Hosts, Outcome: e.Outcome, Detail: e.Detail}
}

func compromised(e Entry) (why string, told bool) {
	for _, f := range e.Facts {
		if f.Field == Compromised && e.Outcome == Started && e.Step == "" {
			return f.Value, true
		}
	}
	return "", false
}
